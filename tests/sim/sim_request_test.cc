#include "tests/sim/sim_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sisyphus::testing {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using RegisterKind = verify::RegisterOperation::Kind;

const std::vector<std::string> kKeys = {"a", "b", "c"};
constexpr SimCall kCall{.client = 1, .called = 10, .returned = 20};

kv::TxnOperation Operation(kv::TxnOperation::Kind kind, std::string key, std::string value = "") {
  kv::TxnOperation operation;
  operation.kind = kind;
  operation.key = std::move(key);
  operation.value = std::move(value);
  return operation;
}

SimRequest Transaction() {
  SimRequest request{.kind = SimRequest::Kind::kTxn, .key = "a", .value = "new"};
  request.expected = "old";
  request.txn.then = {Operation(kv::TxnOperation::Kind::kPut, "a", "new"),
                      Operation(kv::TxnOperation::Kind::kDelete, "b"),
                      Operation(kv::TxnOperation::Kind::kGet, "c")};
  request.txn.otherwise = {Operation(kv::TxnOperation::Kind::kGet, "a")};
  return request;
}

TEST(SimRequestTest, ARangeDeleteDeletesEachKeyInIt) {
  const SimRequest request{.kind = SimRequest::Kind::kDeleteRange, .key = "a", .end = "c"};
  const std::vector<verify::RegisterOperation> operations = Project(request, nullptr, kCall, kKeys);
  ASSERT_THAT(operations, SizeIs(2));
  EXPECT_EQ(operations[0].kind, RegisterKind::kDelete);
  EXPECT_EQ(operations[1].key, "b");
}

TEST(SimRequestTest, WhatATransactionDidToEachKey) {
  SimOutcome outcome;
  outcome.txn.succeeded = true;
  outcome.txn.results.resize(3);
  outcome.txn.results[2].found.push_back({"c", {"seen", Index(1), Index(1), 1, 0}});
  const std::vector<verify::RegisterOperation> operations =
      Project(Transaction(), &outcome, kCall, kKeys);
  ASSERT_THAT(operations, SizeIs(3));
  EXPECT_EQ(operations[0].kind, RegisterKind::kCompareAndSet);
  EXPECT_EQ(operations[0].expected, "old");
  EXPECT_EQ(operations[0].argument, "new");
  EXPECT_TRUE(operations[0].succeeded);
  EXPECT_EQ(operations[1].kind, RegisterKind::kDelete);
  EXPECT_EQ(operations[2].read, "seen");
}

TEST(SimRequestTest, WhatATransactionThatDidNotHoldSaw) {
  SimOutcome outcome{.succeeded = false};
  outcome.txn.results.resize(1);
  const std::vector<verify::RegisterOperation> operations =
      Project(Transaction(), &outcome, kCall, kKeys);
  ASSERT_THAT(operations, SizeIs(2));
  EXPECT_EQ(operations[0].kind, RegisterKind::kCompareAndSet);
  EXPECT_FALSE(operations[0].succeeded);
  EXPECT_EQ(operations[1].kind, RegisterKind::kGet);
  EXPECT_EQ(operations[1].read, std::nullopt);
}

TEST(SimRequestTest, KeysThatEndByThemselvesAreNotRegisters) {
  const SimRequest request{.kind = SimRequest::Kind::kPut, .key = "leased0", .value = "x"};
  EXPECT_THAT(Project(request, nullptr, kCall, kKeys), IsEmpty());
}

TEST(SimRequestTest, AnswersThatDiffer) {
  SimOutcome first{.revision = Index(5)};
  SimOutcome repeat{.revision = Index(5), .replayed = true};
  EXPECT_TRUE(SameAnswer(first, repeat));
  repeat.lease.id = 7;
  EXPECT_FALSE(SameAnswer(first, repeat));
}

}  // namespace
}  // namespace sisyphus::testing
