// Changes of membership: what is allowed beyond the core's rules, the handshake with a new node,
// the promotion of learners, and which peers the transport keeps connections to.
#include "raft/membership.h"

#include <algorithm>
#include <utility>

#include "node/node_impl.h"

namespace sisyphus::node {

namespace {

using Operation = raft::MembershipChange::Operation;
using Op = raft::MembershipChange::Op;

// A learner is promoted once it has been this close to the leader's last entry on so many ticks in
// a row: enough to tell one that keeps up from one that passes by.
constexpr uint64_t kPromotionLag = 1'000;
constexpr int kPromotionTicks = 10;

sisyphus::Status Illegal(const std::string& message) {
  return MakeStatus(StatusCode::kInvalidArgument, message);
}

bool Adds(const Operation& operation) {
  return operation.op == Op::kAddVoter || operation.op == Op::kAddLearner;
}

bool Contains(const std::vector<NodeId>& ids, NodeId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

const raft::PeerProgress* Find(const std::vector<raft::PeerProgress>& progress, NodeId id) {
  for (const raft::PeerProgress& peer : progress) {
    if (peer.id == id) return &peer;
  }
  return nullptr;
}

sisyphus::Status CheckOperation(const raft::Membership& now,
                                const std::vector<raft::PeerProgress>& progress,
                                const Operation& operation) {
  const NodeId id = operation.id;
  const std::string node = "node " + ToString(id);
  if (id == kNoNode) return Illegal("ids begin at 1");
  if (Adds(operation) && Contains(now.removed, id)) {
    return Illegal(node + " was removed from this cluster: its id cannot come back, give the new " +
                   "node another one");
  }
  const bool member = raft::IsMember(now, id);
  if (!member) {
    if (!Adds(operation)) return Illegal(node + " is not a member");
    if (operation.peer_address.empty()) return Illegal(node + " needs a peer address");
    return OkStatus();
  }
  if (operation.op == Op::kAddLearner && !raft::IsVoter(now, id)) {
    return Illegal(node + " is a member already");
  }
  if (operation.op == Op::kAddVoter && !raft::IsVoter(now, id)) {
    const raft::PeerProgress* peer = Find(progress, id);
    if (peer == nullptr || peer->match == Index(0)) {
      return Illegal(node + " has not received anything yet: it cannot vote");
    }
  }
  return OkStatus();
}

}  // namespace

void Node::Impl::ChangeMembership(raft::MembershipChange change, MonotonicTime deadline,
                                  ReadCallback done) {
  raft_->Post([this, change = std::move(change), deadline, done = std::move(done)]() mutable {
    sisyphus::Status status = CheckChange(change);
    if (!status.ok()) {
      done(status);
      return;
    }
    PendingChange pending{std::move(change), deadline, std::move(done)};
    const raft::Membership now = core_->status().membership;
    for (const Operation& operation : pending.change.operations) {
      if (!Adds(operation) || raft::IsMember(now, operation.id)) continue;
      pending.to_reach.push_back({operation.id, operation.peer_address});
    }
    if (pending.to_reach.empty()) {
      ProposeChange(std::move(pending));
      return;
    }
    // Half of the time for the handshake, the rest for the entry.
    pending.reach_until = Now() + std::max(Duration::zero(), deadline - Now()) / 2;
    probing_ = std::move(pending);
    UpdatePeers();
    ConsiderProbed();
  });
}

// Everything that can be said before the new nodes are asked.
sisyphus::Status Node::Impl::CheckChange(const raft::MembershipChange& change) {
  if (failed_) return MakeStatus(StatusCode::kUnavailable, "this node has failed");
  if (!leading()) return MakeStatus(StatusCode::kUnavailable, "this node does not lead");
  const raft::CoreStatus status = core_->status();
  if (probing_ || status.membership_index > status.commit) {
    return MakeStatus(StatusCode::kFailedPrecondition, "a membership change is in progress");
  }
  const std::vector<raft::PeerProgress> progress = Progress();
  for (const Operation& operation : change.operations) {
    SIS_RETURN_IF_ERROR(CheckOperation(status.membership, progress, operation));
  }
  SIS_ASSIGN_OR_RETURN(const raft::Membership next, raft::ApplyChange(status.membership, change));
  // Voters that are alive now must be able to commit the change, and everything after it.
  const auto alive = std::count_if(next.voters.begin(), next.voters.end(), [&](NodeId id) {
    if (id == options_.id || !raft::IsMember(status.membership, id)) return true;
    const raft::PeerProgress* peer = Find(progress, id);
    return peer != nullptr && peer->active;
  });
  if (static_cast<size_t>(alive) <= next.voters.size() / 2) {
    return MakeStatus(StatusCode::kFailedPrecondition,
                      "only " + std::to_string(alive) + " of the " +
                          std::to_string(next.voters.size()) +
                          " voters that would be left are reachable: the cluster would stop");
  }
  return OkStatus();
}

// A new node is added only once it has accepted a connection as the node that was named, of this
// cluster.
void Node::Impl::ConsiderProbed() {
  if (!probing_) return;
  for (const auto& peer : probing_->to_reach) {
    if (!reached_.contains(peer.id)) return;
  }
  ProposeChange(*std::exchange(probing_, std::nullopt));
}

void Node::Impl::ProposeChange(PendingChange pending) {
  const StatusOr<LogPosition> position = core_->ProposeMembership(pending.change);
  if (!position.ok()) {
    UpdatePeers();
    pending.done(position.status());
    return;
  }
  pending.term = position->term;
  auto replaced = changes_.extract(position->index);
  changes_.emplace(position->index, std::move(pending));
  UpdatePeers();
  SchedulePump();
  if (!replaced.empty()) {
    replaced.mapped().done(
        MakeStatus(StatusCode::kAborted, "another leader's entry took the place of this change"));
  }
}

// Those whose entry is applied by now, or another in its place.
void Node::Impl::CompleteChanges() {
  while (!changes_.empty() && changes_.begin()->first <= applied_.index) {
    auto change = changes_.extract(changes_.begin());
    const std::optional<Term> term = core_->TermAt(change.key());
    sisyphus::Status status = OkStatus();
    if (!term) {
      status = MakeStatus(StatusCode::kDeadlineExceeded,
                          "this node took a snapshot: the change may or may not be in it");
    } else if (*term != change.mapped().term) {
      status =
          MakeStatus(StatusCode::kAborted, "another leader's entry took the place of this change");
    }
    PublishStatus();
    change.mapped().done(status);
  }
}

void Node::Impl::ExpireChanges(MonotonicTime now) {
  if (probing_ && (!leading() || now >= probing_->reach_until)) {
    PendingChange pending = *std::exchange(probing_, std::nullopt);
    std::string who;
    for (const auto& peer : pending.to_reach) {
      if (!reached_.contains(peer.id)) who += " node " + ToString(peer.id) + " at " + peer.peer;
    }
    UpdatePeers();
    pending.done(leading()
                     ? MakeStatus(StatusCode::kFailedPrecondition,
                                  "no answer as a member of this cluster from" + who +
                                      "; the leader's log says why")
                     : MakeStatus(StatusCode::kUnavailable, "this node does not lead any more"));
  }
  for (auto it = changes_.begin(); it != changes_.end();) {
    auto change = it++;
    if (now < change->second.deadline) continue;
    PendingChange pending = std::move(changes_.extract(change).mapped());
    pending.done(MakeStatus(StatusCode::kDeadlineExceeded,
                            "the change was not confirmed in time; it may still happen"));
  }
}

void Node::Impl::FailChanges(const sisyphus::Status& never, const sisyphus::Status& unknown) {
  if (probing_) std::exchange(probing_, std::nullopt)->done(never);
  for (auto& [index, pending] : std::exchange(changes_, {})) pending.done(unknown);
}

// The core's flag begins anew with each of its quorum checks: for a moment nobody is active, also
// when it has just been elected. A peer counts as active until it had time to answer.
void Node::Impl::NoteActive() {
  if (!leading()) {
    last_active_.clear();
    return;
  }
  for (const raft::PeerProgress& peer : core_->progress()) {
    const auto seen = last_active_.try_emplace(peer.id, tick_).first;
    if (peer.active) seen->second = tick_;
  }
}

std::vector<raft::PeerProgress> Node::Impl::Progress() const {
  const uint64_t grace = uint64_t{2} * options_.heartbeat_ticks + 2;
  std::vector<raft::PeerProgress> progress = core_->progress();
  for (raft::PeerProgress& peer : progress) {
    const auto seen = last_active_.find(peer.id);
    peer.active |= seen == last_active_.end() || tick_ - seen->second <= grace;
  }
  return progress;
}

// One learner at a time, since each is a change of its own.
void Node::Impl::PromoteLearners() {
  const raft::CoreStatus status = core_->status();
  if (!leading() || probing_ || status.membership.learners.empty() ||
      status.membership_index > status.commit || status.transferee != kNoNode) {
    keeping_up_.clear();
    return;
  }
  std::map<NodeId, int> keeping_up;
  for (const raft::PeerProgress& peer : Progress()) {
    if (!Contains(status.membership.learners, peer.id)) continue;
    // An index of its own log, in this term: it has answered, and it is no blank promise.
    const bool close = peer.active && peer.match > Index(0) &&
                       peer.state == raft::ProgressState::kReplicate &&
                       status.last - peer.match <= kPromotionLag;
    if (close) keeping_up[peer.id] = keeping_up_[peer.id] + 1;
  }
  keeping_up_ = std::move(keeping_up);
  for (const auto& [id, ticks] : keeping_up_) {
    if (ticks < kPromotionTicks) continue;
    raft::MembershipChange change;
    change.operations.push_back({Op::kAddVoter, id, ""});
    if (CheckChange(change).ok() && core_->ProposeMembership(change).ok()) {
      keeping_up_.clear();
      UpdatePeers();
      SchedulePump();
    }
    return;
  }
}

// --- Peers ---

// Tells the transport whom to be connected to: the members; those that an uncommitted change takes
// out; those that are just gone, for a while, so that they learn it; new nodes that are asked; and
// whoever this replica was told of, until it has read that it is a member: what a snapshot says
// may be older than the leader that sent it.
void Node::Impl::UpdatePeers() {
  const raft::CoreStatus status = core_->status();
  std::map<NodeId, std::string> wanted;
  const auto add = [&](const std::vector<raft::Membership::Address>& addresses) {
    for (const auto& address : addresses) wanted.try_emplace(address.id, address.peer);
  };
  membership_seen_ = status.membership_index;
  add(status.membership.addresses);
  if (status.membership_index > status.commit) {
    add(core_->MembershipAt(status.commit).addresses);
  }
  const raft::Membership& now = status.membership;
  if (!raft::IsMember(now, options_.id) && !Contains(now.removed, options_.id)) {
    add(options_.contacts);
  }
  if (probing_) add(probing_->to_reach);
  const uint64_t grace = uint64_t{2} * options_.election_ticks;
  for (const auto& [id, address] : peer_addresses_) {
    if (wanted.contains(id)) {
      departing_.erase(id);
      continue;
    }
    if (!Contains(status.membership.removed, id)) continue;
    const auto [until, fresh] = departing_.try_emplace(id, tick_ + grace);
    if (tick_ < until->second) wanted.emplace(id, address);
  }
  // Whoever has connected to us is answered, though our log may not have come to its addition yet:
  // it may lead, or need our vote to lead.
  for (const PeerInfo& peer : peers_) {
    const bool removed = Contains(status.membership.removed, peer.id);
    if (!peer.peer_address.empty() && !removed) {
      wanted.try_emplace(peer.id, peer.peer_address);
    }
  }
  std::string own;
  if (const auto self = wanted.extract(options_.id)) own = self.mapped();
  if (wanted == peer_addresses_ && own == own_address_) return;
  std::erase_if(reached_, [&](NodeId id) { return !wanted.contains(id); });
  std::erase_if(departing_, [&](const auto& gone) { return !wanted.contains(gone.first); });
  peer_addresses_ = std::move(wanted);
  std::vector<raft::Membership::Address> peers;
  for (const auto& [id, address] : peer_addresses_) peers.push_back({id, address});
  own_address_ = std::move(own);
  if (!own_address_.empty()) peers.push_back({options_.id, own_address_});
  options_.transport->SetPeers(std::move(peers));
}

}  // namespace sisyphus::node
