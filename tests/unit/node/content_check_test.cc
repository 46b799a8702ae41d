#include "node/content_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <vector>

namespace sisyphus::node {
namespace {

using Kind = ContentFinding::Kind;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

raft::Membership Voters(std::initializer_list<uint64_t> ids) {
  raft::Membership membership;
  for (const uint64_t id : ids) membership.voters.push_back(NodeId(id));
  return membership;
}

std::vector<ContentHash> At(std::initializer_list<std::pair<uint64_t, uint64_t>> values) {
  std::vector<ContentHash> hashes;
  for (const auto& [index, hash] : values) hashes.push_back({Index(index), hash});
  return hashes;
}

class ContentCheckTest : public ::testing::Test {
 protected:
  void Own(std::initializer_list<std::pair<uint64_t, uint64_t>> values) { check_.Own(At(values)); }
  void Heard(uint64_t peer, std::initializer_list<std::pair<uint64_t, uint64_t>> values) {
    check_.Heard(NodeId(peer), At(values));
  }
  std::vector<ContentFinding> Review() { return check_.Review(members_); }
  // What the only finding says, and its kind.
  ContentFinding One() {
    const std::vector<ContentFinding> findings = Review();
    EXPECT_THAT(findings, SizeIs(1));
    return findings.empty() ? ContentFinding{} : findings.front();
  }

