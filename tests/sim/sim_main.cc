// sim: runs the cluster in the simulator, seed by seed, and says which seeds fail.
//
//   sim --first-seed 1 --seeds 500 --seconds 10
//   sim --seed 17 --verbose
//   sim --first-seed 1 --seconds 60 --soak
//   sim --plant all --seeds 500        until each planted mistake is found, or is not
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/sim/plants.h"
#include "tests/sim/shrink.h"
#include "tests/sim/sim_run.h"

namespace sisyphus::testing {
namespace {

struct Flags {
  uint64_t first_seed = 1;
  uint64_t seeds = 1;
  uint64_t seed = 0;
  uint64_t seconds = 10;
  uint64_t nodes = 0;
  bool verbose = false;
  bool soak = false;
  bool no_shrink = false;
  std::string without;
  std::string skip;
  std::string json;
  std::string plant;
  bool list_plants = false;
};

struct Totals {
  uint64_t runs = 0;
  double seconds = 0;
  double longest = 0;
  uint64_t steps = 0, answered = 0, refused = 0, unknown = 0, faults = 0, deaths = 0, entries = 0;
  uint64_t replayed = 0;
  std::array<uint64_t, kKinds> by_kind{};
  uint64_t lost = 0, changed = 0, denied = 0, memberships = 0;
  double recovery = 0;                      // The longest.
  uint64_t with_snapshot = 0, gave_up = 0;  // Runs.
  ServerCounters servers;
  nlohmann::json failures = nlohmann::json::array();

