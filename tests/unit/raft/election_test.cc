// Elections, votes, promises and transfer, rule by rule.
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

Message VoteFrom(uint64_t from, uint64_t to, uint64_t term, VoteRequest request) {
  return {NodeId(from), NodeId(to), Term(term), request};
}

// The only message of this kind that `id` has for the outside now or after its write.
template <typename Body>
std::optional<Message> Answer(Cluster& cluster, uint64_t id) {
  cluster.Collect(id);
  while (cluster.FinishWrite(id)) {
  }
  std::optional<Message> found;
  for (const Message& m : cluster.network()) {
    if (m.from == NodeId(id) && std::holds_alternative<Body>(m.body)) found = m;
  }
  cluster.network().clear();
  return found;
}

// Its vote counts like any other: once it is on disk. Before, a crash could make it forget the term
// that it led, and lead it again.
TEST(ElectionTest, OnlyVoterLeadsOnceItsVoteIsOnDisk) {
  Cluster::Options options;
  options.voters = {1};
  Cluster cluster(options);
  cluster.Tick(1);
  cluster.Collect(1);
  EXPECT_EQ(cluster.core(1).role(), Role::kCandidate) << "nothing is on disk yet";
  cluster.Settle();
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(1).commit(), Index(1));
}

TEST(ElectionTest, OnlyVoterTellsLearnersNothingBeforeItsTermIsOnDisk) {
  Cluster::Options options;
  options.voters = {1};
  options.learners = {2};
  Cluster cluster(options);
  cluster.core(1).Campaign();
  const Output output = cluster.Collect(1);
  EXPECT_TRUE(output.messages.empty());
  EXPECT_TRUE(output.write.messages.empty());
  ASSERT_TRUE(output.write.hard_state.has_value());
  EXPECT_EQ(output.write.hard_state->vote, NodeId(1));
  ASSERT_TRUE(cluster.FinishWrite(1));
  EXPECT_FALSE(cluster.Collect(1).messages.empty());
}

TEST(ElectionTest, VoteRequestsWaitForTheOwnVoteOnDisk) {  // Thesis 3.8.
  Cluster::Options options = Three();
  options.config.pre_vote = false;
  Cluster cluster(options);
  cluster.core(1).Campaign();
  const Output output = cluster.Collect(1);
  EXPECT_TRUE(output.messages.empty());
  ASSERT_EQ(output.write.messages.size(), 2u);
  EXPECT_EQ(output.write.hard_state, (HardState{Term(1), NodeId(1), Index(0)}));
}

TEST(ElectionTest, OneVoteATermSurvivesACrash) {  // Thesis 3.4, 3.8.
  Cluster::Options options = Three();
  options.config.promise_after_restart = false;
  Cluster cluster(options);
  cluster.core(1).Step(VoteFrom(2, 1, 1, {}));
  std::optional<Message> reply = Answer<VoteReply>(cluster, 1);
  ASSERT_TRUE(reply);
  EXPECT_TRUE(std::get<VoteReply>(reply->body).granted);
  cluster.Crash(1);
  cluster.Restart(1);
  cluster.core(1).Step(VoteFrom(3, 1, 1, {}));
  reply = Answer<VoteReply>(cluster, 1);
  ASSERT_TRUE(reply);
  EXPECT_FALSE(std::get<VoteReply>(reply->body).granted);
  cluster.core(1).Step(VoteFrom(2, 1, 1, {}));
  reply = Answer<VoteReply>(cluster, 1);
  EXPECT_TRUE(std::get<VoteReply>(reply->body).granted) << "a repeated request, the same answer";
}

TEST(ElectionTest, ShorterLogGetsNoVote) {  // Thesis 3.6.1.
  Cluster cluster(Three());
  cluster.Elect(1);
  cluster.core(2).ForgetLeader();
  for (const LogPosition last : {LogPosition{Index(0), Term(0)}, LogPosition{Index(9), Term(0)}}) {
    cluster.core(2).Step(VoteFrom(3, 2, 5, {.last = last}));
    const std::optional<Message> reply = Answer<VoteReply>(cluster, 2);
    ASSERT_TRUE(reply);
    EXPECT_FALSE(std::get<VoteReply>(reply->body).granted);
    EXPECT_EQ(reply->term, Term(5));
  }
}

TEST(ElectionTest, PreVoteMovesNobodysTerm) {  // Thesis 9.6.
  Cluster cluster(Three());
  cluster.Elect(1);
  const Term term = cluster.core(1).term();
  for (int i = 0; i < 100; ++i) cluster.Tick(3);  // Cut off: its timeouts fire again and again.
  EXPECT_EQ(cluster.core(3).term(), term);
  cluster.Settle();
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(1).term(), term);
}

