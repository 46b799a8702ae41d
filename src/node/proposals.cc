// Commands on their way in: admission, the open batch, forwarding, and who waits for what.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted.h"
#include "node/node_impl.h"

namespace sisyphus::node {

namespace {

// Of commands that go into one write of the log.
constexpr size_t kMaxBatchBytes = 4 << 20;

// How long a batch waits at pressure 1. Proportional, so that writers slow down before anything
// stops.
constexpr Duration kPressureUnit = std::chrono::milliseconds(10);

Status NoLeader() { return MakeStatus(StatusCode::kUnavailable, "no leader is known"); }

Status NoSpace() {
  return MakeStatus(StatusCode::kOutOfRange, "the leader's disk is nearly full: free some space");
}

Status OutcomeUnknown() {
  return MakeStatus(StatusCode::kDeadlineExceeded,
                    "no answer in time: the write may or may not take effect");
}

uint32_t MillisecondsUntil(MonotonicTime deadline, MonotonicTime now) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - now).count();
  return static_cast<uint32_t>(std::clamp<int64_t>(left, 1, 3'600'000));
}

}  // namespace

bool Node::Impl::Admit(size_t bytes) {
  pending_proposal_bytes_ += bytes;
  if (pending_proposals_.fetch_add(1) >= options_.max_pending_proposals ||
      pending_proposal_bytes_.load() > options_.max_uncommitted_bytes) {
    Release(bytes);
    measures_.refused_writes.AddShared();
    return false;
  }
  return true;
}

void Node::Impl::Release(size_t bytes) {
  --pending_proposals_;
  pending_proposal_bytes_ -= bytes;
}

// Any thread.
void Node::Impl::Propose(std::string command, OperationContext context, ProposeCallback done) {
  Proposal proposal;
  const size_t bytes = command.size();
  proposal.command = std::make_shared<const std::string>(std::move(command));
  proposal.deadline = context.deadline;
  proposal.trace = std::move(context.trace);
  proposal.arrived = Now();
  proposal.done = std::move(done);
  if (!Admit(bytes)) {
    proposal.done(MakeStatus(StatusCode::kResourceExhausted, "too many writes are waiting"));
    return;
  }
  bool wake = false;
  {
    MutexLock lock(intake_mu_);
    if (!stopped_) {
      intake_proposals_.push_back(std::move(proposal));
      wake = !std::exchange(intake_scheduled_, true);
      if (!wake) return;
    }
  }
  if (wake) {
    raft_->RunOrPost([this] { DrainIntake(); });
  } else {
    Answer(std::move(proposal), MakeStatus(StatusCode::kUnavailable, "this node is shutting down"));
  }
}

void Node::Impl::DrainIntake() {
  std::vector<Proposal> proposals;
  std::vector<PendingRead> reads;
  {
    MutexLock lock(intake_mu_);
    intake_scheduled_ = false;
    proposals.swap(intake_proposals_);
    reads.swap(intake_reads_);
  }
  for (Proposal& proposal : proposals) {
    NoteDeadline(proposal.deadline);
    open_batch_.push_back(std::move(proposal));
  }
  if (!reads.empty()) RouteReads(std::move(reads));
  RouteProposals();
  SchedulePump();
}

void Node::Impl::NoteDeadline(MonotonicTime deadline) {
  earliest_proposal_deadline_ = std::min(earliest_proposal_deadline_, deadline);
}

void Node::Impl::RouteProposals() {
  if (open_batch_.empty()) return;
  const NodeId leader = core_->leader();
  if (failed_ || leader == kNoNode) {
    for (Proposal& p : std::exchange(open_batch_, {})) Answer(std::move(p), NoLeader());
  } else if (leader == options_.id && short_of_space()) {
    measures_.refused_space.AddShared(open_batch_.size());
    for (Proposal& p : std::exchange(open_batch_, {})) Answer(std::move(p), NoSpace());
  } else if (leader == options_.id) {
    ProposeBatch();
  } else {
    ForwardBatch(leader);
  }
}

// A leader that may write nothing must not stand in the way of those who can: it asks one voter
// after the other. Who is short of space itself does not take over (HandleMessages).
void Node::Impl::HandOverWithoutSpace() {
  if (!leading() || !short_of_space() || tick_ < next_hand_over_tick_) return;
  if (SIS_PLANTED(kLeadsWithoutSpace)) return;
  const raft::CoreStatus status = core_->status();
  if (status.transferee != kNoNode) return;
  next_hand_over_tick_ = tick_ + uint64_t{2} * options_.election_ticks;
  std::vector<NodeId> heirs;
  for (const raft::PeerProgress& peer : Progress()) {
    const std::vector<NodeId>& voters = status.membership.voters;
    if (peer.active && peer.id != options_.id &&
        std::find(voters.begin(), voters.end(), peer.id) != voters.end()) {
      heirs.push_back(peer.id);
    }
  }
  if (heirs.empty()) return;
  const NodeId heir = heirs[hand_overs_++ % heirs.size()];
  no_lease_term_ = core_->term();
  DropLease();
  (void)core_->TransferLeadership(heir);
}

