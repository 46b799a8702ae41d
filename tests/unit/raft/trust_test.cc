// A replica whose log is sound and whose state is not (Core::TrustState).
#include <gtest/gtest.h>

#include <variant>

#include "tests/unit/raft/cluster.h"

namespace sisyphus::raft::testing {
namespace {

Cluster::Options Three() {
  Cluster::Options options;
  options.voters = {1, 2, 3};
  return options;
}

Entry Command(uint64_t index, uint64_t term) {
  return {Index(index), Term(term), EntryType::kCommand, MakePayload("x")};
}

SnapshotMeta Meta(uint64_t index, uint64_t term) {
  return {{Index(index), Term(term)}, MakeMembership({1, 2, 3})};
}

Message FromLeader(MessageBody body) { return {NodeId(1), NodeId(2), Term(1), std::move(body)}; }

class TrustTest : public ::testing::Test {
 protected:
  // Entries 1 to 4, of which 3 are committed and 2 were handed out before the distrust.
  TrustTest() {
    core_.Step(FromLeader(
        AppendRequest{{}, {Command(1, 1), Command(2, 1), Command(3, 1), Command(4, 1)}, Index(2)}));
    const Output output = core_.TakeOutput(1 << 20);
    core_.Persisted(output.write.id);
    EXPECT_EQ(output.committed.size(), 2u);
    core_.TrustState(false);
    core_.Step(FromLeader(HeartbeatRequest{.commit = Index(3), .round = 1}));
  }

