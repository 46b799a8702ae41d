#include "tests/sim/sim_cluster.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "raft/membership.h"

namespace sisyphus::testing {
namespace {

std::string AddressOf(NodeId id) { return "node" + ToString(id); }

bool IsMajority(const std::set<NodeId>& some, const std::vector<NodeId>& voters) {
  const auto count =
      std::count_if(voters.begin(), voters.end(), [&](NodeId id) { return some.contains(id); });
  return voters.empty() || static_cast<size_t>(count) > voters.size() / 2;
}

}  // namespace

SimCluster::SimCluster(SimServerOptions usual, uint64_t founders, uint64_t seed)
    : usual_(std::move(usual)), rng_(seed) {
  raft::Membership membership;
  for (uint64_t i = 1; i <= founders; ++i) {
    membership.voters.push_back(NodeId(i));
    membership.addresses.push_back({NodeId(i), AddressOf(NodeId(i))});
  }
  usual_.invariants->OnFounded(membership);
  for (uint64_t i = 1; i <= founders; ++i) {
    SimServerOptions options = usual_;
    options.id = NodeId(i);
    options.membership = membership;
    options.seed = rng_.Next();
    servers_.push_back(std::make_unique<SimServer>(std::move(options)));
  }
}

SimServer* SimCluster::Draw(Rng& rng) const {
  std::vector<SimServer*> in_use;
  for (const auto& server : servers_) {
    if (!server->gone()) in_use.push_back(server.get());
  }
  return in_use[rng.Below(in_use.size())];
}

SimServer* SimCluster::Leader() const {
  SimServer* leader = nullptr;
  Term term;
  for (const auto& server : servers_) {
    if (!server->up() || server->node() == nullptr) continue;
    const node::NodeView view = server->node()->View();
    if (view.role != raft::Role::kLeader || view.term < term) continue;
    leader = server.get();
    term = view.term;
  }
  return leader;
}

SimServer* SimCluster::Add() {
  SimServerOptions options = usual_;
  options.id = NodeId(servers_.size() + 1);
  options.seed = rng_.Next();
  servers_.push_back(std::make_unique<SimServer>(std::move(options)));
  return servers_.back().get();
}

void SimCluster::LearnMemberships() {
  for (const auto& server : servers_) {
    if (!server->up() || server->node() == nullptr) continue;
    const raft::CoreStatus core = server->node()->Status().core;
    if (core.membership_index <= core.commit) {
      usual_.invariants->OnMembership(server->incarnation(), core.membership_index,
                                      core.membership);
    } else {
      usual_.invariants->OnProposed(core.membership_index, core.membership);
    }
  }
}

// What a leader was asked for is in the air until another one's entry is chosen, even if nobody
// was sent it: a crash may leave it in the log of that leader alone.
void SimCluster::NoteAsked(Term term, raft::Membership membership) {
  std::erase_if(
      asked_, [this](const auto& asked) { return asked.first < usual_.invariants->chosen_term(); });
  asked_.emplace_back(term, std::move(membership));
}

bool SimCluster::IsMember(NodeId id) const { return raft::IsMember(membership(), id); }

bool SimCluster::MayBeMember(NodeId id) const {
  const std::vector<raft::Membership> all = usual_.invariants->PossibleMemberships();
  return std::any_of(all.begin(), all.end(),
                     [id](const raft::Membership& each) { return raft::IsMember(each, id); });
}

bool SimCluster::IsSound(NodeId id) const {
  const SimServer& server = *Find(id);
  return !server.gone() && !server.rotten();
}

bool SimCluster::CanLose(const SimServer& server) const {
  std::vector<raft::Membership> all = usual_.invariants->PossibleMemberships();
  for (const auto& [term, membership] : asked_) {
    if (term >= usual_.invariants->chosen_term()) all.push_back(membership);
  }
  return std::all_of(all.begin(), all.end(),
                     [&](const raft::Membership& each) { return IsSafe(each, server.id()); });
}

// A learner may die and be promoted before that is noticed.
bool SimCluster::IsSafe(const raft::Membership& next, NodeId without) const {
  const auto sound = [&](NodeId id) { return id != without && IsSound(id); };
  size_t dead_learners = 0;
  for (const auto* learners : {&next.learners, &next.learners_next}) {
    for (const NodeId id : *learners) dead_learners += sound(id) ? 0 : 1;
  }
  const auto holds = [&](const std::vector<NodeId>& voters) {
    const auto left = static_cast<size_t>(std::count_if(voters.begin(), voters.end(), sound));
    return voters.empty() || 2 * left > voters.size() + dead_learners;
  };
  return holds(next.voters) && holds(next.outgoing);
}

bool SimCluster::CompleteMajority(Rng& rng, std::set<NodeId>* some) const {
  std::vector<NodeId> others;
  for (const auto& server : servers_) {
    if (IsSound(server->id()) && !some->contains(server->id())) others.push_back(server->id());
  }
  for (const raft::Membership& each : usual_.invariants->PossibleMemberships()) {
    for (const auto* voters : {&each.voters, &each.outgoing}) {
      while (!IsMajority(*some, *voters)) {
        std::vector<NodeId> useful;
        std::copy_if(voters->begin(), voters->end(), std::back_inserter(useful),
                     [&](NodeId id) { return !some->contains(id) && IsSound(id); });
        if (useful.empty()) return false;
        some->insert(useful[rng.Below(useful.size())]);
      }
    }
  }
  return true;
}

}  // namespace sisyphus::testing