// While the log writes, the batch stays open: what arrives meanwhile shares the next write and
// sync.
void Node::Impl::ProposeBatch() {
  if (!entry_writes_.empty() || batch_delayed_) return;
  const double pressure = options_.state_machine->Pressure();
  if (pressure > 0 && !delay_served_) {
    batch_delayed_ = true;
    measures_.delayed_batches.Add();
    const auto delay =
        std::chrono::duration_cast<Duration>(kPressureUnit * std::min(pressure, 10.0));
    raft_->PostAfter(delay, [this] {
      batch_delayed_ = false;
      delay_served_ = true;
      RouteProposals();
      SchedulePump();
    });
    return;
  }
  delay_served_ = false;
  std::vector<raft::Payload> payloads;
  size_t bytes = 0;
  for (Proposal& p : open_batch_) {
    if (!payloads.empty() && bytes + p.command->size() > kMaxBatchBytes) break;
    bytes += p.command->size();
    p.command = options_.state_machine->Stamp(std::move(p.command), core_->term());
    payloads.push_back(p.command);
  }
  const StatusOr<LogPosition> first = core_->Propose(payloads);
  const MonotonicTime now = Now();
  for (size_t i = 0; i < payloads.size(); ++i) {
    Proposal proposal = std::move(open_batch_.front());
    open_batch_.pop_front();
    if (!first.ok()) {
      Answer(std::move(proposal), first.status());
      continue;
    }
    proposal.term = first->term;
    proposal.proposed = now;
    measures_.queue.Record(now - proposal.arrived);
    Proposal& place = waiters_[first->index + i];
    if (place.command != nullptr) {
      // From an earlier term of our own: the entry has left our log. It may still be in another's,
      // whose leader could commit it one day.
      SIS_CHECK(place.term < proposal.term, "a leader gives an index to one command only");
      Answer(std::exchange(place, {}), OutcomeUnknown());
    }
    place = std::move(proposal);
  }
}

void Node::Impl::ForwardBatch(NodeId leader) {
  const MonotonicTime now = Now();
  std::vector<PeerMessage> messages;
  for (Proposal& p : std::exchange(open_batch_, {})) {
    if (p.origin != kNoNode) {
      // It has been forwarded once already: one hop, no chasing after leaders.
      Answer(std::move(p),
             MakeStatus(StatusCode::kUnavailable, "this node does not lead any more"));
      continue;
    }
    const uint64_t id = next_id_++;
    messages.emplace_back(ForwardedProposal{id, MillisecondsUntil(p.deadline, now), p.command,
                                            p.trace ? p.trace->parent : TraceParent()});
    measures_.queue.Record(now - p.arrived);
    forwards_[id] =
        Forward{p.command->size(), p.deadline, leader, std::move(p.done), std::move(p.trace), now};
  }
  if (!messages.empty()) options_.transport->Send(leader, std::move(messages));
}

void Node::Impl::HandleForwarded(NodeId from, ForwardedProposal request) {
  Proposal proposal;
  proposal.command = std::move(request.command);
  proposal.arrived = Now();
  proposal.deadline = proposal.arrived + std::chrono::milliseconds(request.timeout_ms);
  if (!request.parent.empty()) {
    proposal.trace = std::make_shared<OperationTrace>();
    proposal.trace->parent = request.parent;
  }
  proposal.origin = from;
  proposal.origin_id = request.id;
  if (!Admit(proposal.command->size())) {
    ProposalReply reply;
    reply.id = request.id;
    reply.status =
        MakeStatus(StatusCode::kResourceExhausted, "too many writes are waiting at the leader");
    options_.transport->Send(from, {std::move(reply)});
    return;
  }
  NoteDeadline(proposal.deadline);
  open_batch_.push_back(
      std::move(proposal));  // RouteProposals follows, once for all messages of the batch.
}

