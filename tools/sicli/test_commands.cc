// sicli test load, test chaos.

#include <CLI/CLI.hpp>
#include <memory>

#include "base/entropy.h"
#include "base/status.h"
#include "tools/sicli/command.h"
#include "tools/sicli/load/chaos_driver.h"
#include "tools/sicli/load/chaos_report.h"
#include "tools/sicli/load/load_generator.h"
#include "tools/sicli/load/load_plot.h"
#include "tools/sicli/load/load_report.h"
#include "tools/sicli/load/progress_line.h"
#include "tools/sicli/load/test_flags.h"

namespace sisyphus::sicli {
namespace {

using std::chrono::seconds;

constexpr size_t kChartWidth = 80;
constexpr double kMostRequests = 1e9;

bool ForPeople(const Context& context) {
  return context.output.format() == Format::kTable || context.output.format() == Format::kSimple;
}

Status RefuseCurl(const Context& context) {
  if (!context.curl) return OkStatus();
  return MakeStatus(StatusCode::kInvalidArgument, "this is more than one request: no --curl");
}

struct LoadArguments {
  double rate = 1000;
  std::string duration = "10s";
  std::string type = "put";
  uint32_t get_percent = 50;
  std::string consistency;
  uint32_t connections = 64;
  uint64_t keys = 10'000;
  uint32_t value_size = 100;
  std::string p99;
  double max_failed = 0;
  std::string plot;
  bool keep = false;
};

StatusOr<LoadOptions> OptionsOf(const Context& context, const LoadArguments& arguments) {
  LoadOptions options;
  SIS_ASSIGN_OR_RETURN(options.servers, ResolveServers(context.addresses));
  SIS_ASSIGN_OR_RETURN(options.duration, DurationFlag("--duration", arguments.duration));
  options.rate = arguments.rate;
  if (options.rate * std::chrono::duration<double>(options.duration).count() > kMostRequests) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "--rate and --duration make more than a billion requests");
  }
  options.gets_of_100 = arguments.type == "put"   ? 0
                        : arguments.type == "get" ? 100
                                                  : arguments.get_percent;
  options.consistency = arguments.consistency;
  options.connections = arguments.connections;
  options.keys = arguments.keys;
  options.value_size = arguments.value_size;
  options.timeout = context.timeout;
  options.key_prefix = FreshPrefix("sicli-load");
  options.seed = OsEntropy();
  return options;
}

std::string LoadProgressText(const LoadProgress& progress) {
  char text[200];
  const LatencyHistogram& latency = *progress.latency;
  std::snprintf(text, sizeof(text), "%4.0f s  %7llu answered/s  p50 %-8s  p99 %-8s  max %-8s",
                std::chrono::duration<double>(progress.elapsed).count(),
                static_cast<unsigned long long>(progress.answered),
                ShowDuration(latency.Quantile(0.5)).c_str(),
                ShowDuration(latency.Quantile(0.99)).c_str(), ShowDuration(latency.max()).c_str());
  std::string line = text;
  if (progress.failed > 0) line += "  " + std::to_string(progress.failed) + " failed";
  if (progress.waiting > 0) line += "  " + std::to_string(progress.waiting) + " waiting";
  return line;
}

Status PrintLoad(const Context& context, const LoadOptions& options, const LoadResult& result,
                 const LoadVerdict& verdict) {
  const std::vector<Column> columns = {{.field = "operation"},
                                       {.field = "count", .right = true},
                                       {.field = "mean", .right = true},
                                       {.field = "p50", .right = true},
                                       {.field = "p90", .right = true},
                                       {.field = "p99", .right = true},
                                       {.field = "p99.9", .right = true},
                                       {.field = "max", .right = true}};
  const Json rows = LatencyRows(result);
  if (!ForPeople(context)) {
    return context.output.Rows(columns, rows, LoadJson(options, result, verdict));
  }
  std::string text = DescribeLoad(options) + "\n\n";
  text += context.output.RowsText(columns, rows, Json()) + "\n" + LoadSummary(result);
  if (context.output.terminal()) {
    const size_t width = context.output.width() == 0 ? kChartWidth : context.output.width();
    text += "\n" + ChartLoad(result, std::max<size_t>(width, 40) - 10);
  }
  if (verdict.judged) {
    text += verdict.passed ? "\nPASS" : "\nFAIL";
    const char* separator = ": ";
    for (const std::string& reason : verdict.reasons) {
      text += separator + reason;
      separator = "; ";
    }
    text += "\n";
  }
  return WriteOut(text);
}

