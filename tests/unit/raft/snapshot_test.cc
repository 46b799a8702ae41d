// Snapshots, compaction and restart, rule by rule (thesis 5).
#include <gtest/gtest.h>

#include <variant>

#include "raft/log_view.h"
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

Message Snapshot(uint64_t term, const SnapshotMeta& meta) {
  return {NodeId(1), NodeId(2), Term(term), SnapshotRequest{meta}};
}

TEST(SnapshotTest, FollowerBehindTheBaseGetsOne) {
  Cluster cluster(Three());
  cluster.Elect(1);
  for (int i = 0; i < 10; ++i) cluster.Propose(1, "x");
  cluster.SettleWithout(3);
  cluster.Flush(1);
  cluster.Compact(1, Index(8));
  EXPECT_EQ(cluster.core(1).status().first, Index(9));
  for (int i = 0; i < 3; ++i) {
    cluster.Tick(1);
    cluster.Settle();
  }
  EXPECT_EQ(cluster.snapshots(), 1u);
  EXPECT_EQ(cluster.machine(3), Index(11));
  EXPECT_EQ(cluster.core(1).progress()[1].state, ProgressState::kReplicate);
  EXPECT_EQ(cluster.core(3).status().membership, MakeMembership({1, 2, 3}));
}

TEST(SnapshotTest, FailedDeliveryIsTriedAgain) {
  Cluster cluster(Three());
  cluster.Elect(1);
  for (int i = 0; i < 10; ++i) cluster.Propose(1, "x");
  cluster.SettleWithout(3);
  cluster.Flush(1);
  cluster.Compact(1, Index(8));
  int lost = 0;
  for (int i = 0; i < 6; ++i) {
    cluster.Tick(1);
    cluster.Settle([&lost](const Message& m) {
      return std::holds_alternative<SnapshotRequest>(m.body) && ++lost <= 2;
    });
  }
  EXPECT_GE(lost, 3);
  EXPECT_EQ(cluster.machine(3), Index(11));
}

TEST(SnapshotTest, LostAnswerIsAskedForAgain) {
  Cluster cluster(Three());
  cluster.Elect(1);
  for (int i = 0; i < 10; ++i) cluster.Propose(1, "x");
  cluster.SettleWithout(3);
  cluster.Flush(1);
  cluster.Compact(1, Index(8));
  for (int i = 0; i < 6; ++i) {
    cluster.Tick(1);
    cluster.Settle([](const Message& m) { return std::holds_alternative<SnapshotReply>(m.body); });
  }
  EXPECT_EQ(cluster.snapshots(), 1u);
  EXPECT_EQ(cluster.core(1).progress()[1].match, Index(11));
}

TEST(SnapshotTest, ReplacesAConflictingLog) {
  Cluster cluster(Three());
  Core& core = cluster.core(2);
  core.Step({NodeId(1), NodeId(2), Term(1),
             AppendRequest{{}, {Command(1, 1), Command(2, 1), Command(3, 1)}, Index(1)}});
  const Output before = core.TakeOutput(1 << 20);
  core.Step(Snapshot(4, Meta(3, 3)));
  const Output output = core.TakeOutput(1 << 20);
  EXPECT_EQ(output.snapshot_to_install, Meta(3, 3));
  EXPECT_EQ(output.write.snapshot, Meta(3, 3));
  EXPECT_TRUE(output.write.entries.empty());
  EXPECT_EQ(std::get<SnapshotReply>(output.write.messages.back().body).match, Index(3));
  EXPECT_EQ(core.status().last, Index(3));
  // The write that was under way makes nothing of the new log durable.
  core.Persisted(before.write.id);
  EXPECT_EQ(core.status().persisted, Index(0));
  core.Persisted(output.write.id);
  EXPECT_EQ(core.status().persisted, Index(3));
}

TEST(SnapshotTest, OfWhatTheLogHoldsIsOnlyACommit) {
  Cluster cluster(Three());
  Core& core = cluster.core(2);
  core.Step({NodeId(1), NodeId(2), Term(1),
             AppendRequest{{}, {Command(1, 1), Command(2, 1), Command(3, 1)}, Index(1)}});
  core.Step(Snapshot(1, Meta(2, 1)));
  const Output output = core.TakeOutput(1 << 20);
  EXPECT_FALSE(output.snapshot_to_install || output.write.snapshot);
  EXPECT_EQ(core.commit(), Index(2));
  EXPECT_EQ(core.status().last, Index(3)) << "what follows stays";
  core.Step(Snapshot(1, Meta(1, 1)));  // Older than the commit: answered, no more.
  const Output old = core.TakeOutput(1 << 20);
  EXPECT_FALSE(old.snapshot_to_install || old.write.snapshot);
  EXPECT_EQ(std::get<SnapshotReply>(old.write.messages.at(0).body).match, Index(2));
}

