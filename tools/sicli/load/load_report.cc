#include "tools/sicli/load/load_report.h"

#include <cstdio>
#include <utility>

namespace sisyphus::sicli {
namespace {

using nlohmann::ordered_json;

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }
int64_t Micros(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

std::string Format(const char* format, double number) {
  char text[64];
  std::snprintf(text, sizeof(text), format, number);
  return text;
}

std::string OperationName(const LoadOptions& options) {
  if (options.gets_of_100 == 0) return "put";
  if (options.gets_of_100 == 100) return "get";
  return "mixed (" + std::to_string(options.gets_of_100) + " % get)";
}

ordered_json RowOf(const char* name, const LatencyHistogram& latency) {
  return {{"operation", name},
          {"count", latency.count()},
          {"mean", ShowDuration(latency.mean())},
          {"p50", ShowDuration(latency.Quantile(0.5))},
          {"p90", ShowDuration(latency.Quantile(0.9))},
          {"p99", ShowDuration(latency.Quantile(0.99))},
          {"p99.9", ShowDuration(latency.Quantile(0.999))},
          {"max", ShowDuration(latency.max())}};
}

ordered_json LatencyJson(const LatencyHistogram& latency) {
  return {{"count", latency.count()},
          {"mean_us", Micros(latency.mean())},
          {"deviation_us", Micros(latency.deviation())},
          {"p50_us", Micros(latency.Quantile(0.5))},
          {"p90_us", Micros(latency.Quantile(0.9))},
          {"p99_us", Micros(latency.Quantile(0.99))},
          {"p99.9_us", Micros(latency.Quantile(0.999))},
          {"p99.99_us", Micros(latency.Quantile(0.9999))},
          {"max_us", Micros(latency.max())}};
}

double FailedPercent(const LoadResult& result) {
  if (result.due == 0) return 0;
  return 100.0 * static_cast<double>(result.failures()) / static_cast<double>(result.due);
}

}  // namespace

LoadVerdict JudgeLoad(const LoadResult& result, const LoadLimits& limits) {
  LoadVerdict verdict;
  if (!limits.p99) return verdict;
  verdict.judged = true;
  const auto demand = [&](bool kept, const std::string& reason) {
    verdict.passed &= kept;
    verdict.reasons.push_back(reason);
  };
  const LatencyHistogram all = result.all();
  const Duration p99 = all.Quantile(0.99);
  if (all.count() == 0) {
    demand(false, "no request was answered");
  } else {
    const bool kept = p99 <= *limits.p99;
    demand(kept, "p99 " + ShowDuration(p99) + (kept ? " is within " : " is above ") +
                     ShowDuration(*limits.p99));
  }
  const double failed = FailedPercent(result);
  if (failed > limits.max_failed_percent) {
    demand(false, Format("%.3g %%", failed) + " of the requests failed, allowed are " +
                      Format("%g %%", limits.max_failed_percent));
  }
  return verdict;
}

double AnsweredPerSecond(const LoadResult& result) {
  const double seconds = Seconds(result.duration);
  return seconds > 0 ? static_cast<double>(result.puts.count() + result.gets.count()) / seconds : 0;
}

std::string DescribeLoad(const LoadOptions& options) {
  return OperationName(options) + ", " + Format("%g", options.rate) + "/s for " +
         Format("%g s", Seconds(options.duration)) + " over " +
         std::to_string(options.connections) + " connections, " + std::to_string(options.keys) +
         " keys, values of " + std::to_string(options.value_size) + " bytes";
}

ordered_json LatencyRows(const LoadResult& result) {
  ordered_json rows = ordered_json::array();
  if (result.puts.count() > 0) rows.push_back(RowOf("put", result.puts));
  if (result.gets.count() > 0) rows.push_back(RowOf("get", result.gets));
  if (rows.size() != 1) rows.push_back(RowOf("all", result.all()));
  return rows;
}

std::string LoadSummary(const LoadResult& result) {
  const uint64_t answered = result.puts.count() + result.gets.count();
  std::string text = std::to_string(answered) + " of " + std::to_string(result.due) +
                     " requests answered in " + Format("%.1f s", Seconds(result.duration)) + ", " +
                     Format("%.0f", AnsweredPerSecond(result)) + " a second\n";
  for (const auto& [why, count] : result.failed) {
    text += std::to_string(count) + " failed: " + why + "\n";
  }
  if (result.unsent > 0) {
    text += std::to_string(result.unsent) + " never sent: no connection was free in time\n";
  }
  if (!result.an_error.empty()) text += "the last failure: " + result.an_error + "\n";
  if (result.waited > 0 && result.due > 0) {
    text += Format("%.3g %%",
                   100.0 * static_cast<double>(result.waited) / static_cast<double>(result.due)) +
            " waited for a free connection; that is part of their latency\n";
  }
  const std::string bottleneck = result.bottleneck();
  if (!bottleneck.empty()) {
    text += "the load generator itself was a bottleneck: " + bottleneck +
            "; these latencies are too long\n";
  }
  return text;
}

ordered_json LoadJson(const LoadOptions& options, const LoadResult& result,
                      const LoadVerdict& verdict) {
  ordered_json json;
  json["load"] = {{"type", options.gets_of_100 == 0     ? "put"
                           : options.gets_of_100 == 100 ? "get"
                                                        : "mixed"},
                  {"rate", options.rate},
                  {"duration_s", Seconds(options.duration)},
                  {"get_percent", options.gets_of_100},
                  {"connections", options.connections},
                  {"keys", options.keys},
                  {"value_size", options.value_size}};
  json["duration_s"] = Seconds(result.duration);
  json["interrupted"] = result.interrupted;
  json["due"] = result.due;
  json["answered"] = result.puts.count() + result.gets.count();
  json["answered_per_second"] = AnsweredPerSecond(result);
  json["failed"] = ordered_json::object();
  for (const auto& [why, count] : result.failed) json["failed"][why] = count;
  json["unsent"] = result.unsent;
  json["waited"] = result.waited;
  json["latency"] = {{"all", LatencyJson(result.all())},
                     {"put", LatencyJson(result.puts)},
                     {"get", LatencyJson(result.gets)}};
  json["slot_s"] = Seconds(result.slot_length);
  json["slots"] = ordered_json::array();
  for (const LoadSlot& slot : result.slots) {
    json["slots"].push_back({{"count", slot.latency.count()},
                             {"failed", slot.failed},
                             {"p50_us", Micros(slot.latency.Quantile(0.5))},
                             {"p99_us", Micros(slot.latency.Quantile(0.99))},
                             {"max_us", Micros(slot.latency.max())}});
  }
  json["generator"] = {{"processor_share", result.processor_share},
                       {"timer_late_p99_us", Micros(result.lateness.Quantile(0.99))},
                       {"bottleneck", result.bottleneck()}};
  if (!verdict.judged) return json;
  json["verdict"] = verdict.passed ? "PASS" : "FAIL";
  json["reasons"] = verdict.reasons;
  return json;
}

}  // namespace sisyphus::sicli
