#include "tests/support/raft_invariants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sisyphus::testing {
namespace {

using ::testing::HasSubstr;

constexpr NodeId kA{1}, kB{2}, kC{3};

raft::Entry MakeEntry(uint64_t index, uint64_t term, const std::string& text) {
  return {Index(index), Term(term), raft::EntryType::kCommand,
          std::make_shared<const std::string>(text)};
}

raft::Message Append(NodeId from, uint64_t term, LogPosition previous,
                     std::vector<raft::Entry> entries) {
  return {from, kC, Term(term), raft::AppendRequest{previous, std::move(entries), Index(0)}};
}

class RaftInvariantsTest : public ::testing::Test {
 protected:
  void Apply(NodeId node, uint64_t number, uint64_t index, uint64_t term, const char* bytes,
             const char* result = "") {
    checker_.OnApply({node, number}, Term(term), {Index(index), Term(term)}, bytes, result);
  }
  RaftInvariants checker_;
};

TEST_F(RaftInvariantsTest, AnOrdinaryRunIsFine) {
  checker_.OnSend({kA, 1}, Append(kA, 1, {}, {MakeEntry(1, 1, "x"), MakeEntry(2, 1, "y")}));
  Apply(kA, 1, 1, 1, "x");
  Apply(kB, 1, 1, 1, "x");
  Apply(kA, 1, 2, 1, "y");
  checker_.OnAcknowledged(Index(2));
  checker_.OnSend({kB, 1}, Append(kB, 2, {Index(2), Term(1)}, {MakeEntry(3, 2, "z")}));
  checker_.OnView({kB, 1}, {.term = Term(2),
                            .leader = kB,
                            .role = raft::Role::kLeader,
                            .commit = Index(2),
                            .applied = Index(1)});
  EXPECT_TRUE(checker_.ok()) << checker_.violation();
  EXPECT_EQ(checker_.chosen(), Index(2));
}

TEST_F(RaftInvariantsTest, ANodeRemembersWhatItToldOthers) {
  checker_.OnSend({kB, 1}, {kB, kA, Term(3), raft::VoteReply{.pre = false, .granted = true}});
  checker_.OnSend({kB, 1}, {kB, kA, Term(3), raft::AppendReply{false, Index(7), {}}});
  // These promise nothing more.
  checker_.OnSend({kB, 1}, {kB, kC, Term(9), raft::VoteReply{.pre = true, .granted = true}});
  checker_.OnSend({kB, 1}, {kB, kC, Term(2), raft::AppendReply{false, Index(9), {}}});
  checker_.OnStarted(kB, Term(3), kA, Index(8));
  checker_.OnStarted(kB, Term(4), kNoNode, Index(5));  // Another leader's log has replaced it.
  EXPECT_TRUE(checker_.ok()) << checker_.violation();
}

TEST_F(RaftInvariantsTest, AForgottenTermIsFound) {
  checker_.OnSend({kB, 1}, {kB, kA, Term(3), raft::HeartbeatReply{}});
  checker_.OnStarted(kB, Term(2), kNoNode, Index(0));
  EXPECT_THAT(checker_.violation(), HasSubstr("spoken in term 3"));
}

TEST_F(RaftInvariantsTest, AForgottenVoteIsFound) {
  checker_.OnSend({kB, 1}, {kB, kA, Term(3), raft::VoteRequest{}});
  checker_.OnStarted(kB, Term(3), kNoNode, Index(0));
  EXPECT_THAT(checker_.violation(), HasSubstr("without its vote"));
}

TEST_F(RaftInvariantsTest, AForgottenEntryIsFound) {
  checker_.OnSend({kB, 1}, {kB, kA, Term(3), raft::AppendReply{false, Index(7), {}}});
  checker_.OnStarted(kB, Term(3), kNoNode, Index(6));
  EXPECT_THAT(checker_.violation(), HasSubstr("having acknowledged 7"));
}

TEST_F(RaftInvariantsTest, ARestoredReplicaBeginsAtAChosenEntry) {
  Apply(kA, 1, 1, 1, "x");
  Apply(kA, 1, 2, 1, "y");
  Apply(kA, 1, 3, 1, "z");
  checker_.OnRestored({kB, 1}, {});
  Apply(kB, 1, 1, 1, "x");
  checker_.OnRestored({kB, 1}, {Index(2), Term(1)});  // A snapshot.
  Apply(kB, 1, 3, 1, "z");
  EXPECT_TRUE(checker_.ok()) << checker_.violation();
  checker_.OnRestored({kB, 1}, {Index(2), Term(1)});
  EXPECT_THAT(checker_.violation(), HasSubstr("goes back"));
}

TEST_F(RaftInvariantsTest, ARestoredReplicaThatSkipsAnEntry) {
  Apply(kA, 1, 1, 1, "x");
  Apply(kA, 1, 2, 1, "y");
  checker_.OnRestored({kB, 1}, {});
  Apply(kB, 1, 2, 1, "y");
  EXPECT_THAT(checker_.violation(), HasSubstr("order of application"));
}

TEST_F(RaftInvariantsTest, ASnapshotOfWhatWasNeverChosen) {
  Apply(kA, 1, 1, 1, "x");
  checker_.OnRestored({kB, 1}, {Index(1), Term(2)});
  EXPECT_THAT(checker_.violation(), HasSubstr("was chosen"));
  RaftInvariants other;
  other.OnRestored({kB, 1}, {Index(1), Term(1)});
  EXPECT_THAT(other.violation(), HasSubstr("nobody has applied"));
}

TEST_F(RaftInvariantsTest, TwoLeadersOfATerm) {
  checker_.OnSend({kA, 1}, Append(kA, 1, {}, {}));
  checker_.OnSend({kB, 1}, Append(kB, 1, {}, {}));
  EXPECT_THAT(checker_.violation(), HasSubstr("election safety"));
}

TEST_F(RaftInvariantsTest, ALeaderThatForgotItsTermInACrash) {
  checker_.OnSend({kA, 1}, Append(kA, 1, {}, {}));
  checker_.OnSend({kA, 2}, Append(kA, 1, {}, {}));
  EXPECT_THAT(checker_.violation(), HasSubstr("election safety"));
}

TEST_F(RaftInvariantsTest, AVoteForgottenInACrash) {
  checker_.OnSend({kC, 1}, {kC, kA, Term(3), raft::VoteReply{false, true}});
  checker_.OnSend({kC, 2}, {kC, kB, Term(3), raft::VoteReply{true, true}});  // Pre-votes are free.
  EXPECT_TRUE(checker_.ok());
  checker_.OnSend({kC, 2}, {kC, kB, Term(3), raft::VoteReply{false, true}});
  EXPECT_THAT(checker_.violation(), HasSubstr("vote durability"));
}

TEST_F(RaftInvariantsTest, TwoContentsOfOneEntry) {
  checker_.OnSend({kA, 1}, Append(kA, 1, {}, {MakeEntry(1, 1, "x")}));
  checker_.OnSend({kB, 1}, Append(kB, 2, {}, {MakeEntry(1, 1, "y")}));
  EXPECT_THAT(checker_.violation(), HasSubstr("log matching"));
}

TEST_F(RaftInvariantsTest, AGapInTheLog) {
  checker_.OnSend({kA, 1}, Append(kA, 1, {}, {MakeEntry(2, 1, "x")}));
  EXPECT_THAT(checker_.violation(), HasSubstr("log order"));
}

TEST_F(RaftInvariantsTest, ALeaderWithoutAChosenEntry) {
  Apply(kA, 1, 1, 1, "x");
  checker_.OnSend({kB, 1}, Append(kB, 2, {}, {MakeEntry(1, 2, "y")}));
  EXPECT_THAT(checker_.violation(), HasSubstr("leader completeness"));
}

TEST_F(RaftInvariantsTest, DifferentEntriesAndDifferentAnswers) {
  Apply(kA, 1, 1, 1, "x", "ok");
  Apply(kB, 1, 1, 1, "x", "not ok");
  EXPECT_THAT(checker_.violation(), HasSubstr("replica equality"));
  RaftInvariants other;
  other.OnApply({kA, 1}, Term(1), {Index(1), Term(1)}, "x", "");
  other.OnApply({kB, 1}, Term(2), {Index(1), Term(2)}, "y", "");
  EXPECT_THAT(other.violation(), HasSubstr("state machine safety"));
}

TEST_F(RaftInvariantsTest, AnEntrySkippedOrAppliedTwice) {
  Apply(kA, 1, 1, 1, "x");
  Apply(kA, 1, 2, 1, "y");
  Apply(kB, 1, 1, 1, "x");
  Apply(kB, 1, 1, 1, "x");
  EXPECT_THAT(checker_.violation(), HasSubstr("order of application"));
}

TEST_F(RaftInvariantsTest, ThingsThatGoBack) {
  checker_.OnView({kA, 1},
                  {.term = Term(2), .leader = kNoNode, .commit = Index(5), .applied = Index(4)});
  // A new incarnation starts from its disk.
  checker_.OnView({kA, 2},
                  {.term = Term(2), .leader = kNoNode, .commit = Index(3), .applied = Index(3)});
  EXPECT_TRUE(checker_.ok());
  checker_.OnView({kA, 2},
                  {.term = Term(2), .leader = kNoNode, .commit = Index(2), .applied = Index(3)});
  EXPECT_THAT(checker_.violation(), HasSubstr("commit"));
}

TEST_F(RaftInvariantsTest, ALeaderThatCountsEntriesOfOlderTerms) {
  const auto view = [](uint64_t commit) {
    return node::NodeView{.term = Term(2),
                          .leader = kA,
                          .role = raft::Role::kLeader,
                          .commit = Index(commit),
                          .applied = Index(0)};
  };
  Apply(kA, 1, 1, 1, "x");
  checker_.OnView({kA, 1}, view(0));
  checker_.OnView({kA, 1}, view(2));  // Of its own term, as will turn out.
  Apply(kA, 1, 2, 2, "y");
  checker_.OnView({kA, 1}, view(2));
  EXPECT_TRUE(checker_.ok()) << checker_.violation();
  checker_.OnView({kA, 1}, view(3));
  Apply(kA, 1, 3, 1, "z");
  checker_.OnView({kA, 1}, view(3));
  EXPECT_THAT(checker_.violation(), HasSubstr("commitment"));
}

TEST_F(RaftInvariantsTest, AnAcknowledgementOutOfThinAir) {
  checker_.OnAcknowledged(Index(1));
  EXPECT_THAT(checker_.violation(), HasSubstr("acknowledgement"));
}

}  // namespace
}  // namespace sisyphus::testing
