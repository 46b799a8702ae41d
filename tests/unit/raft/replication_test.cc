// Appends, back-off, commit, persistence and eviction, rule by rule.
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

Entry Command(uint64_t index, uint64_t term, const std::string& payload = "x") {
  return {Index(index), Term(term), EntryType::kCommand, MakePayload(payload)};
}

Message Append(uint64_t term, LogPosition previous, std::vector<Entry> entries,
               uint64_t commit = 0) {
  return {NodeId(1), NodeId(2), Term(term),
          AppendRequest{previous, std::move(entries), Index(commit)}};
}

size_t Appends(const std::vector<Message>& messages, uint64_t to) {
  size_t n = 0;
  for (const Message& m : messages) {
    n += m.to == NodeId(to) && std::holds_alternative<AppendRequest>(m.body);
  }
  return n;
}

TEST(ReplicationTest, ManyProposalsAreOneMessageAndOneWrite) {
  Cluster cluster(Three());
  cluster.Elect(1);
  for (int i = 0; i < 50; ++i) cluster.Propose(1, "x");
  const Output output = cluster.Collect(1);
  EXPECT_EQ(Appends(output.messages, 2), 1u);
  EXPECT_EQ(output.write.entries.size(), 50u);
  EXPECT_FALSE(cluster.core(1).HasOutput());
}

TEST(ReplicationTest, FollowersAloneMayCommit) {  // Thesis 10.2.1.
  Cluster cluster(Three());
  cluster.Elect(1);
  const LogPosition at = cluster.Propose(1, "x");
  cluster.Collect(1);  // Its own write never finishes here.
  while (!cluster.network().empty()) cluster.Deliver(0);
  for (uint64_t id : {2, 3}) {
    cluster.Collect(id);
    cluster.FinishWrite(id);
  }
  while (!cluster.network().empty()) cluster.Deliver(0);
  EXPECT_EQ(cluster.writes_queued(1), 1u);
  EXPECT_EQ(cluster.core(1).commit(), at.index);
}

TEST(ReplicationTest, OwnEntryCountsOnlyWhenPersisted) {
  Cluster cluster(Three());
  cluster.Elect(1);
  const LogPosition at = cluster.Propose(1, "x");
  cluster.Collect(1);
  while (!cluster.network().empty()) cluster.Deliver(0);
  cluster.Collect(2);
  cluster.FinishWrite(2);
  while (!cluster.network().empty()) cluster.Deliver(0);
  EXPECT_LT(cluster.core(1).commit(), at.index);
  cluster.FinishWrite(1);
  EXPECT_EQ(cluster.core(1).commit(), at.index);
}

TEST(ReplicationTest, OldTermsEntriesAreNotCommittedByCounting) {  // Thesis 3.6.2, figure 3.7.
  Cluster::Options options = Three();
  options.config.check_quorum = false;
  options.config.promise_after_restart = false;
  Cluster cluster(options);
  cluster.Elect(1);
  cluster.Propose(1, "old");
  cluster.Collect(1);
  cluster.FinishWrite(1);
  cluster.network().clear();  // Nobody else has it.
  cluster.Crash(1);
  cluster.Restart(1);
  cluster.core(1).Campaign();
  // The election, but no append of the new term's first entry reaches a disk.
  while (cluster.core(1).role() != Role::kLeader) {
    for (uint64_t id : {1, 2, 3}) {
      cluster.Collect(id);
      while (cluster.FinishWrite(id)) {
      }
    }
    while (!cluster.network().empty()) cluster.Deliver(0);
  }
  const Term term = cluster.core(1).term();
  const Message acknowledged{NodeId(2), NodeId(1), term,
                             AppendReply{.match = Index(2), .hint = {}}};
  cluster.core(1).Step(acknowledged);
  EXPECT_EQ(cluster.core(1).TermAt(Index(2)), Term(1));
  EXPECT_EQ(cluster.core(1).commit(), Index(1)) << "two of three hold index 2, of an old term";
  cluster.SettleWithout(2);  // Whose answer was made up.
  EXPECT_EQ(cluster.core(1).commit(), Index(3));
}

TEST(ReplicationTest, CommitReachesFollowersAtOnce) {
  Cluster cluster(Three());
  cluster.Elect(1);
  const LogPosition at = cluster.Propose(1, "x");
  cluster.Settle();  // No tick.
  for (uint64_t id : {1, 2, 3}) EXPECT_EQ(cluster.machine(id), at.index);
}

