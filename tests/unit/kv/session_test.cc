// Repeats of writes, applied by the machine.

#include "kv/session.h"

#include <gtest/gtest.h>

#include <string>

#include "kv/log_time.h"
#include "kv/txn.h"
#include "tests/unit/kv/machine_fixture.h"

namespace sisyphus::kv {
namespace {

class SessionTest : public ::testing::Test {
 protected:
  std::string Write(const std::string& client, uint64_t sequence, std::string_view command) {
    return machine_.Apply(EncodeInSession({client, sequence}, command));
  }
  std::string Append(const std::string& client, uint64_t sequence, const std::string& key) {
    return Write(client, sequence, PutCommand(key, "v"));
  }
  uint64_t Version(const std::string& key) {
    const auto found = machine_.Find(key);
    return found ? found->version : 0;
  }

  TestMachine machine_;
};

TEST_F(SessionTest, ARepeatIsAnsweredAsTheFirstAndNotDoneAgain) {
  const std::string first = Append("c", 1, "k");
  const Index first_index = machine_.index();
  EXPECT_FALSE(ReplayIn(first).replayed);
  machine_.Apply(PutCommand("k", "other"));
  const std::string again = Append("c", 1, "k");
  const Replay replay = ReplayIn(again);
  EXPECT_TRUE(replay.replayed);
  EXPECT_EQ(replay.index, first_index);
  EXPECT_EQ(replay.result, first);
  EXPECT_EQ(machine_.Get("k"), "other");
  // After a restart too, from tables and from the log.
  for (const bool flush : {true, false}) {
    machine_.Restart(flush);
    EXPECT_EQ(ReplayIn(Append("c", 1, "k")).result, first);
  }
  EXPECT_FALSE(ReplayIn(Append("c", 2, "k")).replayed);
  EXPECT_EQ(Version("k"), 3u);
  // Another client's numbers are its own.
  EXPECT_FALSE(ReplayIn(Append("d", 1, "k")).replayed);
  EXPECT_EQ(Version("k"), 4u);
}

TEST_F(SessionTest, WhatCannotBeAnsweredIsRefused) {
  Append("c", 5, "k");
  EXPECT_EQ(RefusalIn(Append("c", 4, "k")), Refusal::kOldSequence);
  EXPECT_EQ(RefusalIn(Append("c", 5, "another")), Refusal::kOtherCommand);
  EXPECT_EQ(Version("k"), 1u);
  EXPECT_EQ(Version("another"), 0u);
  // An answer that is too large to keep.
  machine_.Apply(PutCommand("big", std::string(kMaxKeptAnswerBytes, 'x')));
  Command swap;
  swap.key = "big";
  swap.value = "small";
  swap.want_previous = true;
  EXPECT_TRUE(DecodeResult(Write("c", 6, EncodeCommand(swap)))->previous.has_value());
  EXPECT_EQ(RefusalIn(Write("c", 6, EncodeCommand(swap))), Refusal::kAnswerNotKept);
  EXPECT_EQ(Version("big"), 2u);
}

TEST_F(SessionTest, AConditionThatFailedAndARefusalAreAnswersToo) {
  Command absent;
  absent.key = "k";
  absent.condition.if_absent = true;
  machine_.Apply(PutCommand("k", "1"));
  const std::string failed = Write("c", 1, EncodeCommand(absent));
  EXPECT_FALSE(DecodeResult(failed)->done);
  Command remove;
  remove.kind = Command::Kind::kDelete;
  remove.key = "k";
  machine_.Apply(EncodeCommand(remove));
  EXPECT_EQ(ReplayIn(Write("c", 1, EncodeCommand(absent))).result, failed);
  EXPECT_EQ(machine_.Get("k"), "-");

  Command leased;
  leased.key = "k";
  leased.lease.id = 7;
  EXPECT_EQ(RefusalIn(Write("c", 2, EncodeCommand(leased))), Refusal::kNoLease);
  EXPECT_EQ(RefusalIn(ReplayIn(Write("c", 2, EncodeCommand(leased))).result), Refusal::kNoLease);
  EXPECT_EQ(RefusalIn(Append("c", 1, "k")), Refusal::kOldSequence);
}

TEST_F(SessionTest, ATransactionIsRepeatedLikeAnyOther) {
  Txn txn;
  txn.then.emplace_back();
  txn.then.back().kind = TxnOperation::Kind::kPut;
  txn.then.back().key = "k";
  const std::string first = Write("c", 1, EncodeTxn(txn));
  EXPECT_TRUE(DecodeTxnResult(first)->results[0].created);
  EXPECT_EQ(ReplayIn(Write("c", 1, EncodeTxn(txn))).result, first);
  EXPECT_EQ(Version("k"), 1u);
}

TEST_F(SessionTest, ASessionEndsWithLogTime) {
  const auto pass_to = [&](uint64_t ms) {
    machine_.Apply(EncodeTimePassed({machine_.term(), ms}));
  };
  Append("c", 1, "k");
  pass_to(kSessionTtlMs - 1);
  EXPECT_TRUE(ReplayIn(Append("c", 1, "k")).replayed);
  Append("c", 2, "k");  // From here on it lives as long again.
  pass_to(kSessionTtlMs + 1);
  EXPECT_TRUE(ReplayIn(Append("c", 2, "k")).replayed);
  EXPECT_EQ(machine_->deadlines().sessions(), 1u);
  pass_to(2 * kSessionTtlMs - 1);
  EXPECT_EQ(machine_->deadlines().sessions(), 0u);
  EXPECT_EQ(machine_->deadlines().Earliest(), std::nullopt);
  EXPECT_FALSE(ReplayIn(Append("c", 2, "k")).replayed);
  machine_.Restart(/*flush_first=*/true);
  EXPECT_EQ(machine_->deadlines().sessions(), 1u);
}

TEST_F(SessionTest, NewClientsAreRefusedWhenThereAreTooMany) {
  for (size_t i = 0; i < kMaxSessions; ++i) Append("c" + std::to_string(i), 1, "k");
  EXPECT_EQ(RefusalIn(Append("one more", 1, "other")), Refusal::kTooManySessions);
  EXPECT_EQ(machine_.Get("other"), "-");
  // Those that there are go on, and room comes with time.
  EXPECT_FALSE(ReplayIn(Append("c7", 2, "k")).replayed);
  EXPECT_EQ(Version("k"), kMaxSessions + 1);
  machine_.Apply(EncodeTimePassed({machine_.term(), kSessionTtlMs}));
  EXPECT_LT(machine_->deadlines().sessions(), kMaxSessions);
  EXPECT_EQ(RefusalIn(Append("one more", 1, "other")), Refusal::kNone);
  EXPECT_EQ(Version("other"), 1u);
}

TEST_F(SessionTest, MalformedCommandsStopTheReplica) {
  const std::string good = EncodeInSession({"c", 1}, PutCommand("k", "v"));
  for (const std::string& bad :
       {good.substr(0, 2), EncodeInSession({"c", 1}, ""), EncodeInSession({"", 1}, good),
        EncodeInSession({"c", 2}, good), EncodeTimed(""), EncodeTimed("x").substr(0, 5)}) {
    TestMachine machine;
    EXPECT_EQ(machine.TryApply(bad).status().code(), StatusCode::kDataLoss);
  }
}

}  // namespace
}  // namespace sisyphus::kv
