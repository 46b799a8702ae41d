#include "verify/linearizability.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace sisyphus::verify {
namespace {

using Kind = RegisterOperation::Kind;
using Verdict = LinearizabilityResult::Verdict;
constexpr int64_t kNever = RegisterOperation::kNever;

RegisterOperation Put(std::string value, int64_t called, int64_t returned) {
  return {.kind = Kind::kPut,
          .key = "k",
          .argument = std::move(value),
          .called = called,
          .returned = returned};
}
RegisterOperation Get(RegisterState value, int64_t called, int64_t returned) {
  return {.key = "k", .read = std::move(value), .called = called, .returned = returned};
}
RegisterOperation Delete(int64_t called, int64_t returned) {
  return {.kind = Kind::kDelete, .key = "k", .called = called, .returned = returned};
}
RegisterOperation Swap(RegisterState from, std::string to, bool succeeded, int64_t called,
                       int64_t returned) {
  return {.kind = Kind::kCompareAndSet,
          .key = "k",
          .argument = std::move(to),
          .expected = std::move(from),
          .succeeded = succeeded,
          .called = called,
          .returned = returned};
}

bool Linearizable(std::vector<RegisterOperation> history) {
  return CheckLinearizable(std::move(history)).verdict == Verdict::kLinearizable;
}

TEST(LinearizabilityTest, AnEmptyHistoryIs) { EXPECT_TRUE(Linearizable({})); }

TEST(LinearizabilityTest, AReadSeesTheLastWrite) {
  EXPECT_TRUE(Linearizable({Put("a", 1, 2), Get("a", 3, 4)}));
  EXPECT_FALSE(Linearizable({Put("a", 1, 2), Get(std::nullopt, 3, 4)}));
  EXPECT_FALSE(Linearizable({Put("a", 1, 2), Put("b", 3, 4), Get("a", 5, 6)}));
}

TEST(LinearizabilityTest, OverlappingWritesGoEitherWay) {
  EXPECT_TRUE(Linearizable({Put("a", 1, 4), Put("b", 2, 3), Get("a", 5, 6)}));
  EXPECT_TRUE(Linearizable({Put("a", 1, 4), Put("b", 2, 3), Get("b", 5, 6)}));
  // But not both ways at once.
  EXPECT_FALSE(Linearizable({Put("a", 1, 4), Put("b", 2, 3), Get("a", 5, 6), Get("b", 7, 8)}));
}

TEST(LinearizabilityTest, AReadDoesNotGoBack) {
  EXPECT_FALSE(Linearizable({Put("a", 1, 10), Get("a", 2, 3), Get(std::nullopt, 4, 5)}));
  EXPECT_TRUE(Linearizable({Put("a", 1, 10), Get(std::nullopt, 2, 3), Get("a", 4, 5)}));
}

TEST(LinearizabilityTest, AnUnknownOutcomeTakesEffectOnceLateOrNever) {
  EXPECT_TRUE(Linearizable({Put("a", 1, kNever), Get(std::nullopt, 2, 3), Get("a", 4, 5)}));
  EXPECT_TRUE(Linearizable({Put("a", 1, kNever), Get(std::nullopt, 2, 3)}));
  EXPECT_FALSE(Linearizable(
      {Put("a", 1, kNever), Get("a", 2, 3), Put("b", 4, 5), Get("b", 6, 7), Get("a", 8, 9)}));
  EXPECT_FALSE(Linearizable({Get("a", 1, 2), Put("a", 3, kNever)}));  // Not before its call.
  EXPECT_TRUE(
      Linearizable({Put("a", 1, 2), Delete(3, kNever), Get("a", 4, 5), Get(std::nullopt, 6, 7)}));
}

TEST(LinearizabilityTest, CompareAndSet) {
  EXPECT_TRUE(Linearizable({Swap(std::nullopt, "a", true, 1, 2), Get("a", 3, 4)}));
  EXPECT_FALSE(Linearizable({Put("x", 1, 2), Swap(std::nullopt, "a", true, 3, 4)}));
  EXPECT_FALSE(Linearizable({Put("x", 1, 2), Swap("x", "a", false, 3, 4)}));
  // Two that saw the same value: one only can win.
  EXPECT_FALSE(
      Linearizable({Put("x", 1, 2), Swap("x", "a", true, 3, 6), Swap("x", "b", true, 4, 5)}));
  EXPECT_TRUE(
      Linearizable({Put("x", 1, 2), Swap("x", "a", true, 3, 6), Swap("x", "b", false, 4, 5)}));
  // An unknown write explains a refusal.
  EXPECT_TRUE(Linearizable({Put("x", 1, 2), Put("y", 3, kNever), Swap("x", "a", false, 4, 5)}));
}

TEST(LinearizabilityTest, KeysAreIndependentAndTheReportNamesTheBadOne) {
  std::vector<RegisterOperation> history = {Put("a", 1, 2), Get("a", 3, 4)};
  RegisterOperation bad = Get("ghost", 5, 6);
  bad.key = "other";
  history.push_back(bad);
  const LinearizabilityResult result = CheckLinearizable(history);
  EXPECT_EQ(result.verdict, Verdict::kNotLinearizable);
  EXPECT_EQ(result.key, "other");
  EXPECT_NE(result.report.find("'ghost'"), std::string::npos) << result.report;
}

TEST(LinearizabilityTest, GivesUpInsteadOfRunningForEver) {
  std::vector<RegisterOperation> history;
  for (int i = 0; i < 30; ++i) history.push_back(Put("v" + std::to_string(i), i, 1000 + i));
  history.push_back(Get("never written", 2000, 2001));
  EXPECT_EQ(CheckLinearizable(history, std::nullopt, 10'000).verdict, Verdict::kGaveUp);
}

// A register that really is one, used by overlapping clients: must pass. The same history with one
// answer changed to a value that was not there in its window: must not.
TEST(LinearizabilityTest, RandomHistories) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Rng rng(seed);
    std::vector<RegisterOperation> history;
    RegisterState state;
    std::vector<size_t> gets;
    for (int i = 0; i < 60; ++i) {
      // Takes effect at 10 * i; called up to 40 before, answered up to 40 after.
      const int64_t at = 10 * i + 100;
      const int64_t called = at - static_cast<int64_t>(rng.Between(1, 40));
      const int64_t returned = at + static_cast<int64_t>(rng.Between(1, 40));
      const std::string value = "v" + std::to_string(i);
      switch (rng.Below(4)) {
        case 0:
          gets.push_back(history.size());
          history.push_back(Get(state, called, returned));
          break;
        case 1:
          history.push_back(Put(value, called, rng.Chance(1, 4) ? kNever : returned));
          state = value;
          break;
        case 2:
          history.push_back(Delete(called, returned));
          state.reset();
          break;
        default: {
          const bool matches = rng.Chance(1, 2);
          history.push_back(
              Swap(matches ? state : RegisterState("no"), value, matches, called, returned));
          if (matches) state = value;
        }
      }
    }
    ASSERT_TRUE(Linearizable(history)) << "seed " << seed;
    if (gets.empty()) continue;
    history[gets[rng.Below(gets.size())]].read = "v1000";
    ASSERT_FALSE(Linearizable(history)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace sisyphus::verify