TEST(SnapshotTest, AppendThatRacesItGoesBehindIt) {
  Cluster cluster(Three());
  Core& core = cluster.core(2);
  core.Step(Snapshot(3, Meta(5, 2)));
  core.Step({NodeId(1), NodeId(2), Term(3),
             AppendRequest{{Index(5), Term(2)}, {Command(6, 3)}, Index(6)}});
  const Output output = core.TakeOutput(1 << 20);
  EXPECT_TRUE(output.snapshot_to_install && output.write.snapshot);
  ASSERT_EQ(output.write.entries.size(), 1u);
  ASSERT_EQ(output.committed.size(), 1u);
  EXPECT_EQ(output.committed[0].index, Index(6));
}

TEST(SnapshotTest, StateMachineAheadOfItsLogIsNotTurnedBack) {
  RestoredState restored;
  restored.hard_state = {Term(3), NodeId(1), Index(2)};
  restored.base.membership = MakeMembership({1, 2, 3});
  restored.entries = {Command(1, 1), Command(2, 1)};
  restored.applied = Index(9);  // Applied from memory; the log's write was lost.
  Config config;
  config.id = NodeId(2);
  Core core(config, Rng(1), restored);
  EXPECT_EQ(core.commit(), Index(2));
  core.Step(Snapshot(3, Meta(7, 2)));
  const Output output = core.TakeOutput(1 << 20);
  EXPECT_TRUE(output.write.snapshot.has_value());
  EXPECT_FALSE(output.snapshot_to_install.has_value());
  core.Step({NodeId(1), NodeId(2), Term(3),
             AppendRequest{
                 {Index(7), Term(2)}, {Command(8, 2), Command(9, 2), Command(10, 3)}, Index(10)}});
  const Output next = core.TakeOutput(1 << 20);
  ASSERT_EQ(next.committed.size(), 1u) << "8 and 9 are applied already";
  EXPECT_EQ(next.committed[0].index, Index(10));
}

TEST(SnapshotTest, CompactionKeepsWhatIsNotOnTheOwnDisk) {
  Cluster cluster(Three());
  Core& core = cluster.core(2);
  core.Step(
      {NodeId(1), NodeId(2), Term(1), AppendRequest{{}, {Command(1, 1), Command(2, 1)}, Index(2)}});
  const Output output = core.TakeOutput(1 << 20);
  core.Applied(Index(2));
  core.LogCompacted(Index(2));
  EXPECT_EQ(core.status().first, Index(1));
  core.Persisted(output.write.id);
  core.LogCompacted(Index(2));
  EXPECT_EQ(core.status().first, Index(3));
  EXPECT_EQ(core.TermAt(Index(2)), Term(1));
}

TEST(LogViewTest, TermsThroughRunsBaseAndTruncation) {
  LogView log({Index(10), Term(2)}, {{Index(5), Term(2)}, {Index(13), Term(4)}}, Index(15),
              {Command(16, 4), Command(17, 7)});
  EXPECT_EQ(log.TermAt(Index(9)), std::nullopt);
  EXPECT_EQ(log.TermAt(Index(10)), Term(2));
  EXPECT_EQ(log.TermAt(Index(12)), Term(2));
  EXPECT_EQ(log.TermAt(Index(13)), Term(4));
  EXPECT_EQ(log.TermAt(Index(17)), Term(7));
  EXPECT_EQ(log.TermAt(Index(18)), std::nullopt);
  EXPECT_EQ(log.memory_first(), Index(16));
  EXPECT_EQ(log.LastWithTermAtMost(Index(99), Term(6)), (LogPosition{Index(16), Term(4)}));
  EXPECT_EQ(log.LastWithTermAtMost(Index(14), Term(4)), (LogPosition{Index(14), Term(4)}));
  EXPECT_EQ(log.LastWithTermAtMost(Index(99), Term(3)), (LogPosition{Index(12), Term(2)}));
  EXPECT_EQ(log.LastWithTermAtMost(Index(99), Term(1)), (LogPosition{Index(10), Term(2)}));
  log.TruncateFrom(Index(17));
  EXPECT_EQ(log.last(), (LogPosition{Index(16), Term(4)}));
  log.CompactTo(Index(14));
  EXPECT_EQ(log.TermAt(Index(15)), Term(4));
  EXPECT_EQ(log.TermAt(Index(13)), std::nullopt);
  log.CompactTo(Index(16));
  EXPECT_EQ(log.last(), (LogPosition{Index(16), Term(4)}));
  EXPECT_EQ(log.memory_bytes(), 0u);
  log.Append(Command(17, 9));
  EXPECT_EQ(log.At(Index(17)).term, Term(9));
}

}  // namespace
}  // namespace sisyphus::raft::testing