  raft::Membership members_ = Voters({1, 2, 3});
  ContentCheck check_{NodeId(1)};
};

TEST_F(ContentCheckTest, ReplicasThatAgreeAreCountedAndNotMentioned) {
  EXPECT_THAT(Review(), IsEmpty());
  Own({{10, 100}, {20, 200}});
  Heard(2, {{10, 100}, {20, 200}});
  EXPECT_THAT(Review(), IsEmpty());
  Heard(3, {{20, 200}, {30, 300}});
  Heard(2, {{10, 100}, {20, 200}});  // Repeated.
  EXPECT_THAT(Review(), IsEmpty());
  EXPECT_EQ(check_.checks(), 3u);
  EXPECT_EQ(check_.mismatches(), 0u);
  EXPECT_EQ(check_.last_agreed(), Index(20)) << "nobody else is at 30 yet";
  EXPECT_THAT(check_.differing(), IsEmpty());
}

TEST_F(ContentCheckTest, TheMinorityFindsThatItIsWrong) {
  Own({{10, 100}, {20, 201}, {30, 301}});
  Heard(2, {{10, 100}, {20, 200}, {30, 300}});
  EXPECT_THAT(Review(), IsEmpty()) << "one against one";
  Heard(3, {{10, 100}, {20, 200}, {30, 300}});
  const ContentFinding finding = One();
  EXPECT_EQ(finding.kind, Kind::kSelfDiffers);
  EXPECT_EQ(finding.from, Index(10));
  EXPECT_EQ(finding.to, Index(20));
  EXPECT_EQ(finding.own, 201u);
  EXPECT_EQ(finding.other, 200u);
  EXPECT_EQ(Describe(finding),
            "entries (10, 20] left content 00000000000000c9 here and 00000000000000c8 on node 2, "
            "with which a majority agrees: this node is wrong");
  EXPECT_EQ(One().kind, Kind::kSelfDiffers) << "until something is done";
  EXPECT_THAT(check_.differing(), ElementsAre(NodeId(2), NodeId(3)));

  check_.ForgetOwn();
  EXPECT_THAT(Review(), IsEmpty());
  Own({{20, 200}, {30, 300}});
  EXPECT_THAT(Review(), IsEmpty());
  EXPECT_THAT(check_.differing(), IsEmpty());
  EXPECT_EQ(check_.last_agreed(), Index(30));
}

TEST_F(ContentCheckTest, TheMajorityNamesTheMinorityOnce) {
  Own({{10, 100}, {20, 200}});
  Heard(2, {{10, 100}, {20, 200}});
  Heard(3, {{10, 100}, {20, 201}});
  const ContentFinding finding = One();
  EXPECT_EQ(finding.kind, Kind::kPeerDiffers);
  EXPECT_EQ(finding.peer, NodeId(3));
  EXPECT_EQ(finding.from, Index(10));
  EXPECT_EQ(finding.to, Index(20));
  EXPECT_EQ(check_.mismatches(), 1u);
  Own({{30, 300}});
  Heard(2, {{30, 300}});
  Heard(3, {{30, 301}});
  EXPECT_THAT(Review(), IsEmpty());
  EXPECT_THAT(check_.differing(), ElementsAre(NodeId(3)));
  EXPECT_EQ(check_.mismatches(), 2u);

  // It has taken other content since.
  Own({{40, 400}});
  Heard(3, {{40, 400}});
  EXPECT_EQ(One().kind, Kind::kPeerAgrees);
  EXPECT_THAT(check_.differing(), IsEmpty());
  Own({{50, 500}});
  Heard(2, {{50, 500}});
  Heard(3, {{50, 501}});
  EXPECT_EQ(One().kind, Kind::kPeerDiffers) << "and is named again";
}

TEST_F(ContentCheckTest, ALateValueOfTheSameIndexReplacesTheFormer) {
  Own({{10, 100}});
  Heard(2, {{10, 100}});
  Heard(3, {{10, 101}});
  EXPECT_EQ(One().kind, Kind::kPeerDiffers);
  Heard(3, {{10, 100}});
  EXPECT_EQ(One().kind, Kind::kPeerAgrees);
  EXPECT_EQ(check_.checks(), 3u);
}

TEST_F(ContentCheckTest, OldValuesThatComeLateDoNotChangeTheVerdict) {
  Own({{10, 100}, {20, 200}, {30, 300}});
  Heard(2, {{10, 100}, {20, 200}, {30, 300}});
  Heard(3, {{30, 301}});
  ContentFinding finding = One();
  EXPECT_EQ(finding.from, Index(0));
  EXPECT_EQ(finding.to, Index(30));
  Heard(3, {{10, 100}, {20, 201}});
  EXPECT_THAT(Review(), IsEmpty());
  EXPECT_THAT(check_.differing(), ElementsAre(NodeId(3)));
}

TEST_F(ContentCheckTest, TwoReplicasCannotTellWhoIsWrong) {
  members_ = Voters({1, 2});
  Own({{10, 100}});
  Heard(2, {{10, 101}});
  const ContentFinding finding = One();
  EXPECT_EQ(finding.kind, Kind::kUndecided);
  EXPECT_EQ(finding.peer, NodeId(2));
  EXPECT_THAT(Review(), IsEmpty());
  EXPECT_EQ(check_.last_agreed(), Index(0));
}

TEST_F(ContentCheckTest, ADifferenceWaitsForTheSilentAWhile) {
  Own({{10, 100}});
  Heard(2, {{10, 101}});
  for (int i = 1; i < ContentCheck::kPatience; ++i) EXPECT_THAT(Review(), IsEmpty());
  EXPECT_EQ(One().kind, Kind::kUndecided);
  EXPECT_THAT(Review(), IsEmpty());
  Heard(3, {{10, 100}});  // The lost answer.
  EXPECT_EQ(One().kind, Kind::kPeerDiffers);
}

TEST_F(ContentCheckTest, ThreeAnswersAreNoMajority) {
  Own({{10, 100}});
  Heard(2, {{10, 101}});
  Heard(3, {{10, 102}});
  const auto findings = Review();
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_EQ(findings[0].kind, Kind::kUndecided);
  EXPECT_EQ(findings[1].kind, Kind::kUndecided);
}

TEST_F(ContentCheckTest, OnlyVotersCount) {
  members_ = Voters({1, 2, 3});
  members_.learners = {NodeId(4), NodeId(5)};
  Own({{10, 100}});
  Heard(4, {{10, 101}});
  Heard(5, {{10, 101}});
  Heard(7, {{10, 101}});  // No member at all.
  Heard(2, {{10, 100}});
  const auto findings = Review();
  ASSERT_THAT(findings, SizeIs(2));
  for (const ContentFinding& finding : findings) EXPECT_EQ(finding.kind, Kind::kPeerDiffers);
  EXPECT_THAT(check_.differing(), ElementsAre(NodeId(4), NodeId(5)));

  // A learner is judged by the voters too.
  ContentCheck learner(NodeId(4));
  learner.Own(At({{10, 101}}));
  learner.Heard(NodeId(5), At({{10, 101}}));
  learner.Heard(NodeId(1), At({{10, 100}}));
  EXPECT_THAT(learner.Review(members_), IsEmpty());
  learner.Heard(NodeId(2), At({{10, 100}}));
  ASSERT_THAT(learner.Review(members_), SizeIs(1));
  EXPECT_EQ(learner.Review(members_)[0].kind, Kind::kSelfDiffers);
}

TEST_F(ContentCheckTest, WhileJointBothHalvesNeedAMajority) {
  members_ = Voters({1, 2, 3});
  members_.outgoing = {NodeId(1), NodeId(4), NodeId(5)};
  Own({{10, 101}});
  Heard(2, {{10, 100}});
  Heard(3, {{10, 100}});
  Heard(4, {{10, 101}});
  for (const ContentFinding& finding : Review()) EXPECT_EQ(finding.kind, Kind::kUndecided);
  Heard(5, {{10, 100}});
  for (const ContentFinding& finding : Review()) EXPECT_NE(finding.kind, Kind::kSelfDiffers);
  Heard(4, {{10, 100}});
  EXPECT_EQ(One().kind, Kind::kSelfDiffers);
}

TEST_F(ContentCheckTest, WhoLeavesIsForgotten) {
  Own({{10, 100}});
  Heard(2, {{10, 100}});
  Heard(3, {{10, 101}});
  EXPECT_EQ(One().kind, Kind::kPeerDiffers);
  members_ = Voters({1, 2});
  EXPECT_THAT(Review(), IsEmpty());
  EXPECT_THAT(check_.differing(), IsEmpty());
}

TEST_F(ContentCheckTest, WhatIsKeptIsBounded) {
  for (uint64_t i = 1; i <= 10 * ContentCheck::kKept; ++i) {
    Own({{i, i}});
    Heard(2, {{i, i}});
  }
  EXPECT_THAT(Review(), IsEmpty());
  EXPECT_EQ(check_.checks(), ContentCheck::kKept);
}

}  // namespace
}  // namespace sisyphus::node
