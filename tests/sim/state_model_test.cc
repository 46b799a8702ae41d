#include "tests/sim/state_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/history.h"
#include "kv/lease.h"
#include "kv/log_time.h"
#include "kv/session.h"

namespace sisyphus::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string PutOf(std::string_view key, std::string_view value, kv::LeaseChoice lease = {}) {
  kv::Command command;
  command.key = key;
  command.value = value;
  command.lease = lease;
  return kv::EncodeCommand(command);
}

kv::TxnOperation Operation(kv::TxnOperation::Kind kind, std::string key, std::string value = "") {
  kv::TxnOperation operation;
  operation.kind = kind;
  operation.key = std::move(key);
  operation.value = std::move(value);
  return operation;
}

class StateModelTest : public ::testing::Test {
 protected:
  // Entries of term 1, in order.
  std::string Apply(std::string_view command, uint64_t term = 1) {
    return model_.Apply({Index(++last_), Term(term)}, command).value_or("malformed");
  }
  uint64_t Grant(uint64_t ttl_ms) {
    return kv::DecodeLeaseResult(Apply(kv::EncodeLeaseGrant(ttl_ms)))->id;
  }
  kv::TxnResult Transact(const kv::Txn& txn) {
    return kv::DecodeTxnResult(Apply(kv::EncodeTxn(txn))).value();
  }

  StateModel model_;
  uint64_t last_ = 0;
};

TEST_F(StateModelTest, VersionsAndRevisions) {
  Apply(PutOf("k", "a"));
  Apply(PutOf("k", "b"));
  const kv::VersionedValue* now = model_.Find("k");
  ASSERT_NE(now, nullptr);
  EXPECT_EQ(now->value, "b");
  EXPECT_EQ(now->create_revision, Index(1));
  EXPECT_EQ(now->mod_revision, Index(2));
  EXPECT_EQ(now->version, 2u);
}

TEST_F(StateModelTest, ATransactionSeesItselfAndIsDoneWhole) {
  Apply(PutOf("a", "old"));
  kv::Txn txn;
  kv::Comparison compare;
  compare.key = "a";
  compare.value = "old";
  txn.compare.push_back(compare);
  txn.then = {Operation(kv::TxnOperation::Kind::kPut, "b", "new"),
              Operation(kv::TxnOperation::Kind::kGet, "b"),
              Operation(kv::TxnOperation::Kind::kDelete, "a")};
  txn.otherwise = {Operation(kv::TxnOperation::Kind::kGet, "a")};
  const kv::TxnResult first = Transact(txn);
  EXPECT_TRUE(first.succeeded);
  EXPECT_EQ(first.results[1].found.front().second.value, "new");
  EXPECT_EQ(first.results[2].count, 1u);
  EXPECT_THAT(model_.touched(), ElementsAre("a", "b"));
  EXPECT_FALSE(Transact(txn).succeeded);
}

TEST_F(StateModelTest, ARefusedTransactionLeavesNothing) {
  kv::Txn txn;
  txn.then = {Operation(kv::TxnOperation::Kind::kPut, "a", "1"),
              Operation(kv::TxnOperation::Kind::kPut, "b", "2")};
  txn.then.back().lease.id = 77;
  EXPECT_EQ(kv::RefusalIn(Apply(kv::EncodeTxn(txn))), kv::Refusal::kNoLease);
  EXPECT_EQ(model_.Find("a"), nullptr);
  EXPECT_THAT(model_.touched(), IsEmpty());
}

TEST_F(StateModelTest, ARepeatIsAnsweredAsTheFirst) {
  const std::string command = kv::EncodeInSession({"c", 5}, PutOf("k", "a"));
  const std::string first = Apply(command);
  Apply(PutOf("k", "b"));
  const std::string second = Apply(command);
  const kv::Replay replay = kv::ReplayIn(second);
  EXPECT_TRUE(replay.replayed);
  EXPECT_EQ(replay.index, Index(1));
  EXPECT_EQ(replay.result, first);
  EXPECT_EQ(model_.Find("k")->value, "b");
  EXPECT_EQ(kv::RefusalIn(Apply(kv::EncodeInSession({"c", 4}, PutOf("k", "c")))),
            kv::Refusal::kOldSequence);
  EXPECT_EQ(kv::RefusalIn(Apply(kv::EncodeInSession({"c", 5}, PutOf("k", "c")))),
            kv::Refusal::kOtherCommand);
}

TEST_F(StateModelTest, TimeOfTheOwnTermEndsLeases) {
  const uint64_t lease = Grant(1'000);
  Apply(PutOf("k", "a", {.id = lease}));
  Apply(kv::EncodeTimePassed({Term(1), 999}));
  EXPECT_EQ(model_.leases(), 1u);
  Apply(kv::EncodeTimePassed({Term(1), 5'000}), /*term=*/2);
  EXPECT_EQ(model_.leases(), 1u);
  Apply(kv::EncodeTimePassed({Term(2), 1'000}), /*term=*/2);
  EXPECT_EQ(model_.leases(), 0u);
  EXPECT_THAT(model_.expired(), ElementsAre(lease));
  EXPECT_EQ(model_.Find("k"), nullptr);
}

TEST_F(StateModelTest, ALeaseOfItsOwnEndsWithItsKey) {
  Apply(PutOf("k", "a", {.ttl_ms = 1'000}));
  EXPECT_EQ(model_.leases(), 1u);
  const uint64_t sum = model_.RecordSum();
  Apply(PutOf("k", "b"));
  EXPECT_EQ(model_.leases(), 0u);
  EXPECT_NE(model_.RecordSum(), sum);
  EXPECT_THAT(model_.expired(), IsEmpty());
}

TEST_F(StateModelTest, TheFloorRises) {
  for (int i = 0; i < 5; ++i) Apply(PutOf("k", "a"));
  EXPECT_EQ(Apply(kv::EncodeCompactCommand(Index(3))), kv::EncodeCompactResult(Index(3)));
  EXPECT_EQ(Apply(kv::EncodeCompactCommand(Index(2))), kv::EncodeCompactResult(Index(3)));
  EXPECT_EQ(Apply(kv::EncodeCompactCommand(Index(100))), kv::EncodeCompactResult(Index(3)));
}

TEST_F(StateModelTest, Nonsense) {
  EXPECT_EQ(Apply("\x7fnonsense"), "malformed");
  EXPECT_EQ(Apply(std::string(1, char{kv::kTxnCommand}) + "x"), "malformed");
}

}  // namespace
}  // namespace sisyphus::testing
