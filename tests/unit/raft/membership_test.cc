// Membership: its encoding, and changes as they travel through the log (thesis 4).
#include "raft/membership.h"

#include <gtest/gtest.h>

#include <variant>

#include "tests/unit/raft/cluster.h"

namespace sisyphus::raft::testing {
namespace {

using Op = MembershipChange::Op;
using Transition = MembershipChange::Transition;

Membership Full() {
  Membership m = MakeMembership({1, 2, 300}, {7});
  m.outgoing = Ids({1, 4});
  m.learners_next = Ids({4});
  m.auto_leave = true;
  m.addresses = {{NodeId(1), "a:1"}, {NodeId(300), ""}};
  m.removed = Ids({3, 200});
  return m;
}

TEST(MembershipTest, EncodingKeepsEverything) {
  const StatusOr<Membership> again = DecodeMembership(EncodeMembership(Full()));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, Full());
  Membership simple = MakeMembership({1, 2});
  EXPECT_EQ(EncodeMembership(simple)[0], 1) << "as before, for whoever knows no removed ids";
  EXPECT_EQ(*DecodeMembership(EncodeMembership(simple)), simple);
}

TEST(MembershipTest, DamagedBytesAreRefused) {
  const std::string bytes = EncodeMembership(Full());
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(DecodeMembership(bytes.substr(0, n)).ok()) << n << " bytes";
  }
  EXPECT_FALSE(DecodeMembership(bytes + "x").ok());
  EXPECT_FALSE(DecodeMembership("\x01" + bytes.substr(1)).ok()) << "not in that version";
  EXPECT_FALSE(DecodeMembership("\x03" + bytes.substr(1)).ok()) << "unknown version";
  const std::string descending("\x01\x00\x02\x05\x03\x00\x00\x00\x00", 9);
  EXPECT_FALSE(DecodeMembership(descending).ok());
  const std::string endless("\x01\x00\xff\xff\xff\xff\x0f", 7);
  EXPECT_FALSE(DecodeMembership(endless).ok());
}

TEST(MembershipTest, AddressesFollowTheMembers) {
  Membership m = MakeMembership({1});
  m = *SimpleChange(m, {{Op::kAddVoter, NodeId(2), "b:2"}});
  EXPECT_EQ(m.addresses, (std::vector<Membership::Address>{{NodeId(2), "b:2"}}));
  m = *SimpleChange(m, {{Op::kAddVoter, NodeId(2), ""}});
  EXPECT_EQ(m.addresses.size(), 1u) << "an empty address keeps what is known";
  m = *SimpleChange(m, {{Op::kUpdateAddress, NodeId(2), "c:3"}});
  EXPECT_EQ(m.addresses[0].peer, "c:3");
  m = *SimpleChange(m, {{Op::kUpdateAddress, NodeId(9), "z:9"}});
  EXPECT_EQ(m.addresses.size(), 1u) << "no address for a stranger";
  m = *EnterJoint(m, true, {{Op::kRemove, NodeId(2), ""}});
  EXPECT_EQ(m.addresses.size(), 1u) << "it still counts in the outgoing half";
  m = *LeaveJoint(m);
  EXPECT_TRUE(m.addresses.empty());
}

TEST(MembershipTest, RemovedIdsAreRemembered) {
  Membership m = MakeMembership({1, 2, 3}, {4});
  m = *SimpleChange(m, {{Op::kRemove, NodeId(4), ""}});
  m = *SimpleChange(m, {{Op::kRemove, NodeId(9), ""}});
  EXPECT_EQ(m.removed, Ids({4})) << "9 was never a member";
  m = *EnterJoint(m, true, {{Op::kRemove, NodeId(2), ""}, {Op::kRemove, NodeId(3), ""}});
  m = *LeaveJoint(m);
  EXPECT_EQ(m.removed, Ids({2, 3, 4}));
  EXPECT_EQ(DecodeMembership(EncodeMembership(m))->removed, Ids({2, 3, 4}));
  m = *SimpleChange(m, {{Op::kAddLearner, NodeId(3), ""}});
  EXPECT_EQ(m.removed, Ids({2, 4})) << "never a member and removed at once";
}

