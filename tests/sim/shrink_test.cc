#include "tests/sim/shrink.h"

#include <gtest/gtest.h>

namespace sisyphus::testing {
namespace {

TEST(ShrinkTest, FlagsSayWhatAFilterHolds) {
  SimRunOptions options{.seed = 7, .nodes = 3, .seconds = 20};
  ASSERT_TRUE(ParseFilter("loss,bit-rot", "9,3-5", &options.filter));
  EXPECT_EQ(options.filter.without, (std::set<Fault>{Fault::kBitRot, Fault::kLoss}));
  EXPECT_EQ(options.filter.skip, (std::set<uint64_t>{3, 4, 5, 9}));
  EXPECT_EQ(FlagsOf(options),
            "--seed 7 --seconds 20 --nodes 3 --without bit-rot,loss --skip 3-5,9");
}

TEST(ShrinkTest, AFilterThatCannotBeRead) {
  FaultFilter filter;
  EXPECT_FALSE(ParseFilter("lossy", "", &filter));
  EXPECT_FALSE(ParseFilter("", "3-", &filter));
  EXPECT_FALSE(ParseFilter("", "x", &filter));
  EXPECT_TRUE(ParseFilter("", "", &filter));
}

TEST(ShrinkTest, WhatIsLeftOutDoesNotHappen) {
  const SimRunOptions all{.seed = 3, .seconds = 5};
  const SimRunResult result = SimRun(all).Execute();
  ASSERT_FALSE(result.strikes.empty());
  SimRunOptions some = all;
  some.filter.skip.insert(result.strikes.front().number);
  for (const Strike& strike : SimRun(some).Execute().strikes) {
    EXPECT_NE(strike.number, result.strikes.front().number);
  }
  SimRunOptions none = all;
  for (uint8_t i = 0; i < static_cast<uint8_t>(Fault::kCount); ++i) {
    none.filter.without.insert(static_cast<Fault>(i));
  }
  const SimRunResult calm = SimRun(none).Execute();
  EXPECT_TRUE(calm.strikes.empty() && calm.lasting.empty());
  EXPECT_EQ(calm.deaths, 0u);
}

}  // namespace
}  // namespace sisyphus::testing
