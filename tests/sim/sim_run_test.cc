#include "tests/sim/sim_run.h"

#include <gtest/gtest.h>

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

TEST(SimRunTest, DifferentSeedsAreDifferentRuns) {
  EXPECT_NE(SimRun({.seed = 1, .seconds = 1}).Execute().trace_hash,
            SimRun({.seed = 2, .seconds = 1}).Execute().trace_hash);
}

// A run without work or faults would prove nothing.
TEST(SimRunTest, RunsDoSomething) {
  uint64_t answered = 0, deaths = 0, faults = 0;
  for (uint64_t seed = 100; seed < 110; ++seed) {
    const SimRunResult result = SimRun({.seed = seed, .seconds = 5}).Execute();
    answered += result.answered;
    deaths += result.deaths;
    faults += result.faults;
  }
  EXPECT_GT(answered, 1000u);
  EXPECT_GT(faults, 30u);
  EXPECT_GT(deaths, 5u);
}

}  // namespace
}  // namespace sisyphus::testing
