#include "tests/sim/sim_run.h"

#include <gtest/gtest.h>

#include <array>

#include "base/check.h"

namespace sisyphus::testing {
namespace {

TEST(SimRunTest, TheSameSeedIsTheSameRun) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const SimRunResult first = SimRun({.seed = seed, .seconds = 5}).Execute();
    const SimRunResult second = SimRun({.seed = seed, .seconds = 5}).Execute();
    EXPECT_EQ(first.failure, "");
    EXPECT_EQ(first.trace_hash, second.trace_hash) << "seed " << seed;
    EXPECT_EQ(first.steps, second.steps) << "seed " << seed;
    EXPECT_EQ(first.answered, second.answered) << "seed " << seed;
  }
}

// A failed apply was followed by the next one, over the gap (631); the last copy of the only
// voter's promise rotted (620).
TEST(SimRunTest, SeedsThatFailedBefore) {
  for (const uint64_t seed : {15u, 620u, 631u}) {
    EXPECT_EQ(SimRun({.seed = seed, .seconds = 60}).Execute().failure, "") << "seed " << seed;
  }
}

TEST(SimRunTest, DifferentSeedsAreDifferentRuns) {
  EXPECT_NE(SimRun({.seed = 1, .seconds = 1}).Execute().trace_hash,
            SimRun({.seed = 2, .seconds = 1}).Execute().trace_hash);
}

// Runs without work or faults would prove nothing, nor would runs that never leave memory.
TEST(SimRunTest, RunsDoSomething) {
  uint64_t answered = 0, deaths = 0, faults = 0, lost = 0;
  uint64_t replayed = 0;
  std::array<uint64_t, kKinds> by_kind{};
  ServerCounters servers;
  for (uint64_t seed = 100; seed < 200; ++seed) {
    const SimRunResult result = SimRun({.seed = seed, .seconds = 20}).Execute();
    EXPECT_EQ(result.failure, "") << "seed " << seed;
    EXPECT_FALSE(result.gave_up) << "seed " << seed;
    answered += result.answered;
    deaths += result.deaths;
    faults += result.faults;
    lost += result.lost;
    replayed += result.replayed;
    for (size_t i = 0; i < kKinds; ++i) by_kind[i] += result.by_kind[i];
    servers.Add(result.servers);
  }
  EXPECT_GT(answered, 20'000u);
  EXPECT_GT(faults, 400u);
  EXPECT_GT(deaths, 200u);
  EXPECT_GT(servers.flushes, 500u);
  EXPECT_GT(servers.tree_compactions, 200u);
  EXPECT_GT(servers.log_segments_deleted, 500u);
  EXPECT_GT(servers.log_reads, 5u);
  EXPECT_GT(servers.snapshots_installed, 10u);
  EXPECT_GT(lost, 5u);
  for (size_t i = 0; i < kKinds; ++i) {
    EXPECT_GT(by_kind[i], 30u) << NameOf(static_cast<SimRequest::Kind>(i));
  }
  EXPECT_GT(replayed, 100u);
}

TEST(SimRunDeathTest, AnAbortNamesItsSeed) {
  EXPECT_DEATH(
      {
        SimRun run({.seed = 4711, .seconds = 1});
        SIS_CHECK(run.Execute().answered == 0, "a run answers something");
      },
      "a run answers something(.|\n)*seed 4711");
}

}  // namespace
}  // namespace sisyphus::testing