TEST(ReplicationTest, ConflictSkipsWholeTerms) {  // Thesis 3.5.
  Cluster cluster(Three());
  std::vector<Entry> entries;
  for (uint64_t i = 1; i <= 300; ++i) entries.push_back(Command(i, i <= 100 ? 1 : 2));
  cluster.core(2).Step(Append(2, {}, entries));
  cluster.Collect(2);
  cluster.FinishWrite(2);
  cluster.network().clear();
  // A later leader whose entry before the new one is of term 1.
  cluster.core(2).Step(Append(3, {Index(250), Term(1)}, {}));
  cluster.Collect(2);
  while (cluster.FinishWrite(2)) {
  }
  ASSERT_EQ(cluster.network().size(), 1u);
  const auto& reply = std::get<AppendReply>(cluster.network()[0].body);
  EXPECT_TRUE(reply.rejected);
  EXPECT_EQ(reply.match, Index(250));
  EXPECT_EQ(reply.hint, (LogPosition{Index(100), Term(1)}));
}

TEST(ReplicationTest, DivergedLogsAreRepairedInAFewProbes) {  // Thesis 3.5, figure 3.6.
  Cluster::Options options = Three();
  options.config.promise_after_restart = false;
  Cluster cluster(options);
  cluster.Elect(1);
  for (int i = 0; i < 200; ++i) cluster.Propose(1, "lost");
  cluster.SettleWithout(1);  // In 1's log and disk only.
  cluster.Crash(1);
  cluster.core(3).ForgetLeader();
  cluster.Elect(2);
  for (int i = 0; i < 300; ++i) cluster.Propose(2, "kept");
  cluster.Settle();
  cluster.Restart(1);
  size_t probes = 0;
  cluster.TickAll();
  cluster.Settle([&](const Message& m) {
    const auto* append = std::get_if<AppendRequest>(&m.body);
    probes += append != nullptr && m.to == NodeId(1);
    return false;
  });
  EXPECT_EQ(cluster.machine(1), cluster.core(2).commit());
  EXPECT_EQ(cluster.Terms(1), cluster.Terms(2));
  EXPECT_LE(probes, 6u);
}

TEST(ReplicationTest, TruncationLowersWhatAnOutstandingWriteMakesDurable) {
  Cluster cluster(Three());
  Core& core = cluster.core(2);
  core.Step(Append(1, {}, {Command(1, 1), Command(2, 1), Command(3, 1)}));
  const Output first = cluster.Collect(2);
  core.Step({NodeId(3), NodeId(2), Term(2),
             AppendRequest{{Index(1), Term(1)}, {Command(2, 2, "y")}, Index(0)}});
  const Output second = cluster.Collect(2);
  ASSERT_EQ(second.write.entries.size(), 1u);
  EXPECT_GT(second.write.id, first.write.id);
  core.Persisted(first.write.id);
  EXPECT_EQ(core.status().persisted, Index(1)) << "entries 2 and 3 of term 1 are gone";
  core.Persisted(second.write.id);
  EXPECT_EQ(core.status().persisted, Index(2));
  EXPECT_EQ(core.status().last, Index(2));
}

TEST(ReplicationTest, EntriesReplacedBeforeTheyWereWrittenAreNeverWritten) {
  Cluster cluster(Three());
  cluster.core(2).Step(Append(1, {}, {Command(1, 1), Command(2, 1)}));
  cluster.core(2).Step({NodeId(3), NodeId(2), Term(2),
                        AppendRequest{{Index(1), Term(1)}, {Command(2, 2, "y")}, Index(0)}});
  const Output output = cluster.Collect(2);
  ASSERT_EQ(output.write.entries.size(), 2u);
  EXPECT_EQ(output.write.entries[1].term, Term(2));
}

