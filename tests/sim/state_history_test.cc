#include "tests/sim/state_history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/command.h"

namespace sisyphus::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Put(std::string_view key, std::string_view value, kv::Condition condition = {}) {
  kv::Command command;
  command.condition = condition;
  command.key = key;
  command.value = value;
  return kv::EncodeCommand(command);
}

std::string Done(uint64_t created, uint64_t version) {
  kv::CommandResult result;
  result.done = true;
  result.create_revision = Index(created);
  result.version = version;
  result.existed = version > 1;
  return kv::EncodeResult(result);
}

kv::VersionedValue Value(const char* text, uint64_t created, uint64_t modified, uint64_t version) {
  return {text, Index(created), Index(modified), version};
}

LogPosition At(uint64_t index) { return {Index(index), Term(1)}; }

class StateHistoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    history_.OnApply(At(1), "", "");
    history_.OnApply(At(2), Put("k", "a"), Done(2, 1));
    history_.OnApply(At(3), Put("k", "b"), Done(2, 2));
  }
  StateHistory history_;
};

TEST_F(StateHistoryTest, EveryStateIsRemembered) {
  history_.OnRead("n", "k", Index(1), std::nullopt);
  history_.OnRead("n", "k", Index(2), Value("a", 2, 2, 1));
  history_.OnRead("n", "k", Index(3), Value("b", 2, 3, 2));
  history_.OnRead("n", "other", Index(3), std::nullopt);
  EXPECT_THAT(history_.violation(), IsEmpty());
}

TEST_F(StateHistoryTest, AReadOfAnotherState) {
  history_.OnRead("n", "k", Index(3), Value("a", 2, 2, 1));
  EXPECT_THAT(history_.violation(), HasSubstr("n has 'a'@2"));
}

TEST_F(StateHistoryTest, AReadWithAnotherRevision) {
  history_.OnRead("n", "k", Index(3), Value("b", 1, 3, 2));
  EXPECT_FALSE(history_.ok());
}

TEST_F(StateHistoryTest, AStateThatNobodyReached) {
  history_.OnRead("n", "k", Index(4), Value("b", 2, 3, 2));
  EXPECT_THAT(history_.violation(), HasSubstr("nobody has applied"));
}

TEST_F(StateHistoryTest, AConditionThatDoesNotHoldIsRefused) {
  kv::CommandResult refused;
  refused.current_revision = Index(3);
  history_.OnApply(At(4), Put("k", "c", {Index(2), false}), kv::EncodeResult(refused));
  EXPECT_TRUE(history_.ok()) << history_.violation();
  history_.OnApply(At(5), Put("k", "c", {std::nullopt, true}), Done(2, 3));
  EXPECT_THAT(history_.violation(), HasSubstr("decides entry 5"));
}

}  // namespace
}  // namespace sisyphus::testing