TEST(ElectionTest, RefusedPreVoteTeachesTheTerm) {
  Cluster cluster(Three());
  cluster.Elect(1);
  cluster.core(2).Step(VoteFrom(3, 2, 0, {.pre = true, .last = {Index(9), Term(9)}}));
  const std::optional<Message> reply = Answer<VoteReply>(cluster, 2);
  ASSERT_TRUE(reply);
  EXPECT_FALSE(std::get<VoteReply>(reply->body).granted);
  EXPECT_EQ(reply->term, cluster.core(2).term());
}

TEST(ElectionTest, NoVoteWhileALeaderLives) {  // Thesis 4.2.3, 6.4.
  Cluster cluster(Three());
  cluster.Elect(1);
  const Term term = cluster.core(2).term();
  const VoteRequest strong{.last = {Index(99), Term(99)}};
  cluster.core(2).Step(VoteFrom(3, 2, 50, strong));
  cluster.core(1).Step(VoteFrom(3, 1, 50, strong));
  EXPECT_EQ(cluster.core(2).term(), term);
  EXPECT_EQ(cluster.core(1).term(), term);
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  // Without a promise, to forget the leader frees the vote at once.
  cluster.core(2).ForgetLeader();
  cluster.core(2).Step(VoteFrom(3, 2, 50, strong));
  EXPECT_EQ(cluster.core(2).term(), Term(50));
  EXPECT_EQ(cluster.core(2).status().vote, NodeId(3));
}

TEST(ElectionTest, PromiseBindsForAnElectionTimeout) {  // Thesis 6.4.1.
  Cluster::Options options = Three();
  options.config.check_quorum = false;
  options.config.pre_vote = false;
  Cluster cluster(options);
  cluster.Elect(1);
  cluster.core(1).WantLease(true);
  cluster.Tick(1);
  cluster.Settle();
  const VoteRequest strong{.last = {Index(99), Term(99)}};
  for (uint32_t i = 0; i < options.config.election_ticks; ++i) {
    cluster.core(2).ForgetLeader();
    EXPECT_EQ(cluster.core(2).leader(), NodeId(1));
    cluster.core(2).Campaign();
    cluster.core(2).Step(VoteFrom(3, 2, 50, strong));
    EXPECT_EQ(cluster.core(2).term(), Term(1)) << "after " << i << " ticks";
    cluster.Tick(2);
  }
  cluster.Tick(2);
  cluster.core(2).Step(VoteFrom(3, 2, 50, strong));
  EXPECT_EQ(cluster.core(2).term(), Term(50));
}

TEST(ElectionTest, PromiseYieldsToATransfer) {  // Thesis 6.4.1, 3.10.
  Cluster cluster(Three());
  cluster.Elect(1);
  cluster.core(1).WantLease(true);
  cluster.Tick(1);
  cluster.Settle();
  ASSERT_TRUE(cluster.core(1).TransferLeadership(NodeId(3)).ok());
  EXPECT_EQ(cluster.core(1).TakeOutput(0).lease_round, 0u) << "the lease ends before TimeoutNow";
  cluster.core(2).Step(VoteFrom(3, 2, 2, {.leader_transfer = true, .last = {Index(99), Term(99)}}));
  EXPECT_EQ(cluster.core(2).status().vote, NodeId(3));
}

TEST(ElectionTest, LeaderIsBoundByItsOwnPromiseWhenItStepsDown) {
  Cluster cluster(Three());
  cluster.Elect(1);
  cluster.core(1).WantLease(true);
  cluster.Tick(1);
  cluster.Settle();
  for (int i = 0; i < 20; ++i) cluster.Tick(1);  // Nobody answers: it steps down.
  ASSERT_EQ(cluster.core(1).role(), Role::kFollower);
  cluster.core(1).Step(VoteFrom(3, 1, 50, {.last = {Index(99), Term(99)}}));
  EXPECT_EQ(cluster.core(1).term(), Term(1));
}

TEST(ElectionTest, PromiseAfterRestart) {
  Cluster cluster(Three());
  cluster.Elect(1);
  cluster.Crash(2);
  cluster.Restart(2);
  const VoteRequest strong{.last = {Index(99), Term(99)}};
  for (uint32_t i = 0; i < 10; ++i) {
    cluster.core(2).Step(VoteFrom(3, 2, 50, strong));
    EXPECT_EQ(cluster.core(2).term(), Term(1));
    cluster.Tick(2);
  }
  cluster.Tick(2);
  cluster.core(2).Step(VoteFrom(3, 2, 50, strong));
  EXPECT_EQ(cluster.core(2).term(), Term(50));
}