Status TestLoad(const Context& context, const LoadArguments& arguments) {
  SIS_RETURN_IF_ERROR(RefuseCurl(context));
  SIS_ASSIGN_OR_RETURN(LoadOptions options, OptionsOf(context, arguments));
  LoadLimits limits;
  limits.max_failed_percent = arguments.max_failed;
  if (!arguments.p99.empty()) {
    SIS_ASSIGN_OR_RETURN(limits.p99, DurationFlag("--p99", arguments.p99));
  }
  if (!arguments.plot.empty()) SIS_RETURN_IF_ERROR(CheckWritable("--plot", arguments.plot));
  StatusOr<LoadResult> result = LoadResult();
  {
    ProgressLine line;
    options.progress = [&](const LoadProgress& p) { line.Show(LoadProgressText(p)); };
    result = RunLoad(options);
  }
  const Status cleaned = arguments.keep ? OkStatus() : DeleteLoadKeys(options);
  if (!result.ok() && result.status().code() == StatusCode::kCancelled) {
    return ExitWith(kExitInterrupted, std::string(MessageOf(result.status())));
  }
  SIS_RETURN_IF_ERROR(result.status());
  SayWhatIsLeft(options.key_prefix, cleaned);
  const LoadVerdict verdict = JudgeLoad(*result, limits);
  SIS_RETURN_IF_ERROR(PrintLoad(context, options, *result, verdict));
  if (!arguments.plot.empty()) {
    SIS_RETURN_IF_ERROR(PlotLoad(*result, DescribeLoad(options), arguments.plot));
  }
  if (result->interrupted) return ExitWith(kExitInterrupted, "");
  if (!verdict.passed) return ExitWith(kExitCheckFailed, "");
  if (result->all().count() > 0) return OkStatus();
  return MakeStatus(StatusCode::kUnavailable, "no request was answered well");
}

