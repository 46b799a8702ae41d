#include "tests/sim/sim_operator.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace sisyphus::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Op = raft::MembershipChange::Op;

constexpr uint64_t kMostMembers = 7;
// How long a change may take; after a little more nobody waits for the answer.
constexpr Duration kPatience = seconds(4);

Duration Draw(Rng& rng, Duration low, Duration high) {
  return Duration(static_cast<int64_t>(
      rng.Between(static_cast<uint64_t>(low.count()), static_cast<uint64_t>(high.count()))));
}

std::string Describe(const raft::MembershipChange& change) {
  static const char* const kOps[] = {"add voter", "add learner", "remove", "update"};
  std::string text;
  for (const auto& operation : change.operations) {
    text += (text.empty() ? "" : ", ") + std::string(kOps[static_cast<size_t>(operation.op)]) +
            " node " + ToString(operation.id);
  }
  return text;
}

}  // namespace

SimOperator::SimOperator(OperatorOptions options)
    : options_(std::move(options)),
      rng_(options_.seed),
      wanted_(options_.cluster->servers().size()) {}

void SimOperator::Act() {
  SimCluster& cluster = *options_.cluster;
  cluster.LearnMemberships();
  DismissRemoved();
  SimServer* leader = cluster.Leader();
  if (waiting_ || leader == nullptr) return;
  const raft::Membership now = leader->node()->Status().core.membership;
  if (now.voters.empty()) return;
  Expect expect = Expect::kAnything;
  raft::MembershipChange change = Choose(*leader, now, &expect);
  if (change.operations.empty()) return;
  if (expect == Expect::kAnything && !IsSafe(now, change)) return;
  Ask(leader, now, std::move(change), expect);
}

bool SimOperator::IsSafe(const raft::Membership& now, const raft::MembershipChange& change) const {
  StatusOr<raft::Membership> next = raft::ApplyChange(now, change);
  if (!next.ok()) return true;  // It will be refused.
  if (!options_.cluster->IsSafe(*next)) return false;
  if (!next->joint()) return true;
  const StatusOr<raft::Membership> then = raft::LeaveJoint(*next);
  return then.ok() && options_.cluster->IsSafe(*then);
}

raft::MembershipChange SimOperator::Choose(const SimServer& leader, const raft::Membership& now,
                                           Expect* expect) {
  const std::vector<NodeId> members = raft::MembersOf(now);
  raft::MembershipChange change;
  const auto then = [&change](Op op, NodeId id) {
    if (id == kNoNode) return;
    change.operations.push_back({op, id, op == Op::kRemove ? "" : "node" + ToString(id)});
  };
  if (rng_.Chance(1, 10)) {
    *expect = Expect::kRefusal;
    return Nonsense(now);
  }
  const auto lost = std::find_if(members.begin(), members.end(),
                                 [this](NodeId id) { return options_.cluster->Find(id)->lost(); });
  const bool replace = lost != members.end();
  if (members.size() == wanted_ && rng_.Chance(1, 2)) wanted_ = rng_.Between(1, kMostMembers);
  if (replace || (members.size() == wanted_ && rng_.Chance(1, 2))) {
    // A replacement in one step, or half of one.
    const NodeId leaving = replace ? *lost : Victim(leader, now);
    const uint64_t dice = rng_.Below(4);
    if (dice > 0) then(Op::kRemove, leaving);
    if (dice != 1) then(dice == 3 ? Op::kAddVoter : Op::kAddLearner, Newcomer(now, true));
  } else if (members.size() < wanted_) {
    then(Op::kAddLearner, Newcomer(now, true));
  } else if (members.size() > wanted_) {
    then(Op::kRemove, Victim(leader, now));
  } else if (!now.learners.empty()) {
    then(Op::kAddVoter, now.learners[rng_.Below(now.learners.size())]);
  }
  return change;
}

