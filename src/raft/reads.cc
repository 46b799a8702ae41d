// Rounds of heartbeats, and the linearizable reads and leases that rest on them (thesis 6.4).
//
// Every broadcast of heartbeats is a round with a number of its own. A majority's answers to a
// round prove that this replica still led when the round began, so whatever was asked for before
// then may be read at the commit index of that moment.
#include <algorithm>
#include <limits>
#include <utility>

#include "base/planted.h"
#include "raft/core_impl.h"

namespace sisyphus::raft {

Status Core::Impl::ReadIndex(uint64_t context) {
  if (role_ != Role::kLeader) return absl::UnavailableError("not the leader");
  if (SIS_PLANTED(kReadJoinsOldRound) && !reads_asked_.empty()) {
    reads_asked_.back().contexts.push_back(context);
    return OkStatus();
  }
  reads_waiting_.push_back(context);
  return OkStatus();
}

void Core::Impl::WantLease(bool wanted) { lease_wanted_ = wanted && role_ == Role::kLeader; }

// Until an entry of the own term is committed the commit index may be behind what an earlier leader
// acknowledged (thesis 6.4, step 1).
bool Core::Impl::ReadRoundDue() const {
  return role_ == Role::kLeader && !reads_waiting_.empty() && reads_asked_.empty() &&
         (CommittedInOwnTerm() || SIS_PLANTED(kReadBeforeOwnTerm));
}

void Core::Impl::AssignReads() {
  if (reads_waiting_.empty()) return;
  if (!CommittedInOwnTerm() && !SIS_PLANTED(kReadBeforeOwnTerm)) return;
  reads_asked_.push_back({round_, commit_, std::exchange(reads_waiting_, {})});
}

void Core::Impl::BeginRound() {
  heartbeat_elapsed_ = 0;
  if (!SIS_PLANTED(kReuseReadContext) || reads_waiting_.empty()) ++round_;
  // After TimeoutNow somebody may be elected in spite of every promise: no lease in this term.
  const bool lease = lease_wanted_ && !handed_over_;
  if (lease) {
    lease_asked_ = true;
    lease_asked_round_ = round_;
  }
  AssignReads();
  for (auto& [id, peer] : progress_) {
    const Index commit =
        SIS_PLANTED(kHeartbeatBeyondMatch) ? commit_ : std::min(commit_, peer.match);
    Send(id, HeartbeatRequest{.commit = commit, .round = round_, .lease = lease});
  }
  UpdateRounds();
}

uint64_t Core::Impl::QuorumRound(Round own, Round Progress::*round) const {
  const uint64_t value =
      CommittedValue(membership().voters, membership().outgoing, [this, own, round](NodeId id) {
        if (id == config_.id) return own;
        auto it = progress_.find(id);
        return it == progress_.end() ? Round{0} : it->second.*round;
      });
  return value == std::numeric_limits<uint64_t>::max() ? 0 : value;
}

void Core::Impl::UpdateRounds() {
  confirmed_round_ = std::max(confirmed_round_, QuorumRound(round_, &Progress::answered_round));
  if (SIS_PLANTED(kReadWithoutQuorum)) confirmed_round_ = round_;
  // Not a maximum: promises are counted in the configuration that holds now.
  lease_round_ = handed_over_ ? 0 : QuorumRound(lease_asked_round_, &Progress::promised_round);
  while (!reads_asked_.empty() && reads_asked_.front().round <= confirmed_round_) {
    const ReadBatch& batch = reads_asked_.front();
    for (uint64_t context : batch.contexts) reads_confirmed_.push_back({context, batch.index});
    reads_asked_.pop_front();
  }
}

void Core::Impl::LoseReads() {
  for (const ReadBatch& batch : reads_asked_) {
    reads_lost_.insert(reads_lost_.end(), batch.contexts.begin(), batch.contexts.end());
  }
  reads_lost_.insert(reads_lost_.end(), reads_waiting_.begin(), reads_waiting_.end());
  reads_asked_.clear();
  reads_waiting_.clear();
}

void Core::Impl::HandleHeartbeatRequest(NodeId from, const HeartbeatRequest& request) {
  CommitTo(std::min(request.commit, log_.last_index()));
  if (request.round == kNoRound) return;
  if (request.lease) GivePromise();
  Send(from, HeartbeatReply{.round = request.round, .lease = request.lease});
}

void Core::Impl::HandleHeartbeatReply(Progress& peer, const HeartbeatReply& reply) {
  if (reply.round > round_) return;  // Never asked.
  peer.answered_round = std::max(peer.answered_round, reply.round);
  if (reply.lease) peer.promised_round = std::max(peer.promised_round, reply.round);
  if (peer.paused && reply.round > peer.paused_round) peer.paused = false;
  // What was sent before this round began should have been answered by now, or was lost.
  const bool overdue = !peer.inflight.empty() && peer.inflight.front().round < reply.round;
  const bool asleep = peer.state == ProgressState::kSnapshot && peer.snapshot_delivered;
  if (overdue || asleep) peer.poke = true;
  appends_due_ = true;
  UpdateRounds();
}

}  // namespace sisyphus::raft