  void Add(uint64_t seed, const SimRunResult& result) {
    ++runs;
    seconds += result.seconds;
    steps += result.steps;
    answered += result.answered;
    refused += result.refused;
    unknown += result.unknown;
    replayed += result.replayed;
    for (size_t i = 0; i < kKinds; ++i) by_kind[i] += result.by_kind[i];
    faults += result.faults;
    deaths += result.deaths;
    entries += result.entries;
    lost += result.lost;
    changed += result.changed;
    denied += result.denied;
    memberships += result.memberships;
    recovery = std::max(recovery, result.recovery);
    if (result.gave_up) ++gave_up;
    if (result.servers.snapshots_installed + result.servers.snapshots_resumed > 0) ++with_snapshot;
    servers.Add(result.servers);
    if (!result.failure.empty()) failures.push_back({{"seed", seed}, {"failure", result.failure}});
  }
};

double CpuSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

unsigned long long Wide(uint64_t n) { return n; }

void PrintCounters(const ServerCounters& counters, uint64_t lost) {
  std::printf(
      "  %llu flushes, %llu compactions, %llu log segments deleted, %llu log reads, "
      "%llu snapshots installed and %llu resumed, %llu servers lost with their disk\n",
      Wide(counters.flushes), Wide(counters.tree_compactions), Wide(counters.log_segments_deleted),
      Wide(counters.log_reads), Wide(counters.snapshots_installed),
      Wide(counters.snapshots_resumed), Wide(lost));
}

void PrintRun(uint64_t seed, const SimRunResult& result) {
  std::printf(
      "seed %llu: %s, trace %016llx, %.3f s, %llu steps, %llu answered, %llu refused, "
      "%llu unknown, %llu faults, %llu deaths\n",
      Wide(seed), result.failure.empty() ? "ok" : "FAILED", Wide(result.trace_hash), result.seconds,
      Wide(result.steps), Wide(result.answered), Wide(result.refused), Wide(result.unknown),
      Wide(result.faults), Wide(result.deaths));
  PrintCounters(result.servers, result.lost);
  if (!result.failure.empty()) std::printf("  %s\n", result.failure.c_str());
  std::fflush(stdout);
}

void PrintTotals(const Totals& totals, double cpu) {
  std::printf(
      "%llu runs, %zu failed; %.0f simulated seconds in %.1f CPU seconds (%.0f a second); "
      "%llu answered, %llu faults, %llu deaths\n",
      Wide(totals.runs), totals.failures.size(), totals.seconds, cpu, totals.seconds / cpu,
      Wide(totals.answered), Wide(totals.faults), Wide(totals.deaths));
  std::printf(" ");
  for (size_t i = 0; i < kKinds; ++i) {
    std::printf(" %llu %s,", Wide(totals.by_kind[i]), NameOf(static_cast<SimRequest::Kind>(i)));
  }
  std::printf(" %llu repeats\n", Wide(totals.replayed));
  PrintCounters(totals.servers, totals.lost);
  std::printf("  %llu memberships, %llu changes granted and %llu refused on request\n",
              Wide(totals.memberships), Wide(totals.changed), Wide(totals.denied));
  std::printf("  %llu runs with a snapshot, %llu with a history too hard to check\n",
              Wide(totals.with_snapshot), Wide(totals.gave_up));
  std::printf("  a healed majority answered within %.1f s, of %.0f s allowed\n", totals.recovery,
              std::chrono::duration<double>(kAnswerLimit).count());
}

// For tools/test, which adds up what all tests say.
void PrintCounts(const Totals& totals, double cpu) {
  std::printf("counts: sim_seeds=%llu sim_seconds=%.0f sim_cpu_seconds=%.1f\n", Wide(totals.runs),
              totals.seconds, cpu);
}

bool WriteJson(const Flags& flags, const Totals& totals, double cpu) {
  std::ofstream file(flags.json);
  nlohmann::json by_kind;
  for (size_t i = 0; i < kKinds; ++i) {
    by_kind[NameOf(static_cast<SimRequest::Kind>(i))] = totals.by_kind[i];
  }
  file << nlohmann::json{{"first_seed", flags.first_seed},
                         {"runs", totals.runs},
                         {"failed", totals.failures.size()},
                         {"simulated_seconds", totals.seconds},
                         {"cpu_seconds", cpu},
                         {"steps", totals.steps},
                         {"requests_answered", totals.answered},
                         {"requests_answered_by_kind", by_kind},
                         {"repeats", totals.replayed},
                         {"requests_refused", totals.refused},
                         {"requests_unknown", totals.unknown},
                         {"entries", totals.entries},
                         {"faults", totals.faults},
                         {"deaths", totals.deaths},
                         {"flushes", totals.servers.flushes},
                         {"tree_compactions", totals.servers.tree_compactions},
                         {"log_segments_deleted", totals.servers.log_segments_deleted},
                         {"log_reads", totals.servers.log_reads},
                         {"snapshots_installed", totals.servers.snapshots_installed},
                         {"snapshots_resumed", totals.servers.snapshots_resumed},
                         {"runs_with_snapshot", totals.with_snapshot},
                         {"runs_too_hard_to_check", totals.gave_up},
                         {"memberships", totals.memberships},
                         {"changes_granted", totals.changed},
                         {"changes_refused", totals.denied},
                         {"longest_recovery_seconds", totals.recovery},
                         {"servers_lost", totals.lost},
                         {"failures", totals.failures}}
              .dump(2)
       << "\n";
  return static_cast<bool>(file.flush());
}

volatile std::sig_atomic_t interrupted = 0;

// The smallest set of faults that still fails, and how to see it.
void PrintShrunk(const SimRunOptions& options, const SimRunResult& result) {
  const Shrunk shrunk = Shrink(options, result);
  std::printf("  with fewer faults: %s\n   ", shrunk.result.failure.c_str());
  for (const Fault fault : shrunk.result.lasting) std::printf(" %s", NameOf(fault));
  for (const Strike& strike : shrunk.result.strikes) {
    std::printf(" %llu:%s", Wide(strike.number), NameOf(strike.fault));
  }
  std::printf("\n  sim %s --verbose\n", FlagsOf(shrunk.options).c_str());
  std::fflush(stdout);
}

int Run(const Flags& flags) {
  FaultFilter filter;
  if (!ParseFilter(flags.without, flags.skip, &filter)) {
    std::fprintf(stderr, "sim: --without takes names of faults, --skip numbers and ranges\n");
    return 2;
  }
  if (flags.soak) {
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { interrupted = 1; });
  }
  const double begin = CpuSeconds();
  Totals totals;
  for (uint64_t seed = flags.first_seed;
       interrupted == 0 && (flags.soak ? totals.failures.empty() : totals.runs < flags.seeds);
       ++seed) {
    const SimRunOptions options{.seed = seed,
                                .nodes = flags.nodes,
                                .seconds = flags.seconds,
                                .filter = filter,
                                .verbose = flags.verbose};
    const SimRunResult result = SimRun(options).Execute();
    totals.Add(seed, result);
    const bool failed = !result.failure.empty();
    if (failed || flags.verbose || (flags.seeds == 1 && !flags.soak)) PrintRun(seed, result);
    if (failed && !flags.verbose && !flags.no_shrink) PrintShrunk(options, result);
  }
  const double cpu = CpuSeconds() - begin;
  PrintTotals(totals, cpu);
  PrintCounts(totals, cpu);
  if (!flags.json.empty() && !WriteJson(flags, totals, cpu)) {
    std::fprintf(stderr, "sim: cannot write %s\n", flags.json.c_str());
    return 2;
  }
  return totals.failures.empty() ? 0 : 1;
}

void ListPlants() {
  for (const Plant& plant : AllPlants()) std::printf("%-27s %s\n", plant.name, plant.what);
  std::printf("%zu mistakes\n", AllPlants().size());
}

int HuntPlants(const Flags& flags) {
  std::span<const Plant> plants = AllPlants();
  if (flags.plant != "all") plants = {FindPlant(flags.plant), 1};
  size_t found = 0;
  double cpu = 0;
  for (const Plant& plant : plants) {
    const Finding finding = HuntFor(plant, {.first_seed = flags.first_seed,
                                            .seeds = flags.seeds,
                                            .seconds = flags.seconds,
                                            .nodes = flags.nodes});
    cpu += finding.cpu_seconds;
    if (finding.seed != 0) {
      ++found;
      std::printf("%-27s %3llu seeds, %5.1f CPU s: %s\n", plant.name,
                  Wide(finding.seed - flags.first_seed + 1), finding.cpu_seconds,
                  finding.check.c_str());
    } else {
      std::printf("%-27s NOT FOUND in %llu seeds, %.1f CPU s %s\n", plant.name, Wide(flags.seeds),
                  finding.cpu_seconds, finding.check.c_str());
    }
    std::fflush(stdout);
  }
  std::printf("%zu of %zu planted mistakes found in %.0f CPU seconds\n", found, plants.size(), cpu);
  std::printf("counts: planted=%zu planted_found=%zu\n", plants.size(), found);
  return found == plants.size() ? 0 : 1;
}

}  // namespace
}  // namespace sisyphus::testing