Cluster::Options Three() {
  Cluster::Options options;
  options.voters = {1, 2, 3};
  options.blank = {4, 5};
  return options;
}

MembershipChange Change(std::vector<std::pair<Op, uint64_t>> operations,
                        Transition transition = Transition::kAuto) {
  MembershipChange change;
  change.transition = transition;
  for (const auto& [op, id] : operations) change.operations.push_back({op, NodeId(id), ""});
  return change;
}

TEST(MembershipChangeTest, HoldsWhenAppendedAndRevertsWhenTruncated) {  // Thesis 4.1.
  Cluster cluster(Three());
  cluster.Elect(1);
  ASSERT_TRUE(cluster.core(1).ProposeMembership(Change({{Op::kAddVoter, 4}})).ok());
  EXPECT_EQ(cluster.core(1).status().membership.voters, Ids({1, 2, 3, 4}));
  cluster.Collect(1);
  cluster.FinishWrite(1);
  cluster.network().clear();  // Nobody else hears of it.
  for (int i = 0; i < 40; ++i) cluster.Tick(1);
  ASSERT_NE(cluster.core(1).role(), Role::kLeader);
  for (int i = 0; i < 20; ++i) cluster.Tick(2);
  cluster.core(3).ForgetLeader();
  cluster.network().clear();
  cluster.core(2).Campaign();
  cluster.SettleWithout(1);
  ASSERT_EQ(cluster.core(2).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(1).status().membership.voters, Ids({1, 2, 3, 4}));
  for (int i = 0; i < 3; ++i) {
    cluster.Tick(2);
    cluster.Settle();
  }
  EXPECT_EQ(cluster.core(1).status().membership.voters, Ids({1, 2, 3}));
  EXPECT_EQ(cluster.Terms(1), cluster.Terms(2));
}