void AddLoad(CLI::App* group, Invocation& invocation) {
  CLI::App* load =
      group->add_subcommand("load", "Send requests at a fixed rate and measure how long they take");
  load->fallthrough();
  load->footer(
      "A request's latency counts from when it was due, also while all connections are busy, so "
      "that\n"
      "a server that stands still is seen by all that were due meanwhile. Writes its own keys and\n"
      "deletes them in the end. Ctrl-C ends it with what was measured.");
  const auto arguments = std::make_shared<LoadArguments>();
  load->add_option("--rate", arguments->rate, "requests a second (default 1000)")
      ->check(CLI::Range(0.1, 1e6))
      ->type_name("N");
  load->add_option("--duration", arguments->duration, "e.g. 30s or 2m (default 10s)")
      ->type_name("TIME");
  load->add_option("--type", arguments->type, "put (default), get or mixed")
      ->check(CLI::IsMember({"put", "get", "mixed"}))
      ->type_name("TYPE");
  load->add_option("--get-percent", arguments->get_percent, "of a mixed load (default 50)")
      ->check(CLI::Range(1, 99))
      ->type_name("PERCENT");
  load->add_option("--consistency", arguments->consistency,
                   "of the gets: linearizable, lease, stale")
      ->check(CLI::IsMember({"linearizable", "lease", "stale"}))
      ->type_name("KIND");
  load->add_option("--connections", arguments->connections,
                   "over all addresses given with --addr (default 64)")
      ->check(CLI::Range(1, 10'000))
      ->type_name("N");
  load->add_option("--keys", arguments->keys, "different keys (default 10000)")
      ->check(CLI::Range(1, 1'000'000))
      ->type_name("N");
  load->add_option("--value-size", arguments->value_size, "bytes (default 100)")
      ->check(CLI::Range(0, 16 << 20))
      ->type_name("BYTES");
  load->add_option("--p99", arguments->p99,
                   "PASS or FAIL (exit code 9): 99 of 100 requests take no longer, e.g. 10ms")
      ->type_name("TIME");
  load->add_option("--max-failed", arguments->max_failed,
                   "with --p99: percent of the requests that may fail (default 0)")
      ->check(CLI::Range(0.0, 100.0))
      ->type_name("PERCENT");
  load->add_option("--plot", arguments->plot, "draw latency over time into this PNG file")
      ->type_name("FILE");
  load->add_flag("--keep", arguments->keep, "leave the keys where they are");
  load->callback([&invocation, arguments] {
    invocation.run = [arguments](const Context& context) { return TestLoad(context, *arguments); };
  });
}

struct ChaosArguments {
  uint32_t workers = 8;
  std::string duration = "60s";
  uint32_t keys = 5;
  double rate = 500;
  std::string recovery = "60s";
  std::string consistency;
  std::string history;
};

// With one address the members' own are used beside it, as far as they are known: it may be the one
// that dies.
StatusOr<std::vector<HttpServer>> ServersForChaos(const Context& context) {
  SIS_ASSIGN_OR_RETURN(std::vector<HttpServer> servers, ResolveServers(context.addresses));
  if (servers.size() > 1) return servers;
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const ClusterStatus cluster, client->Cluster());
  for (const MemberStatus& member : cluster.members) {
    StatusOr<HttpServer> server = ResolveServer(member.http_address);
    if (!server.ok() || server->endpoint == servers.front().endpoint) continue;
    servers.push_back(*std::move(server));
  }
  return servers;
}

std::string ChaosProgressText(const ChaosProgress& progress) {
  char text[200];
  std::snprintf(text, sizeof(text),
                "%4.0f s  %s%llu reads  %llu writes  %llu refused  %llu unknown",
                std::chrono::duration<double>(progress.elapsed).count(),
                progress.checking ? "reading every key  " : "",
                static_cast<unsigned long long>(progress.counts.reads),
                static_cast<unsigned long long>(progress.counts.writes),
                static_cast<unsigned long long>(progress.counts.refused),
                static_cast<unsigned long long>(progress.counts.unknown));
  std::string line = text;
  if (!progress.checking && progress.since_write >= kNotableGap) {
    line += "  no write for " + ShowDuration(progress.since_write);
  }
  return line;
}

Status ChaosExit(const ChaosResult& result, const ChaosVerdict& verdict) {
  if (verdict.violated) return ExitWith(kExitCheckFailed, "");
  if (result.interrupted) return ExitWith(kExitInterrupted, "");
  if (result.unread > 0) return ExitWith(kExitUnavailable, "");
  return verdict.undecided > 0 ? ExitWith(kExitOther, "") : OkStatus();
}

Status TestChaos(const Context& context, const ChaosArguments& arguments) {
  SIS_RETURN_IF_ERROR(RefuseCurl(context));
  ChaosOptions options;
  options.workers = arguments.workers;
  options.keys = arguments.keys;
  options.rate = arguments.rate;
  SIS_ASSIGN_OR_RETURN(options.duration, DurationFlag("--duration", arguments.duration));
  SIS_ASSIGN_OR_RETURN(options.recovery, DurationFlag("--recovery", arguments.recovery));
  SIS_ASSIGN_OR_RETURN(options.servers, ServersForChaos(context));
  options.timeout = std::min<Duration>(options.timeout, context.timeout);
  options.consistency = arguments.consistency;
  options.key_prefix = FreshPrefix("sicli-chaos");
  options.seed = OsEntropy();
  if (!arguments.history.empty()) {
    SIS_RETURN_IF_ERROR(CheckWritable("--history", arguments.history));
  }
  StatusOr<ChaosResult> result = ChaosResult();
  ChaosVerdict verdict;
  {
    ProgressLine line;
    options.progress = [&](const ChaosProgress& p) { line.Show(ChaosProgressText(p)); };
    result = RunChaos(options);
    SIS_RETURN_IF_ERROR(result.status());
    verdict = JudgeChaos(*result);
  }
  if (!arguments.history.empty()) {
    SIS_RETURN_IF_ERROR(SaveHistory(*result, verdict.key, arguments.history));
  }
  // What was found wrong is left for whoever looks into it.
  if (!verdict.violated && result->unread == 0) {
    SayWhatIsLeft(options.key_prefix, DeleteChaosKeys(options));
  }
  if (ForPeople(context)) {
    SIS_RETURN_IF_ERROR(WriteOut(ChaosText(*result, verdict)));
  } else {
    SIS_RETURN_IF_ERROR(context.output.Record(ChaosJson(*result, verdict), "verdict"));
  }
  return ChaosExit(*result, verdict);
}

void AddChaos(CLI::App* group, Invocation& invocation) {
  CLI::App* chaos = group->add_subcommand(
      "chaos", "Write and read while you break the cluster, then check what clients were told");
  chaos->fallthrough();
  chaos->footer(
      "Kill, freeze and cut off nodes meanwhile, and let a majority live in the end. Then every "
      "key is\n"
      "read once more, and the answers must be linearizable: no acknowledged write is lost, no "
      "read\n"
      "goes back. Exit code 9: they are not.");
  const auto arguments = std::make_shared<ChaosArguments>();
  chaos
      ->add_option("--workers", arguments->workers,
                   "clients, each one request at a time (default 8)")
      ->check(CLI::Range(1, 100))
      ->type_name("N");
  chaos->add_option("--duration", arguments->duration, "of the writing (default 60s)")
      ->type_name("TIME");
  chaos->add_option("--keys", arguments->keys, "that all workers use at a time (default 5)")
      ->check(CLI::Range(1, 1000))
      ->type_name("N");
  chaos->add_option("--rate", arguments->rate, "requests a second, at most (default 500)")
      ->check(CLI::Range(1.0, 100'000.0))
      ->type_name("N");
  chaos
      ->add_option("--recovery", arguments->recovery,
                   "how long the cluster may take to answer in the end (default 60s)")
      ->type_name("TIME");
  chaos
      ->add_option("--consistency", arguments->consistency,
                   "of the reads: linearizable (default) or lease")
      ->check(CLI::IsMember({"linearizable", "lease"}))
      ->type_name("KIND");
  chaos
      ->add_option("--history", arguments->history,
                   "write all operations to this file, one JSON object a line")
      ->type_name("FILE");
  chaos->callback([&invocation, arguments] {
    invocation.run = [arguments](const Context& context) { return TestChaos(context, *arguments); };
  });
}

}  // namespace

void AddTestCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = app.add_subcommand("test", "Put load on a cluster, or watch it being broken");
  group->group(kTestGroup);
  group->require_subcommand(1);
  group->fallthrough();
  AddLoad(group, invocation);
  AddChaos(group, invocation);
}

}  // namespace sisyphus::sicli