  Cluster cluster_{Three()};
  Core& core_ = cluster_.core(2);
};

TEST_F(TrustTest, HandsOutNothing) {
  EXPECT_TRUE(core_.TakeOutput(1 << 20).committed.empty());
  EXPECT_FALSE(core_.HasOutput());
  EXPECT_EQ(core_.commit(), Index(3)) << "it takes part in replication all the same";
  core_.TrustState(true);
  EXPECT_TRUE(core_.HasOutput());
  EXPECT_EQ(core_.TakeOutput(1 << 20).committed.size(), 1u);
}

TEST_F(TrustTest, TakesASnapshotThatTheLogReachesAndKeepsTheLog) {
  core_.Step(FromLeader(SnapshotRequest{Meta(2, 1)}));
  const Output output = core_.TakeOutput(1 << 20);
  EXPECT_EQ(output.snapshot_to_install, Meta(2, 1));
  EXPECT_EQ(output.write.snapshot, Meta(2, 1));
  EXPECT_TRUE(output.write.keep_log);
  EXPECT_TRUE(output.committed.empty());
  EXPECT_EQ(std::get<SnapshotReply>(output.write.messages.back().body).match, Index(3));
  EXPECT_EQ(core_.status().last, Index(4));
  EXPECT_EQ(core_.status().first, Index(1));
  core_.Persisted(output.write.id);
  EXPECT_EQ(core_.status().persisted, Index(4));
  core_.TrustState(true);
  const Output next = core_.TakeOutput(1 << 20);
  ASSERT_EQ(next.committed.size(), 1u);
  EXPECT_EQ(next.committed[0].index, Index(3));
}

TEST_F(TrustTest, TakesASnapshotBeyondItsCommit) {
  core_.Step(FromLeader(SnapshotRequest{Meta(4, 1)}));
  const Output output = core_.TakeOutput(1 << 20);
  EXPECT_EQ(output.snapshot_to_install, Meta(4, 1));
  EXPECT_TRUE(output.write.keep_log);
  EXPECT_EQ(core_.commit(), Index(4));
}

TEST_F(TrustTest, ASnapshotBeyondItsLogReplacesTheLog) {
  core_.Step(FromLeader(SnapshotRequest{Meta(9, 1)}));
  const Output output = core_.TakeOutput(1 << 20);
  EXPECT_EQ(output.snapshot_to_install, Meta(9, 1));
  EXPECT_FALSE(output.write.keep_log);
  EXPECT_EQ(core_.status().first, Index(10));
}

TEST_F(TrustTest, IsNotTurnedBack) {
  core_.Step(FromLeader(SnapshotRequest{Meta(1, 1)}));
  const Output output = core_.TakeOutput(1 << 20);
  EXPECT_FALSE(output.snapshot_to_install || output.write.snapshot);
}

TEST_F(TrustTest, OnceTrustedASnapshotIsOnlyACommitAgain) {
  core_.TrustState(true);
  core_.Step(FromLeader(SnapshotRequest{Meta(4, 1)}));
  const Output output = core_.TakeOutput(1 << 20);
  EXPECT_FALSE(output.snapshot_to_install || output.write.snapshot);
}

TEST_F(TrustTest, DoesNotRunForLeader) {
  core_.Step(FromLeader(TimeoutNow{}));
  EXPECT_EQ(core_.role(), Role::kFollower);
  core_.ForgetLeader();
  core_.Campaign();
  EXPECT_EQ(core_.role(), Role::kFollower);
}

TEST(TrustLeaderTest, ProposesNothingAndSendsNoSnapshot) {
  Cluster cluster(Three());
  cluster.Elect(1);
  for (int i = 0; i < 10; ++i) cluster.Propose(1, "x");
  cluster.SettleWithout(3);
  cluster.Flush(1);
  cluster.Compact(1, Index(8));
  cluster.TrustState(1, false);
  const Payload payload = MakePayload("y");
  EXPECT_EQ(cluster.core(1).Propose({&payload, 1}).status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(cluster.core(1).ProposeMembership({}).status().code(), StatusCode::kUnavailable);
  for (int i = 0; i < 3; ++i) {
    cluster.Tick(1);
    cluster.Settle();
  }
  EXPECT_EQ(cluster.snapshots(), 0u);
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader) << "until it has handed over";
  ASSERT_TRUE(cluster.core(1).TransferLeadership(NodeId(2)).ok());
  cluster.Settle();
  EXPECT_EQ(cluster.leader(), 2u);
}

TEST(TrustLeaderTest, SendsASnapshotThatIsAskedFor) {
  Cluster cluster(Three());
  cluster.Elect(1);
  for (int i = 0; i < 5; ++i) cluster.Propose(1, "x");
  cluster.Settle();
  cluster.TrustState(3, false);
  cluster.Propose(1, "late");
  cluster.Settle();
  EXPECT_EQ(cluster.machine(3), Index(6));
  cluster.core(1).SendSnapshotTo(NodeId(3));
  cluster.core(1).SendSnapshotTo(NodeId(3));  // One is on its way.
  cluster.core(1).SendSnapshotTo(NodeId(9));  // Nobody.
  cluster.Settle();
  EXPECT_EQ(cluster.snapshots(), 1u);
  EXPECT_EQ(cluster.reseeds(), 1u);
  EXPECT_EQ(cluster.machine(3), Index(7));
  cluster.Propose(1, "later");
  cluster.Settle();
  EXPECT_EQ(cluster.machine(3), Index(8));
}

// Nobody else's log is long enough: without its help the cluster would have no leader.
TEST(TrustLeaderTest, LeadsAsALastResortAndHandsOver) {
  Cluster cluster(Three());
  cluster.Elect(1);
  cluster.Propose(1, "x");
  cluster.SettleWithout(3);
  cluster.Crash(1);
  cluster.TrustState(2, false);
  const uint32_t election_ticks = Config{}.election_ticks;
  uint32_t ticks = 0;
  while (cluster.core(2).role() != Role::kLeader && ticks < 20 * election_ticks) {
    cluster.TickAll();
    cluster.Settle();
    ++ticks;
  }
  ASSERT_EQ(cluster.core(2).role(), Role::kLeader);
  EXPECT_GE(ticks, Core::kLastResort * election_ticks);
  ASSERT_TRUE(cluster.core(2).TransferLeadership(NodeId(3)).ok());
  cluster.Settle();
  EXPECT_EQ(cluster.core(3).role(), Role::kLeader);
  EXPECT_GT(cluster.machine(3), Index(2));
}

}  // namespace
}  // namespace sisyphus::raft::testing