TEST(ElectionTest, LeaderWithoutMajorityStepsDown) {  // Thesis 6.2.
  Cluster cluster(Three());
  cluster.Elect(1);
  for (int i = 0; i < 19; ++i) cluster.Tick(1);
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  cluster.Tick(1);
  EXPECT_EQ(cluster.core(1).role(), Role::kFollower);
  EXPECT_EQ(cluster.core(1).leader(), kNoNode);
}

TEST(ElectionTest, HeartbeatAnswerWaitsForARaisedTerm) {
  Cluster cluster(Three());
  cluster.core(2).Step({NodeId(1), NodeId(2), Term(7), HeartbeatRequest{.commit = {}, .round = 1}});
  const Output raised = cluster.Collect(2);
  EXPECT_TRUE(raised.messages.empty());
  ASSERT_EQ(raised.write.messages.size(), 1u);
  // Still not on disk: the next answer waits too, behind the first write.
  cluster.core(2).Step({NodeId(1), NodeId(2), Term(7), HeartbeatRequest{.commit = {}, .round = 2}});
  EXPECT_TRUE(cluster.Collect(2).messages.empty());
  while (cluster.FinishWrite(2)) {
  }
  cluster.core(2).Step({NodeId(1), NodeId(2), Term(7), HeartbeatRequest{.commit = {}, .round = 3}});
  EXPECT_EQ(cluster.Collect(2).messages.size(), 1u);
}

TEST(ElectionTest, TransferWaitsUntilTheTransfereeHasTheLog) {  // Thesis 3.10.
  Cluster cluster(Three());
  cluster.Elect(1);
  cluster.Propose(1, "a");
  ASSERT_TRUE(cluster.core(1).TransferLeadership(NodeId(2)).ok());
  const Payload payload = MakePayload("b");
  EXPECT_EQ(cluster.core(1).Propose({&payload, 1}).status().code(), StatusCode::kUnavailable);
  cluster.Collect(1);
  for (const Message& m : cluster.network())
    EXPECT_FALSE(std::holds_alternative<TimeoutNow>(m.body));
  cluster.Settle();
  EXPECT_EQ(cluster.core(2).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(1).leader(), NodeId(2));
}

TEST(ElectionTest, FailedTransferEndsAfterAnElectionTimeout) {
  Cluster cluster(Three());
  cluster.Elect(1);
  ASSERT_TRUE(cluster.core(1).TransferLeadership(kNoNode).ok());
  const NodeId to = cluster.core(1).status().transferee;
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(cluster.core(1).status().transferee, to);
    cluster.Tick(1);
    cluster.SettleWithout(to.value());
  }
  EXPECT_EQ(cluster.core(1).status().transferee, kNoNode);
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  cluster.Propose(1, "works again");
}

TEST(ElectionTest, TransferToWhomItMayNotGo) {
  Cluster::Options options = Three();
  options.learners = {4};
  Cluster cluster(options);
  EXPECT_EQ(cluster.core(1).TransferLeadership(NodeId(2)).code(), StatusCode::kUnavailable);
  cluster.Elect(1);
  for (uint64_t id : {4, 9}) {
    EXPECT_EQ(cluster.core(1).TransferLeadership(NodeId(id)).code(), StatusCode::kInvalidArgument);
  }
}

TEST(ElectionTest, ForeignAndMalformedMessagesAreIgnored) {
  Cluster cluster(Three());
  Core& core = cluster.core(1);
  const Payload p = MakePayload("x");
  core.Step({NodeId(2), NodeId(3), Term(9), HeartbeatRequest{}});  // For another.
  core.Step({NodeId(1), NodeId(1), Term(9), HeartbeatRequest{}});  // From itself.
  core.Step({NodeId(2), NodeId(1), Term(9),                        // A gap.
             AppendRequest{{}, {{Index(2), Term(9), EntryType::kCommand, p}}, Index(0)}});
  core.Step({NodeId(2), NodeId(1), Term(9),  // A term from the future.
             AppendRequest{{}, {{Index(1), Term(10), EntryType::kCommand, p}}, Index(0)}});
  core.Step({NodeId(2), NodeId(1), Term(9),  // No payload.
             AppendRequest{{}, {{Index(1), Term(9), EntryType::kCommand, nullptr}}, Index(0)}});
  core.Step({NodeId(2), NodeId(1), Term(9),  // A membership that is none.
             AppendRequest{{}, {{Index(1), Term(9), EntryType::kMembership, p}}, Index(0)}});
  EXPECT_EQ(core.term(), Term(0));
  EXPECT_FALSE(core.HasOutput());
}

}  // namespace
}  // namespace sisyphus::raft::testing
