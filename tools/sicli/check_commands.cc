// sicli check perf, check disk, check cluster.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/entropy.h"
#include "base/status.h"
#include "tools/sicli/check/check.h"
#include "tools/sicli/check/cluster_check.h"
#include "tools/sicli/check/disk_check.h"
#include "tools/sicli/command.h"
#include "tools/sicli/load/load_generator.h"
#include "tools/sicli/load/load_report.h"
#include "tools/sicli/load/progress_line.h"
#include "tools/sicli/load/test_flags.h"

namespace sisyphus::sicli {
namespace {

// A member that does not answer must not use up the time of the others.
constexpr std::chrono::milliseconds kMemberTimeout{2'000};
constexpr uint64_t kMebibyte = 1 << 20;

Colour ColourOf(const Json& row) {
  return row["verdict"] == "PASS" ? Colour::kGreen : Colour::kRed;
}

// A row a check, then the verdict about all of them. `more` goes into the document.
Status Print(const Context& context, const Checks& checks, Json more = Json::object()) {
  const bool passed =
      std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.passed; });
  Json rows = Json::array();
  for (const Check& check : checks) {
    rows.push_back({{"verdict", check.passed ? "PASS" : "FAIL"},
                    {"check", check.name},
                    {"reason", check.reason}});
  }
  Json document = {{"verdict", passed ? "PASS" : "FAIL"}, {"checks", rows}};
  document.update(more);
  const std::vector<Column> columns = {
      {.field = "verdict", .colour = ColourOf}, {.field = "check"}, {.field = "reason"}};
  SIS_RETURN_IF_ERROR(context.output.Rows(columns, rows, document));
  return passed ? OkStatus() : ExitWith(kExitCheckFailed, "");
}

Status RefuseCurl(const Context& context) {
  if (!context.curl) return OkStatus();
  return MakeStatus(StatusCode::kInvalidArgument, "this is more than one request: no --curl");
}

// --- perf ---

// What a cluster of a size should bear. The rates are those of etcd's check of the same kind, so
// that the two can be compared.
struct PerfClass {
  const char* name;
  const char* text;
  double rate;  // Writes a second.
  uint32_t connections;
};
constexpr PerfClass kPerfClasses[] = {
    {"small", "150 writes/s over 50 connections", 150, 50},
    {"medium", "1000 writes/s over 200 connections", 1'000, 200},
    {"large", "8000 writes/s over 500 connections", 8'000, 500},
    {"xlarge", "15000 writes/s over 1000 connections", 15'000, 1'000},
};
constexpr Duration kPerfP99 = std::chrono::milliseconds(100);
constexpr Duration kPerfMax = std::chrono::milliseconds(500);
constexpr double kPerfShareOfRate = 0.9;
constexpr uint64_t kPerfKeys = 10'000;
constexpr uint32_t kPerfValueBytes = 1024;

struct PerfArguments {
  std::string size = "small";
  std::string duration = "10s";
};

Checks JudgePerf(const LoadResult& result, double rate) {
  Checks checks;
  const LatencyHistogram all = result.all();
  const auto number = [](double value) { return std::to_string(std::llround(value)); };
  const double reached = AnsweredPerSecond(result);
  const double wanted = rate * kPerfShareOfRate;
  checks.push_back({"throughput", reached >= wanted,
                    number(reached) + " writes/s answered" +
                        (reached >= wanted ? ", at least " : ", below ") + number(wanted)});
  const auto time = [&](const char* name, Duration value, Duration limit) {
    const bool passed = all.count() > 0 && value <= limit;
    checks.push_back({name, passed,
                      all.count() == 0 ? "nothing was answered"
                                       : ShowDuration(value) + (passed ? ", within " : ", above ") +
                                             ShowDuration(limit)});
  };
  time("p99", all.Quantile(0.99), kPerfP99);
  time("slowest", all.max(), kPerfMax);
  const uint64_t failed = result.failures();
  checks.push_back({"failures", failed == 0,
                    failed == 0 ? "none"
                                : std::to_string(failed) + " of " + std::to_string(result.due) +
                                      (result.an_error.empty() ? "" : ": " + result.an_error)});
  const std::string bottleneck = result.bottleneck();
  if (!bottleneck.empty()) {
    checks.push_back({"this machine", false,
                      "the load generator itself was a bottleneck: " + bottleneck +
                          "; use a machine of its own for it"});
  }
  return checks;
}

Status CheckPerf(const Context& context, const PerfArguments& arguments) {
  SIS_RETURN_IF_ERROR(RefuseCurl(context));
  const PerfClass& size =
      *std::find_if(std::begin(kPerfClasses), std::end(kPerfClasses),
                    [&](const PerfClass& each) { return arguments.size == each.name; });
  LoadOptions options;
  SIS_ASSIGN_OR_RETURN(options.servers, ResolveServers(context.addresses));
  SIS_ASSIGN_OR_RETURN(options.duration, DurationFlag("--duration", arguments.duration));
  options.rate = size.rate;
  options.connections = size.connections;
  options.keys = kPerfKeys;
  options.value_size = kPerfValueBytes;
  options.timeout = context.timeout;
  options.key_prefix = FreshPrefix("sicli-check");
  options.seed = OsEntropy();
  StatusOr<LoadResult> result = LoadResult();
  {
    ProgressLine line;
    options.progress = [&](const LoadProgress& progress) {
      line.Show(std::string(size.name) + ": " + size.text + ", " + ShowDuration(progress.elapsed) +
                " of " + ShowDuration(options.duration));
    };
    result = RunLoad(options);
  }
  const Status cleaned = DeleteLoadKeys(options);
  SIS_RETURN_IF_ERROR(result.status());
  SayWhatIsLeft(options.key_prefix, cleaned);
  const Json more = {{"class", size.name}, {"load", LoadJson(options, *result, {})}};
  const Status status = Print(context, JudgePerf(*result, size.rate), more);
  return result->interrupted ? ExitWith(kExitInterrupted, "") : status;
}

void AddPerf(CLI::App* group, Invocation& invocation) {
  CLI::App* perf =
      group->add_subcommand("perf", "Does the cluster bear the writes of a usual application?");
  std::string classes =
      "Writes values of 1 KiB for a short while, each counted from when it was due:";
  std::vector<std::string> names;
  for (const PerfClass& size : kPerfClasses) {
    names.emplace_back(size.name);
    classes += "\n  " + std::string(size.name) +
               std::string(8 - std::string_view(size.name).size(), ' ') + size.text;
  }
  classes +=
      "\nPASS: at least 90 % of these are answered each second, 99 of 100 within 100 ms, all "
      "within\n"
      "500 ms, and none fails.";
  perf->footer(classes);
  const auto arguments = std::make_shared<PerfArguments>();
  perf->add_option("--class", arguments->size, "small (default), medium, large or xlarge")
      ->check(CLI::IsMember(names))
      ->type_name("NAME");
  perf->add_option("--duration", arguments->duration, "default 10s")->type_name("TIME");
  perf->callback([&invocation, arguments] {
    invocation.run = [arguments](const Context& context) { return CheckPerf(context, *arguments); };
  });
}

// --- disk ---

struct DiskArguments {
  std::string directory = ".";
  std::string p99 = "10ms";
  uint64_t min_free_mib = 1024;
};

Status RunCheckDisk(const Context& context, const DiskArguments& arguments) {
  DiskCheckOptions options;
  options.directory = arguments.directory;
  options.min_free_bytes = arguments.min_free_mib * kMebibyte;
  SIS_ASSIGN_OR_RETURN(options.max_p99, DurationFlag("--p99", arguments.p99));
  SIS_ASSIGN_OR_RETURN(const DiskReport report, CheckDisk(options));
  const auto micros = [](Duration duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  };
  const Json more = {{"directory", options.directory},
                     {"free_bytes", report.free_bytes},
                     {"syncs", report.syncs.count()},
                     {"sync_p50_us", micros(report.syncs.Quantile(0.5))},
                     {"sync_p99_us", micros(report.syncs.Quantile(0.99))},
                     {"sync_max_us", micros(report.syncs.max())}};
  return Print(context, report.checks, more);
}

void AddDisk(CLI::App* group, Invocation& invocation) {
  CLI::App* disk =
      group->add_subcommand("disk", "Is a directory's disk fast enough, and empty enough?");
  disk->footer(
      "Writes 4 KiB and syncs, up to a thousand times within 10 s, as the log does: every "
      "acknowledged\n"
      "write waits for that. Run it where the data directory is, best while nothing else runs "
      "there.");
  const auto arguments = std::make_shared<DiskArguments>();
  disk->add_option("--dir", arguments->directory, "the directory (default: this one)")
      ->type_name("DIR");
  disk->add_option("--p99", arguments->p99, "what 99 of 100 syncs may take (default 10ms)")
      ->type_name("TIME");
  disk->add_option("--min-free-mib", arguments->min_free_mib, "free space, in MiB (default 1024)")
      ->type_name("MIB");
  disk->callback([&invocation, arguments] {
    invocation.about_settings = true;  // No cluster is needed.
    invocation.run = [arguments](const Context& context) {
      return RunCheckDisk(context, *arguments);
    };
  });
}

// --- cluster ---

struct ClusterArguments {
  uint64_t max_lag = 1000;
  uint64_t min_free_mib = 1024;
};

Status RunCheckCluster(const Context& context, const ClusterArguments& arguments) {
  SIS_RETURN_IF_ERROR(RefuseCurl(context));
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const ClusterStatus cluster, client->Cluster());
  const auto members = AskMembers(cluster, std::min(context.timeout, kMemberTimeout));
  const Checks checks = CheckCluster(
      members,
      {.max_lag = arguments.max_lag, .min_free_bytes = arguments.min_free_mib * kMebibyte});
  return Print(context, checks, {{"cluster_id", cluster.cluster_id}});
}

void AddCluster(CLI::App* group, Invocation& invocation) {
  CLI::App* cluster = group->add_subcommand("cluster", "Are all members well, and do they agree?");
  const auto arguments = std::make_shared<ClusterArguments>();
  cluster
      ->add_option("--max-lag", arguments->max_lag,
                   "log entries that a member may be behind (default 1000)")
      ->type_name("N");
  cluster
      ->add_option("--min-free-mib", arguments->min_free_mib,
                   "free space on each member's disk, in MiB (default 1024)")
      ->type_name("MIB");
  cluster->callback([&invocation, arguments] {
    invocation.run = [arguments](const Context& context) {
      return RunCheckCluster(context, *arguments);
    };
  });
}

}  // namespace

void AddCheckCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = app.add_subcommand("check", "PASS or FAIL, with reasons (exit code 9: FAIL)");
  group->group(kTestGroup);
  group->require_subcommand(1);
  AddCluster(group, invocation);
  AddDisk(group, invocation);
  AddPerf(group, invocation);
}

}  // namespace sisyphus::sicli