TEST(ReplicationTest, RepliesGoAtOnceWhenNothingIsToBeWritten) {
  Cluster cluster(Three());
  cluster.Elect(1);
  cluster.core(2).Step(Append(1, {Index(1), Term(1)}, {}, 1));
  const Output idle = cluster.Collect(2);
  EXPECT_EQ(idle.messages.size(), 1u);
  EXPECT_TRUE(idle.write.empty());
  // But not past a write that is on its way.
  cluster.core(2).Step(Append(1, {Index(1), Term(1)}, {Command(2, 1)}));
  cluster.Collect(2);
  cluster.core(2).Step(Append(1, {Index(2), Term(1)}, {}));
  const Output behind = cluster.Collect(2);
  EXPECT_TRUE(behind.messages.empty());
  EXPECT_EQ(behind.write.messages.size(), 1u);
}

TEST(ReplicationTest, WindowBoundsWhatIsUnanswered) {
  Cluster::Options options = Three();
  options.config.max_inflight_messages = 3;
  options.config.max_append_bytes = 100;
  Cluster cluster(options);
  cluster.Elect(1);
  for (int i = 0; i < 20; ++i) cluster.Propose(1, std::string(60, 'x'));
  const Output output = cluster.Collect(1);
  EXPECT_EQ(Appends(output.messages, 2), 3u);
  EXPECT_EQ(cluster.core(1).progress()[0].inflight_messages, 3u);
  cluster.Settle();
  EXPECT_EQ(cluster.machine(2), Index(21));
}

TEST(ReplicationTest, TooMuchUncommittedIsRefusedButNeverTheFirst) {
  Cluster::Options options = Three();
  options.config.max_uncommitted_bytes = 100;
  Cluster cluster(options);
  cluster.Elect(1);
  cluster.Propose(1, std::string(1000, 'x'));
  const Payload more = MakePayload("y");
  EXPECT_EQ(cluster.core(1).Propose({&more, 1}).status().code(), StatusCode::kResourceExhausted);
  cluster.Settle();
  EXPECT_EQ(cluster.core(1).status().uncommitted_bytes, 0u);
  cluster.Propose(1, "y");
}

TEST(ReplicationTest, LostTailIsFoundByTheNextHeartbeat) {
  Cluster cluster(Three());
  cluster.Elect(1);
  cluster.Propose(1, "x");
  cluster.SettleWithout(3);
  EXPECT_EQ(cluster.machine(2), Index(2));
  EXPECT_EQ(cluster.machine(3), Index(1));
  for (int i = 0; i < 3; ++i) {
    cluster.Tick(1);
    cluster.Settle();
  }
  EXPECT_EQ(cluster.machine(3), Index(2));
}

TEST(ReplicationTest, UnreachablePeerIsProbedOnlyAfterAHeartbeat) {
  Cluster cluster(Three());
  cluster.Elect(1);
  cluster.core(1).PeerUnreachable(NodeId(2));
  cluster.Propose(1, "x");
  const Output output = cluster.Collect(1);
  EXPECT_EQ(Appends(output.messages, 2), 0u);
  EXPECT_EQ(Appends(output.messages, 3), 1u);
  cluster.Settle();
  EXPECT_EQ(cluster.machine(2), Index(1));
  cluster.Tick(1);
  cluster.Settle();
  EXPECT_EQ(cluster.machine(2), Index(2));
}

TEST(ReplicationTest, EvictedEntriesAreServedFromDisk) {
  Cluster::Options options = Three();
  options.config.max_log_memory_bytes = 200;
  options.config.max_append_bytes = 300;
  Cluster cluster(options);
  cluster.Elect(1);
  for (int i = 0; i < 50; ++i) {
    cluster.Propose(1, std::string(50, 'x'));
    cluster.SettleWithout(3);
  }
  for (int i = 0; i < 3; ++i) {
    cluster.Tick(1);
    cluster.Settle();
  }
  EXPECT_GT(cluster.disk_reads(), 5u);
  EXPECT_EQ(cluster.machine(3), Index(51));
  EXPECT_EQ(cluster.snapshots(), 0u);
}

TEST(ReplicationTest, ApplyBudgetGivesAtLeastOneEntry) {
  Cluster cluster(Three());
  cluster.core(2).Step(Append(1, {}, {Command(1, 1), Command(2, 1), Command(3, 1)}, 3));
  EXPECT_TRUE(cluster.core(2).TakeOutput(0).committed.empty());
  EXPECT_EQ(cluster.core(2).TakeOutput(1).committed.size(), 1u);
  EXPECT_EQ(cluster.core(2).TakeOutput(1 << 20).committed.size(), 2u);
}

}  // namespace
}  // namespace sisyphus::raft::testing