int main(int argc, char** argv) {
  sisyphus::testing::Flags flags;
  CLI::App app{"Runs SisyphusDB clusters in simulated time, each decided by a seed."};
  app.add_option("--first-seed", flags.first_seed, "the first seed");
  app.add_option("--seeds", flags.seeds, "how many seeds")->check(CLI::PositiveNumber);
  app.add_option("--seed", flags.seed, "this seed only");
  app.add_option("--seconds", flags.seconds, "simulated seconds of faults in each run");
  app.add_option("--nodes", flags.nodes, "founders; drawn from the seed if not given")
      ->check(CLI::Range(1, 7));
  app.add_flag("--verbose", flags.verbose, "print what happens");
  app.add_flag("--soak", flags.soak, "seed after seed, until one fails or a signal ends it");
  app.add_flag("--no-shrink", flags.no_shrink, "do not look for fewer faults that fail too");
  app.add_option("--without", flags.without, "kinds of faults to leave out: loss,pause");
  app.add_option("--skip", flags.skip, "strikes to leave out: 3,7-12");
  app.add_option("--json", flags.json, "write totals and failures to this file");
  app.add_option("--plant", flags.plant,
                 "make this mistake, or one after the other \"all\", until a seed finds it");
  app.add_flag("--list-plants", flags.list_plants, "print the mistakes that can be planted");
  CLI11_PARSE(app, argc, argv);
  if (flags.list_plants) {
    sisyphus::testing::ListPlants();
    return 0;
  }
  const sisyphus::testing::Plant* plant = sisyphus::testing::FindPlant(flags.plant);
  if (!flags.plant.empty() && flags.plant != "all" && plant == nullptr) {
    std::fprintf(stderr, "sim: no planted mistake is called %s: see --list-plants\n",
                 flags.plant.c_str());
    return 2;
  }
  if (app.count("--seed") > 0) {
    flags.first_seed = flags.seed;
    flags.seeds = 1;
    if (plant != nullptr) sisyphus::planted = plant->mistake;
  } else if (!flags.plant.empty()) {
    return sisyphus::testing::HuntPlants(flags);
  }
  return sisyphus::testing::Run(flags);
}
