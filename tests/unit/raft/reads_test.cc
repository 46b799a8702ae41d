// Read index, rounds and leases (thesis 6.4), rule by rule.
#include <gtest/gtest.h>

#include <variant>

#include "tests/unit/raft/cluster.h"

namespace sisyphus::raft::testing {
namespace {

class ReadsTest : public ::testing::Test {
 protected:
  ReadsTest() : cluster_(Three()) { cluster_.Elect(1); }

  static Cluster::Options Three() {
    Cluster::Options options;
    options.voters = {1, 2, 3};
    return options;
  }

  Core& leader() { return cluster_.core(1); }
  Output Take() { return leader().TakeOutput(0); }

  // The rounds that this output's heartbeats to node 2 belong to.
  static std::vector<Round> Rounds(const Output& output) {
    std::vector<Round> rounds;
    for (const Message& m : output.messages) {
      const auto* heartbeat = std::get_if<HeartbeatRequest>(&m.body);
      if (heartbeat != nullptr && m.to == NodeId(2)) rounds.push_back(heartbeat->round);
    }
    return rounds;
  }

  void Answer(uint64_t from, Round round, bool lease = false, uint64_t term = 1) {
    leader().Step({NodeId(from), NodeId(1), Term(term), HeartbeatReply{round, lease}});
  }

  Cluster cluster_;
};

TEST_F(ReadsTest, ReadsBetweenRoundsShareTheNext) {
  ASSERT_TRUE(leader().ReadIndex(1).ok());
  ASSERT_TRUE(leader().ReadIndex(2).ok());
  EXPECT_TRUE(leader().HasOutput());
  const Output first = Take();
  ASSERT_EQ(Rounds(first).size(), 1u);
  const Round round = Rounds(first)[0];
  ASSERT_TRUE(leader().ReadIndex(3).ok());
  EXPECT_TRUE(Rounds(Take()).empty()) << "a round is under way: the third read waits";
  Answer(2, round);
  const Output confirmed = Take();
  ASSERT_EQ(confirmed.reads.size(), 2u) << "the third read came after the round began";
  EXPECT_EQ(confirmed.reads[0].context, 1u);
  EXPECT_EQ(confirmed.reads[1].index, leader().commit());
  EXPECT_EQ(confirmed.confirmed_round, round);
  EXPECT_EQ(Rounds(confirmed), std::vector<Round>{round + 1}) << "and its round starts by itself";
  Answer(3, round);  // Late, and of the round before.
  Answer(2, round);  // Repeated.
  EXPECT_TRUE(Take().reads.empty());
  Answer(3, round + 1);
  EXPECT_EQ(Take().reads.size(), 1u);
}

TEST_F(ReadsTest, LostRoundIsMadeGoodByTheNextHeartbeat) {
  ASSERT_TRUE(leader().ReadIndex(1).ok());
  Take();
  leader().Tick();
  const Output next = Take();
  ASSERT_EQ(Rounds(next).size(), 1u);
  Answer(2, Rounds(next)[0]);
  EXPECT_EQ(Take().reads.size(), 1u);
}

TEST_F(ReadsTest, AnswersOfAnotherTermOrOfRoundsNeverAskedCountNothing) {
  ASSERT_TRUE(leader().ReadIndex(1).ok());
  const Round round = Rounds(Take()).at(0);
  Answer(2, round, false, 0);
  Answer(2, round + 50);
  EXPECT_TRUE(Take().reads.empty());
  EXPECT_EQ(leader().role(), Role::kLeader);
}

TEST_F(ReadsTest, ReadsAreLostWithLeadership) {
  ASSERT_TRUE(leader().ReadIndex(1).ok());
  Take();
  ASSERT_TRUE(leader().ReadIndex(2).ok());
  leader().Step({NodeId(2), NodeId(1), Term(9), HeartbeatRequest{}});
  const Output output = Take();
  EXPECT_EQ(output.lost_reads, (std::vector<uint64_t>{1, 2}));
  EXPECT_EQ(output.confirmed_round, 0u);
  EXPECT_EQ(leader().ReadIndex(3).code(), StatusCode::kUnavailable);
}

TEST_F(ReadsTest, NewLeaderWaitsForAnEntryOfItsOwnTerm) {  // Thesis 6.4, step 1.
  for (int i = 0; i < 20; ++i) cluster_.Tick(2);
  cluster_.core(2).ForgetLeader();
  cluster_.core(3).ForgetLeader();
  cluster_.core(2).Campaign();
  while (cluster_.core(2).role() != Role::kLeader) {
    for (uint64_t id : {2, 3}) {
      cluster_.Collect(id);
      while (cluster_.FinishWrite(id)) {
      }
    }
    while (!cluster_.network().empty()) cluster_.Deliver(0);
  }
  ASSERT_TRUE(cluster_.core(2).ReadIndex(1).ok());
  const Output output = cluster_.core(2).TakeOutput(0);
  for (const Message& m : output.messages) {
    EXPECT_FALSE(std::holds_alternative<HeartbeatRequest>(m.body));
  }
  EXPECT_TRUE(output.reads.empty());
}

TEST_F(ReadsTest, OnlyVoterConfirmsAtOnce) {
  Cluster::Options options;
  options.voters = {1};
  Cluster cluster(options);
  cluster.Elect(1);
  ASSERT_TRUE(cluster.core(1).ReadIndex(1).ok());
  EXPECT_EQ(cluster.core(1).TakeOutput(0).reads.size(), 1u);
}

TEST_F(ReadsTest, LeaseRoundNeedsPromisesOfAMajority) {  // Thesis 6.4.1.
  leader().Tick();
  Answer(2, Rounds(Take()).at(0), /*lease=*/false);
  EXPECT_EQ(Take().lease_round, 0u);
  leader().WantLease(true);
  leader().Tick();
  const Round round = Rounds(Take()).at(0);
  EXPECT_EQ(Take().lease_round, 0u);
  Answer(2, round, /*lease=*/false);
  EXPECT_EQ(Take().lease_round, 0u);
  Answer(3, round, /*lease=*/true);
  EXPECT_EQ(Take().lease_round, round);
}

TEST_F(ReadsTest, NoLeaseForTheRestOfATermThatWasHandedOver) {
  leader().WantLease(true);
  ASSERT_TRUE(leader().TransferLeadership(NodeId(2)).ok());
  for (int i = 0; i < 10; ++i) {
    leader().Tick();
    for (Round round : Rounds(Take())) Answer(3, round, true);
  }
  ASSERT_EQ(leader().role(), Role::kLeader);
  ASSERT_EQ(leader().status().transferee, kNoNode);
  leader().WantLease(true);
  leader().Tick();
  Answer(3, Rounds(Take()).at(0), true);
  EXPECT_EQ(Take().lease_round, 0u) << "the TimeoutNow may still be on its way";
}

}  // namespace
}  // namespace sisyphus::raft::testing
