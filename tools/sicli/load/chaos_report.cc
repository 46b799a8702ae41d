#include "tools/sicli/load/chaos_report.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <utility>

#include "tools/sicli/load/latency_histogram.h"

namespace sisyphus::sicli {
namespace {

using nlohmann::ordered_json;
using verify::RegisterOperation;
using Kind = RegisterOperation::Kind;
using Verdict = verify::LinearizabilityResult::Verdict;

// A key has some hundred operations: this is far more than the search for a good one takes, and
// keeps its memory below a gigabyte.
constexpr uint64_t kMostSteps = 2'000'000;
constexpr size_t kShownGaps = 5;

bool IsKnown(const RegisterOperation& operation) {
  return operation.returned != RegisterOperation::kNever;
}

std::string ShowValue(const verify::RegisterState& value) { return value.value_or("nothing"); }

std::string Millis(int64_t nanoseconds) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3f", static_cast<double>(nanoseconds) / 1e6);
  return text;
}

std::string Call(const RegisterOperation& operation) {
  switch (operation.kind) {
    case Kind::kGet:
      return "get";
    case Kind::kPut:
    case Kind::kAppend:
      return "put " + operation.argument;
    case Kind::kDelete:
      return "delete";
    case Kind::kCompareAndSet:
      return "if it is " + ShowValue(operation.expected) + ", put " + operation.argument;
  }
  return "";
}

std::string Answer(const RegisterOperation& operation) {
  if (!IsKnown(operation)) return "unknown";
  if (operation.kind == Kind::kGet) return ShowValue(operation.read);
  if (operation.kind == Kind::kCompareAndSet && !operation.succeeded) return "it is not";
  return "ok";
}

ordered_json ToJson(const verify::RegisterState& state) {
  return state ? ordered_json(*state) : ordered_json(nullptr);
}

ordered_json OperationJson(const RegisterOperation& operation) {
  ordered_json line = {{"key", operation.key}, {"client", operation.client}};
  switch (operation.kind) {
    case Kind::kGet:
      line["operation"] = "get";
      if (IsKnown(operation)) line["read"] = ToJson(operation.read);
      break;
    case Kind::kPut:
    case Kind::kAppend:
      line["operation"] = "put";
      line["value"] = operation.argument;
      break;
    case Kind::kDelete:
      line["operation"] = "delete";
      break;
    case Kind::kCompareAndSet:
      line["operation"] = "compare_and_set";
      line["expected"] = ToJson(operation.expected);
      line["value"] = operation.argument;
      if (IsKnown(operation)) line["succeeded"] = operation.succeeded;
      break;
  }
  line["called_ns"] = operation.called;
  line["returned_ns"] = IsKnown(operation) ? ordered_json(operation.returned) : ordered_json();
  return line;
}

std::vector<const RegisterOperation*> OperationsOn(const ChaosResult& result,
                                                   const std::string& key) {
  std::vector<const RegisterOperation*> found;
  for (const RegisterOperation& operation : result.history) {
    if (operation.key == key) found.push_back(&operation);
  }
  std::sort(found.begin(), found.end(),
            [](const auto* a, const auto* b) { return a->called < b->called; });
  return found;
}

double Milliseconds(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

}  // namespace

ChaosVerdict JudgeChaos(const ChaosResult& result) {
  std::map<std::string, std::vector<RegisterOperation>> by_key;
  for (const RegisterOperation& operation : result.history) {
    by_key[operation.key].push_back(operation);
  }
  ChaosVerdict verdict;
  for (auto& [key, operations] : by_key) {
    const verify::LinearizabilityResult found =
        verify::CheckLinearizable(std::move(operations), std::nullopt, kMostSteps);
    if (found.verdict == Verdict::kGaveUp) ++verdict.undecided;
    if (found.verdict != Verdict::kNotLinearizable) continue;
    verdict.violated = true;
    verdict.key = key;
    verdict.why = found.report;
    break;
  }
  return verdict;
}

std::string VerdictName(const ChaosResult& result, const ChaosVerdict& verdict) {
  if (verdict.violated) return "FAIL";
  return verdict.undecided > 0 || result.unread > 0 ? "NO VERDICT" : "PASS";
}

std::string ChaosText(const ChaosResult& result, const ChaosVerdict& verdict) {
  const ChaosCounts& counts = result.counts;
  std::string text;
  const auto line = [&](const std::string& name, const std::string& value) {
    text += name + std::string(name.size() < 20 ? 20 - name.size() : 1, ' ') + value + "\n";
  };
  line("duration", ShowDuration(result.duration));
  line("reads", std::to_string(counts.reads));
  line("writes", std::to_string(counts.writes) + " acknowledged");
  line("unknown", std::to_string(counts.unknown) + " writes without an answer");
  line("refused", std::to_string(counts.refused) + " requests, certainly without effect");
  line("repeated", std::to_string(counts.repeated) + " times, with an Idempotency-Key");
  line("keys", std::to_string(counts.keys));
  line("longest gap", ShowDuration(result.longest_gap) + " between two acknowledged writes");
  for (size_t i = 0; i < std::min(result.gaps.size(), kShownGaps); ++i) {
    line("", ShowDuration(result.gaps[i].length) + " from " + ShowDuration(result.gaps[i].at));
  }
  if (!result.an_error.empty()) line("last trouble", result.an_error);
  text += "\n";
  if (verdict.violated) {
    text += HistoryText(result, verdict.key) + "\n" + verdict.why + "\n\n";
    text +=
        "FAIL: no order of the operations on " + verdict.key + " explains what clients were told\n";
    return text;
  }
  if (result.unread > 0) {
    text += "NO VERDICT: " + std::to_string(result.unread) +
            " keys could not be read in the end: the cluster has not recovered\n";
  } else if (verdict.undecided > 0) {
    text += "NO VERDICT: the search was given up for " + std::to_string(verdict.undecided) +
            " keys, no violation in the others\n";
  } else {
    text += "PASS: no acknowledged write was lost, and every answer is linearizable\n";
  }
  return text;
}

ordered_json ChaosJson(const ChaosResult& result, const ChaosVerdict& verdict) {
  const ChaosCounts& counts = result.counts;
  ordered_json json = {{"verdict", VerdictName(result, verdict)},
                       {"duration_ms", Milliseconds(result.duration)},
                       {"interrupted", result.interrupted},
                       {"reads", counts.reads},
                       {"writes", counts.writes},
                       {"unknown", counts.unknown},
                       {"refused", counts.refused},
                       {"repeated", counts.repeated},
                       {"keys", counts.keys},
                       {"unread", result.unread},
                       {"undecided", verdict.undecided},
                       {"longest_gap_ms", Milliseconds(result.longest_gap)}};
  json["gaps"] = ordered_json::array();
  for (const WriteGap& gap : result.gaps) {
    json["gaps"].push_back(
        {{"at_ms", Milliseconds(gap.at)}, {"length_ms", Milliseconds(gap.length)}});
  }
  if (!result.an_error.empty()) json["last_trouble"] = result.an_error;
  if (!verdict.violated) return json;
  json["violation"] = {{"key", verdict.key}, {"why", verdict.why}};
  json["violation"]["history"] = ordered_json::array();
  for (const RegisterOperation* operation : OperationsOn(result, verdict.key)) {
    json["violation"]["history"].push_back(OperationJson(*operation));
  }
  return json;
}

std::string HistoryText(const ChaosResult& result, const std::string& key) {
  std::string text = "operations on " + key + "\n";
  char line[256];
  std::snprintf(line, sizeof(line), "%12s  %12s  %7s  %-32s %s\n", "called ms", "answered ms",
                "client", "operation", "answer");
  text += line;
  for (const RegisterOperation* operation : OperationsOn(result, key)) {
    const std::string returned = IsKnown(*operation) ? Millis(operation->returned) : "never";
    std::snprintf(line, sizeof(line), "%12s  %12s  %7llu  %-32s %s\n",
                  Millis(operation->called).c_str(), returned.c_str(),
                  static_cast<unsigned long long>(operation->client), Call(*operation).c_str(),
                  Answer(*operation).c_str());
    text += line;
  }
  return text;
}

Status SaveHistory(const ChaosResult& result, const std::string& first_key,
                   const std::string& path) {
  std::ofstream out(path, std::ios::trunc);
  for (const RegisterOperation* operation : OperationsOn(result, first_key)) {
    out << OperationJson(*operation).dump() << '\n';
  }
  for (const RegisterOperation& operation : result.history) {
    if (operation.key != first_key) out << OperationJson(operation).dump() << '\n';
  }
  out.close();
  if (out.good()) return OkStatus();
  return MakeStatus(StatusCode::kInternal, path + ": the history cannot be written");
}

}  // namespace sisyphus::sicli