// What can never be granted.
raft::MembershipChange SimOperator::Nonsense(const raft::Membership& now) {
  raft::MembershipChange change;
  const uint64_t dice = rng_.Below(3);
  if (dice == 0 && !now.removed.empty()) {
    const NodeId id = now.removed[rng_.Below(now.removed.size())];
    change.operations.push_back({Op::kAddLearner, id, "node" + ToString(id)});
  } else if (dice == 1) {  // A machine that nobody has turned on.
    const NodeId id = Newcomer(now, false);
    if (id != kNoNode) change.operations.push_back({Op::kAddLearner, id, "node" + ToString(id)});
  } else {
    change.operations.push_back({Op::kRemove, NodeId(options_.cluster->servers().size() + 1), ""});
  }
  return change;
}

// A machine that was never a member: one that waits already, or a new one.
NodeId SimOperator::Newcomer(const raft::Membership& now, bool start) {
  SimCluster& cluster = *options_.cluster;
  for (const auto& server : cluster.servers()) {
    const NodeId id = server->id();
    const bool fresh = !server->gone() && !cluster.MayBeMember(id) && !dismissed_.contains(id) &&
                       !raft::IsMember(now, id);
    if (fresh && (server->incarnation().number > 0) == start) {
      server->SetContacts(now.addresses);
      return id;
    }
  }
  if (cluster.full() || raft::MembersOf(now).size() >= kMostMembers) return kNoNode;
  SimServer* server = cluster.Add();
  server->SetContacts(now.addresses);
  if (start) options_.boot(server);
  return server->id();
}

// The leader, half of the time.
NodeId SimOperator::Victim(const SimServer& leader, const raft::Membership& now) {
  const std::vector<NodeId> members = raft::MembersOf(now);
  if (rng_.Chance(1, 2)) return leader.id();
  return members[rng_.Below(members.size())];
}

void SimOperator::Ask(SimServer* leader, const raft::Membership& now, raft::MembershipChange change,
                      Expect expect) {
  const uint64_t number = ++number_;
  waiting_ = true;
  const std::string what = Describe(change);
  const Term term = leader->node()->View().term;
  if (const auto next = raft::ApplyChange(now, change); next.ok()) {
    options_.cluster->NoteAsked(term, *next);
    const auto then = next->joint() ? raft::LeaveJoint(*next) : next;
    if (then.ok()) options_.cluster->NoteAsked(term, *then);
  }
  if (options_.say) options_.say("node " + ToString(leader->id()) + " is asked to " + what);
  leader->node()->ChangeMembership(std::move(change), leader->process()->clock().Now() + kPatience,
                                   [this, number, expect, what](const Status& status) {
                                     OnAnswer(number, expect, what, status);
                                   });
  options_.executor->After(2 * kPatience, [this, number] {
    if (number == number_) waiting_ = false;
  });
}

void SimOperator::OnAnswer(uint64_t number, Expect expect, const std::string& what,
                           const Status& status) {
  if (number == number_) waiting_ = false;
  status.ok() ? ++changed_ : ++refused_;
  if (status.ok()) {
    // The leader says who the members are now; what was asked for before is done, or lost.
    options_.cluster->LearnMemberships();
    options_.cluster->ForgetAsked();
  }
  if (options_.say) {
    options_.say("asked to " + what + ": " +
                 (status.ok() ? "done" : std::string(MessageOf(status))));
  }
  if (status.ok() && expect == Expect::kRefusal && violation_.empty()) {
    violation_ = "a change was granted that must be refused: " + what;
  }
}

// Some machines are turned off as soon as they are out, some long after.
void SimOperator::DismissRemoved() {
  for (const NodeId id : options_.cluster->membership().removed) {
    if (!dismissed_.insert(id).second) continue;
    const Duration later =
        Draw(rng_, milliseconds(1), rng_.Chance(1, 2) ? seconds(1) : seconds(20));
    options_.executor->After(later, [this, id] {
      SimServer* server = options_.cluster->Find(id);
      server->Dismiss();
      server->Die(Death::kKilled);
    });
  }
}

void SimOperator::DismissOutsiders() {
  options_.cluster->LearnMemberships();
  for (const auto& server : options_.cluster->servers()) {
    if (server->gone() || options_.cluster->MayBeMember(server->id())) continue;
    server->Dismiss();
    server->Die(Death::kKilled);
  }
}

}  // namespace sisyphus::testing