TEST(MembershipChangeTest, OneAtATimeAndNotBeforeAnOwnEntryIsCommitted) {
  Cluster cluster(Three());
  cluster.core(1).Campaign();
  while (cluster.core(1).role() != Role::kLeader) {
    for (uint64_t id : {1, 2, 3}) {
      cluster.Collect(id);
      while (cluster.FinishWrite(id)) {
      }
    }
    while (!cluster.network().empty()) cluster.Deliver(0);
  }
  const MembershipChange add = Change({{Op::kAddLearner, 4}});
  EXPECT_EQ(cluster.core(1).ProposeMembership(add).status().code(),
            StatusCode::kFailedPrecondition);
  cluster.Settle();
  EXPECT_TRUE(cluster.core(1).ProposeMembership(add).ok());
  EXPECT_EQ(cluster.core(1).ProposeMembership(add).status().code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(cluster.core(2).ProposeMembership(add).status().code(), StatusCode::kUnavailable);
}

TEST(MembershipChangeTest, JointIsLeftByTheLeaderWhenCommitted) {  // Thesis 4.3.
  Cluster cluster(Three());
  cluster.Elect(1);
  ASSERT_TRUE(
      cluster.core(1)
          .ProposeMembership(Change({{Op::kAddVoter, 4}, {Op::kAddVoter, 5}, {Op::kRemove, 3}}))
          .ok());
  EXPECT_TRUE(cluster.core(1).status().membership.joint());
  cluster.Settle();
  Membership after = MakeMembership({1, 2, 4, 5});
  after.removed = Ids({3});
  for (uint64_t id : {1, 2, 3, 4, 5}) {
    EXPECT_EQ(cluster.core(id).status().membership, after) << id;
    EXPECT_EQ(cluster.core(id).commit(), cluster.core(1).commit()) << id;
  }
  // Node 3 was told: it does not stand for election.
  for (int i = 0; i < 50; ++i) cluster.Tick(3);
  EXPECT_EQ(cluster.core(3).role(), Role::kFollower);
}

TEST(MembershipChangeTest, JointNeedsBothMajorities) {
  Cluster cluster(Three());
  cluster.Elect(1);
  ASSERT_TRUE(cluster.core(1)
                  .ProposeMembership(Change(
                      {{Op::kAddVoter, 4}, {Op::kAddVoter, 5}, {Op::kRemove, 2}, {Op::kRemove, 3}},
                      Transition::kJointExplicit))
                  .ok());
  const Index before = cluster.core(1).commit();
  cluster.Settle([](const Message& m) { return m.to == NodeId(4) || m.to == NodeId(5); });
  EXPECT_EQ(cluster.core(1).commit(), before) << "the old majority alone does not do";
  for (int i = 0; i < 3; ++i) {
    cluster.Tick(1);
    cluster.Settle();
  }
  EXPECT_GT(cluster.core(1).commit(), before);
  EXPECT_TRUE(cluster.core(1).status().membership.joint()) << "explicit: it stays";
  ASSERT_TRUE(cluster.core(1).ProposeMembership({}).ok());
  cluster.Settle();
  Membership after = MakeMembership({1, 4, 5});
  after.removed = Ids({2, 3});
  EXPECT_EQ(cluster.core(5).status().membership, after);
}

TEST(MembershipChangeTest, RemovedLeaderStepsDownOnceItIsCommitted) {  // Thesis 4.2.2.
  Cluster cluster(Three());
  cluster.Elect(1);
  ASSERT_TRUE(cluster.core(1).ProposeMembership(Change({{Op::kRemove, 1}})).ok());
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  cluster.Settle();
  EXPECT_EQ(cluster.core(1).role(), Role::kFollower);
  for (uint64_t id : {2, 3}) {
    EXPECT_EQ(cluster.core(id).status().membership.voters, Ids({2, 3}));
    EXPECT_EQ(cluster.core(id).commit(), cluster.core(1).commit()) << "its last word got through";
  }
  cluster.core(1).Campaign();
  EXPECT_EQ(cluster.core(1).role(), Role::kFollower);
}

TEST(MembershipChangeTest, RemovedVoterMayStillBeNeeded) {  // Thesis 4.2.2.
  Cluster::Options options;
  options.voters = {1, 2};
  options.config.promise_after_restart = false;
  Cluster cluster(options);
  cluster.Elect(1);
  ASSERT_TRUE(cluster.core(1).ProposeMembership(Change({{Op::kRemove, 1}})).ok());
  cluster.Collect(1);
  cluster.FinishWrite(1);
  cluster.network().clear();  // Only node 1 has the change that removes it.
  cluster.Crash(1);
  cluster.Restart(1);
  for (int i = 0; i < 100; ++i) {
    cluster.TickAll();
    cluster.Settle();
  }
  EXPECT_EQ(cluster.core(2).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(2).status().membership.voters, Ids({2}));
}

TEST(MembershipChangeTest, LearnersCountNowhere) {
  Cluster::Options options;
  options.voters = {1, 2};
  options.learners = {3};
  Cluster cluster(options);
  cluster.core(3).Campaign();
  EXPECT_EQ(cluster.core(3).role(), Role::kFollower);
  cluster.Elect(1);
  const LogPosition at = cluster.Propose(1, "x");
  cluster.SettleWithout(2);
  EXPECT_LT(cluster.core(1).commit(), at.index);
  ASSERT_TRUE(cluster.core(1).ReadIndex(1).ok());
  const Output output = cluster.core(1).TakeOutput(0);
  cluster.core(1).Step({NodeId(3), NodeId(1), Term(1), HeartbeatReply{.round = 1, .lease = true}});
  EXPECT_TRUE(cluster.core(1).TakeOutput(0).reads.empty());
}

}  // namespace
}  // namespace sisyphus::raft::testing
