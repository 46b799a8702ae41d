// raft-quorum: commit index and vote count of simple and joint configurations.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "raft/quorum.h"
#include "tests/conformance/raft_script.h"
#include "tests/support/conformance.h"

namespace sisyphus::testing {
namespace {

using raft::CommittedValue;
using raft::CountVotes;
using raft::VoteResult;

struct Halves {
  std::vector<NodeId> first;
  std::vector<NodeId> second;
  std::vector<NodeId> order;  // Distinct, as they first appear.
};

std::vector<NodeId> Distinct(const std::vector<NodeId>& ids) {
  std::vector<NodeId> out;
  for (NodeId id : ids) {
    if (std::find(out.begin(), out.end(), id) == out.end()) out.push_back(id);
  }
  return out;
}

Halves ReadHalves(const ScriptCase& c) {
  Halves h;
  for (uint64_t id : c.Numbers("cfg")) h.first.emplace_back(id);
  auto second = c.named.find("cfgj");
  if (second != c.named.end() && second->second != std::vector<std::string>{"zero"}) {
    for (const std::string& id : second->second) h.second.emplace_back(std::stoull(id));
  }
  h.order = h.first;
  h.order.insert(h.order.end(), h.second.begin(), h.second.end());
  h.order = Distinct(h.order);
  h.first = Distinct(h.first);
  h.second = Distinct(h.second);
  return h;
}

void CheckCommitted(const ScriptCase& c) {
  const Halves h = ReadHalves(c);
  std::map<NodeId, uint64_t> acknowledged;
  const auto values = c.named.find("idx");
  for (size_t i = 0; values != c.named.end() && i < values->second.size(); ++i) {
    if (values->second[i] != "_") acknowledged[h.order.at(i)] = std::stoull(values->second[i]);
  }
  const auto ack = [&](NodeId id) { return acknowledged.contains(id) ? acknowledged[id] : 0; };
  const uint64_t got = CommittedValue(h.first, h.second, ack);
  const std::string want = c.expected.back();
  if (want == "<empty majority quorum>∞" || want == "∞") {
    EXPECT_EQ(got, std::numeric_limits<uint64_t>::max());
  } else {
    EXPECT_EQ(std::to_string(got), want);
  }
  EXPECT_EQ(got, CommittedValue(h.second, h.first, ack));
  if (!h.second.empty()) return;
  EXPECT_EQ(got, CommittedValue(h.first, h.first, ack));
}

void CheckVote(const ScriptCase& c) {
  const Halves h = ReadHalves(c);
  std::map<NodeId, bool> votes;
  const auto values = c.named.find("votes");
  for (size_t i = 0; values != c.named.end() && i < values->second.size(); ++i) {
    if (values->second[i] != "_") votes[h.order.at(i)] = values->second[i] == "y";
  }
  const auto vote = [&](NodeId id) -> std::optional<bool> {
    auto it = votes.find(id);
    if (it == votes.end()) return std::nullopt;
    return it->second;
  };
  const std::map<std::string, VoteResult> names = {{"VoteWon", VoteResult::kWon},
                                                   {"VoteLost", VoteResult::kLost},
                                                   {"VotePending", VoteResult::kPending}};
  const VoteResult got = CountVotes(h.first, h.second, vote);
  ASSERT_TRUE(names.contains(c.expected.back())) << c.expected.back();
  EXPECT_EQ(got, names.at(c.expected.back()));
  EXPECT_EQ(got, CountVotes(h.second, h.first, vote));
  if (!h.second.empty()) return;
  EXPECT_EQ(got, CountVotes(h.first, h.first, vote));
}

TEST(RaftQuorumConformance, AllCases) {
  const std::optional<std::string> dir = ConformanceDir("raft-quorum");
  if (!dir) GTEST_SKIP() << "the raft-quorum material is not here";
  int committed = 0;
  int votes = 0;
  for (const char* file :
       {"joint_commit.txt", "joint_vote.txt", "majority_commit.txt", "majority_vote.txt"}) {
    const std::optional<std::string> text = ReadTestFile(*dir + "/" + file);
    ASSERT_TRUE(text) << file;
    for (const ScriptCase& c : ReadScript(*text)) {
      SCOPED_TRACE(std::string(file) + ":" + std::to_string(c.line));
      ASSERT_FALSE(c.expected.empty());
      if (c.command == "committed") {
        ++committed;
        CheckCommitted(c);
      } else {
        ASSERT_EQ(c.command, "vote");
        ++votes;
        CheckVote(c);
      }
    }
  }
  PrintPassed("raft-quorum", HasFailure() ? 0 : committed + votes);
  EXPECT_EQ(committed, 66);
  EXPECT_EQ(votes, 61);
}

}  // namespace
}  // namespace sisyphus::testing