void Node::Impl::HandleProposalReply(ProposalReply reply) {
  auto it = forwards_.find(reply.id);
  if (it == forwards_.end()) return;  // Answered already: too late, or the leader was lost.
  Forward forward = std::move(it->second);
  forwards_.erase(it);
  Release(forward.bytes);
  const MonotonicTime now = Now();
  measures_.forward.Record(now - forward.sent);
  if (forward.trace != nullptr) {
    forward.trace->stages = reply.stages;
    forward.trace->forward = now - forward.sent;
    forward.trace->leader = forward.leader;
    forward.trace->done = now;
  }
  if (!reply.status.ok()) {
    measures_.failed_proposals.AddShared();
    forward.done(reply.status);
  } else {
    forward.done(ProposalResult{reply.position, std::move(reply.result)});
  }
}

// Any actor of this node. Answers what is to be sent to the proposal's origin, if it has one.
std::optional<ProposalReply> Node::Impl::Finish(Proposal proposal, const StageTimes& stages,
                                                MonotonicTime now,
                                                StatusOr<ProposalResult> result) {
  Release(proposal.command->size());
  if (!result.ok()) measures_.failed_proposals.AddShared();
  if (proposal.origin == kNoNode) {
    if (proposal.trace != nullptr) {
      proposal.trace->stages = stages;
      proposal.trace->done = now;
    }
    proposal.done(std::move(result));
    return std::nullopt;
  }
  const bool slow = options_.slow_threshold > Duration() && options_.on_slow != nullptr &&
                    stages.total() >= options_.slow_threshold;
  if (slow) {
    options_.on_slow({.origin = proposal.origin,
                      .parent = proposal.trace ? proposal.trace->parent : TraceParent(),
                      .stages = stages,
                      .code = result.status().code(),
                      .command_bytes = proposal.command->size()});
  }
  ProposalReply reply;
  reply.id = proposal.origin_id;
  reply.status = result.status();
  reply.stages = stages;
  if (result.ok()) {
    reply.position = result->position;
    reply.result = std::move(result->result);
  }
  return reply;
}

// One that was not applied here: the stage that it was in is told as it stands.
void Node::Impl::Answer(Proposal proposal, StatusOr<ProposalResult> result) {
  const MonotonicTime now = Now();
  StageTimes stages;
  if (proposal.proposed == MonotonicTime()) {
    stages.queue = now - proposal.arrived;
  } else {
    stages.queue = proposal.proposed - proposal.arrived;
    stages.replicate = now - proposal.proposed;
  }
  const NodeId origin = proposal.origin;
  std::optional<ProposalReply> reply = Finish(std::move(proposal), stages, now, std::move(result));
  if (reply) options_.transport->Send(origin, {*std::move(reply)});
}

void Node::Impl::ExpireProposals(MonotonicTime now) {
  if (now < earliest_proposal_deadline_) return;
  earliest_proposal_deadline_ = MonotonicTime::max();
  for (Proposal& p : std::exchange(open_batch_, {})) {
    if (p.deadline > now) {
      NoteDeadline(p.deadline);
      open_batch_.push_back(std::move(p));
    } else {
      Answer(std::move(p),
             MakeStatus(StatusCode::kUnavailable, "the log is too slow: not proposed in time"));
    }
  }
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    if (it->second.deadline > now) {
      NoteDeadline((it++)->second.deadline);
    } else {
      Proposal expired = std::move(it->second);
      it = waiters_.erase(it);
      Answer(std::move(expired), OutcomeUnknown());
    }
  }
  for (auto it = forwards_.begin(); it != forwards_.end();) {
    if (it->second.deadline > now) {
      NoteDeadline((it++)->second.deadline);
    } else {
      Forward expired = std::move(it->second);
      it = forwards_.erase(it);
      LoseForward(std::move(expired), OutcomeUnknown());
    }
  }
}

void Node::Impl::LoseForward(Forward lost, const sisyphus::Status& why) {
  Release(lost.bytes);
  measures_.failed_proposals.AddShared();
  if (lost.trace != nullptr) {
    lost.trace->done = Now();
    lost.trace->forward = lost.trace->done - lost.sent;
    lost.trace->leader = lost.leader;
  }
  lost.done(why);
}

// The answers would have come on the stream that broke.
void Node::Impl::LoseForwards(NodeId leader) {
  for (auto it = forwards_.begin(); it != forwards_.end();) {
    if (it->second.leader != leader) {
      ++it;
      continue;
    }
    Forward lost = std::move(it->second);
    it = forwards_.erase(it);
    const StatusCode code =
        SIS_PLANTED(kLostCalledRefused) ? StatusCode::kUnavailable : StatusCode::kDeadlineExceeded;
    LoseForward(std::move(lost),
                MakeStatus(code,
                           "the leader was lost before it answered: the write may or may not take "
                           "effect"));
  }
}

}  // namespace sisyphus::node
