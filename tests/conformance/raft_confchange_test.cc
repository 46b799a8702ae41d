// raft-confchange: which membership changes are legal, and what they lead to.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "raft/membership.h"
#include "tests/conformance/raft_script.h"
#include "tests/support/conformance.h"

namespace sisyphus::testing {
namespace {

// What the files print: the configuration and each member with the counter at which it came in.
class Tracker {
 public:
  std::vector<std::string> Run(const ScriptCase& c) {
    StatusOr<raft::Membership> next = Change(c);
    std::vector<std::string> lines;
    if (!next.ok()) {
      lines.emplace_back(MessageOf(next.status()));
    } else {
      // What is written must be read back the same.
      StatusOr<raft::Membership> again = raft::DecodeMembership(raft::EncodeMembership(*next));
      EXPECT_TRUE(again.ok() && *again == *next);
      now_ = *std::move(next);
      lines = Print();
    }
    ++counter_;
    return lines;
  }

 private:
  StatusOr<raft::Membership> Change(const ScriptCase& c) {
    std::vector<raft::MembershipChange::Operation> operations;
    if (!c.input.empty()) operations = ParseOperations(c.input.front());
    if (c.command == "simple") return raft::SimpleChange(now_, operations);
    if (c.command == "leave-joint") return raft::LeaveJoint(now_);
    EXPECT_EQ(c.command, "enter-joint");
    return raft::EnterJoint(now_, c.Flag("autoleave"), operations);
  }

  std::vector<std::string> Print() {
    std::map<NodeId, uint64_t> since;
    for (NodeId id : raft::MembersOf(now_)) {
      auto it = since_.find(id);
      since[id] = it == since_.end() ? std::max<uint64_t>(1, counter_) : it->second;
    }
    since_ = since;
    std::vector<std::string> lines = {Describe(now_)};
    for (const auto& [id, next] : since_) {
      const bool learner = !raft::IsVoter(now_, id);
      lines.push_back(ToString(id) + ": StateProbe match=0 next=" + std::to_string(next) +
                      (learner ? " learner" : ""));
    }
    return lines;
  }

  raft::Membership now_;
  std::map<NodeId, uint64_t> since_;
  uint64_t counter_ = 0;
};

TEST(RaftConfchangeConformance, AllCases) {
  const std::optional<std::string> dir = ConformanceDir("raft-confchange");
  if (!dir) GTEST_SKIP() << "the raft-confchange material is not here";
  int cases = 0;
  int refused = 0;
  for (const char* file :
       {"joint_autoleave.txt", "joint_idempotency.txt", "joint_learners_next.txt",
        "joint_safety.txt", "simple_idempotency.txt", "simple_promote_demote.txt",
        "simple_safety.txt", "update.txt", "zero.txt"}) {
    const std::optional<std::string> text = ReadTestFile(*dir + "/" + file);
    ASSERT_TRUE(text) << file;
    Tracker tracker;
    for (const ScriptCase& c : ReadScript(*text)) {
      SCOPED_TRACE(std::string(file) + ":" + std::to_string(c.line));
      ++cases;
      const std::vector<std::string> got = tracker.Run(c);
      if (!got.front().starts_with("voters=")) ++refused;
      EXPECT_EQ(got, c.expected);
    }
  }
  PrintPassed("raft-confchange", HasFailure() ? 0 : cases);
  EXPECT_EQ(cases, 58);
  EXPECT_EQ(refused, 17);
}

}  // namespace
}  // namespace sisyphus::testing
