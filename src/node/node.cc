#include "node/node.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted.h"
#include "node/node_impl.h"

namespace sisyphus::node {

namespace {

// How much later than its predecessor each voter tries to take over from a leader whose stream
// broke, so that two do not split the vote. Well above a vote's round trip and disk write.
constexpr Duration kTakeoverStagger = std::chrono::milliseconds(40);

// A lease that nobody asks for is given up after this many ticks: it would only delay the next
// fail-over.
constexpr int kLeaseIdleTicks = 200;

// Between two looks at free space and at checkpoints that nobody asks for.
constexpr int kHousekeepingTicks = 40;

// A promise of N ticks lasts at least N - 1 tick intervals of the follower's clock (the first tick
// may come at once). A tenth is the bound on how much faster its clock may run than the leader's.
Duration LeaseDuration(const NodeOptions& options) {
  return options.tick * (options.election_ticks - 1) * (SIS_PLANTED(kLongLease) ? 20 : 9) / 10;
}

}  // namespace

Node::Impl::Impl(NodeOptions options)
    : options_(std::move(options)),
      lease_duration_(LeaseDuration(options_)),
      // An answer to an earlier life of this process must not be taken for one to this life.
      next_id_(Rng(options_.seed ^ 0x6964).Next() >> 1),
      content_(options_.id) {}

sisyphus::Status Node::Impl::Open(TransportHandler* handler) {
  SIS_CHECK(options_.election_ticks > options_.heartbeat_ticks && options_.heartbeat_ticks > 0,
            "an election timeout is longer than a heartbeat interval");
  RaftLog::Options log_options;
  log_options.directory = options_.log_directory;
  log_options.segment_bytes = options_.log_segment_bytes;
  log_options.applied = options_.state_machine->durable();
  log_options.initial_membership = options_.initial_membership;
  log_options.installed = options_.installed_snapshot;
  log_options.clock = &options_.executor->clock();
  log_options.measures = &measures_.log;
  raft::RestoredState restored;
  SIS_ASSIGN_OR_RETURN(log_, RaftLog::Open(*options_.file_system, log_options, &restored));
  applied_ = options_.state_machine->durable();
  log_bytes_ = log_->size_bytes();
  CheckFreeSpace();

  raft::Config config;
  config.id = options_.id;
  config.heartbeat_ticks = options_.heartbeat_ticks;
  config.election_ticks = options_.election_ticks;
  config.max_uncommitted_bytes = options_.max_uncommitted_bytes;
  core_ = std::make_unique<raft::Core>(config, Rng(options_.seed), std::move(restored));

  raft_ = options_.executor->CreateActor({.name = "raft"});
  log_actor_ = options_.executor->CreateActor({.name = "log"});
  log_reader_ = options_.executor->CreateActor({.name = "log-read"});
  apply_ = options_.executor->CreateActor({.name = "apply"});
  snapshot_ = options_.executor->CreateActor({.name = "snapshot"});
  SIS_RETURN_IF_ERROR(OpenSnapshots());
  SIS_RETURN_IF_ERROR(OpenContent());
  options_.state_machine->SetReadyCallback([this] { apply_->Post([this] { ApplyQueued(); }); });
  PublishView();
  PublishStatus();
  SIS_RETURN_IF_ERROR(options_.transport->Start(handler));
  raft_->Post([this] {
    // A single voter has nobody to wait for.
    const raft::Membership membership = core_->status().membership;
    UpdatePeers();
    if (membership.voters == std::vector<NodeId>{options_.id} && !membership.joint())
      Campaign(ElectionReason::kAlone);
    raft_->PostAfter(options_.tick, [this] { OnTick(); });
    SchedulePump();
  });
  return OkStatus();
}

void Node::Impl::OnTick() {
  // A pause is not made up for by many ticks at once: ticks are never closer than the interval,
  // which leases rely on.
  raft_->PostAfter(options_.tick, [this] { OnTick(); });
  if (failed_) return;
  ++tick_;
  NoteActive();  // Before the core may forget.
  core_->Tick();
  const MonotonicTime now = Now();
  if (leading()) {
    lag_.Note(core_->status().last, measures_.log.bytes.value(), now);
  } else {
    lag_.Clear();
  }
  ExpireProposals(now);
  ExpireReads(now);
  if (lease_asked_.exchange(false)) {
    lease_idle_ticks_ = 0;
    if (leading() && core_->term() != no_lease_term_) core_->WantLease(true);
  } else if (++lease_idle_ticks_ == kLeaseIdleTicks && leading()) {
    core_->WantLease(false);
  }
  KeepFresh();
  FinishTransfers();
  HandOverWithoutSpace();
  ExpireChanges(now);
  PromoteLearners();
  UpdatePeers();
  ConsiderCompaction();
  TickContent();
  if (++housekeeping_ticks_ >= kHousekeepingTicks) {
    housekeeping_ticks_ = 0;
    SnapshotTask([this] { return sender_->Expire(); });
    log_reader_->Post([this] { CheckFreeSpace(); });
  }
  PublishStatus();
  SchedulePump();
}

void Node::Impl::CheckFreeSpace() {
  const StatusOr<uint64_t> free = options_.file_system->FreeSpace(options_.log_directory);
  if (free.ok())
    free_bytes_ = *free;  // Otherwise the next write of the log will say what is wrong.
}

void Node::Impl::OnMessages(NodeId from, std::vector<PeerMessage> messages) {
  // A full mailbox loses messages as a full network would; the senders repeat or time out.
  (void)raft_->TryRunOrPost([this, from, messages = std::move(messages)]() mutable {
    HandleMessages(from, std::move(messages));
  });
}

void Node::Impl::HandleMessages(NodeId from, std::vector<PeerMessage> messages) {
  if (failed_) return;
  for (PeerMessage& message : messages) {
    if (auto* raft = std::get_if<raft::Message>(&message)) {
      // Who could write nothing as a leader does not take over: the leader asks another one.
      const bool asked_to_lead = std::holds_alternative<raft::TimeoutNow>(raft->body);
      if (asked_to_lead && short_of_space()) continue;
      StepMessage(from, std::move(*raft));
    } else if (auto* proposal = std::get_if<ForwardedProposal>(&message)) {
      HandleForwarded(from, std::move(*proposal));
    } else if (auto* reply = std::get_if<ProposalReply>(&message)) {
      HandleProposalReply(std::move(*reply));
    } else if (auto* read = std::get_if<ReadIndexRequest>(&message)) {
      HandleReadIndexRequest(from, *read);
    } else if (auto* index = std::get_if<ReadIndexReply>(&message)) {
      HandleReadIndexReply(std::move(*index));
    } else if (const auto* report = std::get_if<ContentReport>(&message)) {
      HandleContentReport(from, *report);
    } else if (const auto* reseed = std::get_if<ReseedRequest>(&message)) {
      HandleReseedRequest(from, *reseed);
    } else {
      HandleSnapshotMessage(from, std::move(message));
    }
  }
  RouteProposals();
  SchedulePump();
}

void Node::Impl::StepMessage(NodeId from, raft::Message message) {
  const auto* answer = std::get_if<raft::HeartbeatReply>(&message.body);
  if (answer != nullptr && answer->round != raft::kNoRound) {
    round_trips_.Answered(from, message.term, answer->round, Now());
  }
  const bool told_to_lead = std::holds_alternative<raft::TimeoutNow>(message.body);
  core_->Step(std::move(message));
  if (told_to_lead && core_->role() == raft::Role::kCandidate) {
    election_reason_ = ElectionReason::kTransfer;
  }
}

void Node::Impl::Campaign(ElectionReason reason) {
  core_->Campaign();
  if (core_->role() != raft::Role::kFollower) election_reason_ = reason;
}

void Node::Impl::OnPeerConnected(const PeerInfo& peer) {
  raft_->Post([this, peer] {
    PeerInfo info = peer;
    std::erase_if(peers_, [&](const PeerInfo& known) {
      // Only who connects says where it is reached.
      if (known.id == peer.id && !peer.inbound) info.peer_address = known.peer_address;
      return known.id == peer.id;
    });
    peers_.push_back(std::move(info));
    std::sort(peers_.begin(), peers_.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
    PublishStatus();
    if (peer.inbound || failed_) return;
    reached_.insert(peer.id);
    ConsiderProbed();
  });
}

void Node::Impl::OnPeerDisconnected(NodeId peer) {
  raft_->Post([this, peer] { HandleDisconnect(peer); });
}

void Node::Impl::OnSendFailed(NodeId peer) {
  raft_->Post([this, peer] {
    if (failed_) return;
    reached_.erase(peer);
    core_->PeerUnreachable(peer);
    SchedulePump();
  });
}

void Node::Impl::HandleDisconnect(NodeId peer) {
  if (failed_) return;
  LoseForwards(peer);
  reached_.erase(peer);
  if (core_->leader() == peer) {
    core_->ForgetLeader();
    if (core_->leader() == kNoNode) ConsiderTakeover(peer);
  }
  core_->PeerUnreachable(peer);
  SchedulePump();
}

// The leader's process is most likely gone. The voters try to take over one after the other;
// pre-vote makes a needless try harmless.
void Node::Impl::ConsiderTakeover(NodeId lost_leader) {
  const raft::CoreStatus status = core_->status();
  Duration delay{};
  for (const NodeId voter : status.membership.voters) {
    if (voter == options_.id) break;
    if (voter != lost_leader) delay += kTakeoverStagger;
  }
  raft_->PostAfter(delay, [this, term = status.term] {
    if (failed_ || core_->term() != term || core_->leader() != kNoNode) return;
    Campaign(ElectionReason::kLeaderLost);
    SchedulePump();
  });
}

void Node::Impl::TransferLeadership(NodeId to, ReadCallback done) {
  raft_->Post([this, to, done = std::move(done)]() mutable {
    if (!leading()) {
      done(MakeStatus(StatusCode::kUnavailable, "this node does not lead"));
      return;
    }
    // The transferee's election will not wait for leases, and its order to start may arrive late:
    // no lease in this term from here on.
    no_lease_term_ = core_->term();
    DropLease();
    const sisyphus::Status status = core_->TransferLeadership(to);
    if (!status.ok()) {
      done(status);
      return;
    }
    transfers_.emplace_back(Now() + options_.tick * (3 * options_.election_ticks), std::move(done));
    SchedulePump();
  });
}

void Node::Impl::FinishTransfers() {
  if (transfers_.empty()) return;
  const NodeId leader = core_->leader();
  sisyphus::Status outcome = OkStatus();
  if (leading()) {
    if (core_->status().transferee != kNoNode) return;
    outcome = MakeStatus(StatusCode::kAborted, "the leadership transfer did not complete in time");
  } else if (leader == kNoNode) {
    if (Now() < transfers_.front().first) return;
    outcome = MakeStatus(StatusCode::kAborted, "no leader is known after the leadership transfer");
  }
  for (auto& [deadline, done] : std::exchange(transfers_, {})) done(outcome);
}

void Node::Impl::SendAll(Outbox outbox) {
  for (auto& [to, messages] : outbox) options_.transport->Send(to, std::move(messages));
}

void Node::Impl::PublishView() {
  view_term_.store(core_->term().value(), std::memory_order_relaxed);
  view_leader_.store(core_->leader().value(), std::memory_order_relaxed);
  view_role_.store(core_->role(), std::memory_order_relaxed);
  view_commit_.store(core_->commit().value(), std::memory_order_relaxed);
  view_applied_.store(applied_.index.value(), std::memory_order_relaxed);
}

void Node::Impl::PublishStatus() {
  NodeStatus status;
  status.core = core_->status();
  status.progress = Progress();
  status.peer_figures = FiguresOfPeers();
  status.peers = peers_;
  status.log_bytes = log_bytes_;
  status.free_bytes = free_bytes_;
  status.log_syncs = log_syncs_;
  status.proposals_pending = pending_proposals_;
  status.proposal_bytes_pending = pending_proposal_bytes_;
  status.reads_pending = pending_reads_;
  status.snapshots_installed = snapshots_installed_;
  status.leader_changes = leader_changes_;
  status.leader_history.assign(leader_history_.begin(), leader_history_.end());
  AddContentStatus(&status);
  MutexLock lock(status_mu_);
  status_ = std::move(status);
}

NodeView Node::Impl::View() const {
  NodeView view;
  view.term = Term(view_term_.load(std::memory_order_relaxed));
  view.leader = NodeId(view_leader_.load(std::memory_order_relaxed));
  view.role = view_role_.load(std::memory_order_relaxed);
  view.commit = Index(view_commit_.load(std::memory_order_relaxed));
  view.applied = Index(view_applied_.load(std::memory_order_relaxed));
  return view;
}

std::vector<PeerFigures> Node::Impl::FiguresOfPeers() const {
  std::vector<PeerFigures> all;
  if (!leading()) return all;
  const MonotonicTime now = Now();
  const Index last = core_->status().last;
  std::map<NodeId, DurationHistogram::Snapshot> trips = round_trips_.Snapshots();
  for (const raft::PeerProgress& peer : core_->progress()) {
    if (peer.id == options_.id) continue;
    PeerFigures figures;
    figures.id = peer.id;
    figures.round_trips = trips[peer.id];
    figures.lag_entries = last > peer.match ? last - peer.match : 0;
    figures.lag = lag_.Of(peer.match, now);
    all.push_back(std::move(figures));
  }
  return all;
}

Duration Node::Impl::LeaseRemaining() const {
  const int64_t until = lease_until_ns_.load(std::memory_order_acquire);
  if (until == 0) return {};
  return std::max(Duration(until) - Now().time_since_epoch(), Duration());
}

std::vector<QueueDepth> Node::Impl::Queues() const {
  return {{"raft", raft_->queued()},
          {"log", log_actor_->queued()},
          {"log-read", log_reader_->queued()},
          {"apply", apply_->queued()},
          {"snapshot", snapshot_->queued()}};
}

NodeStatus Node::Impl::Status() const {
  MutexLock lock(status_mu_);
  return status_;
}

// Raft actor.
void Node::Impl::Fatal(const sisyphus::Status& status) {
  if (std::exchange(failed_, true)) return;
  DropLease();
  if (options_.on_fatal) options_.on_fatal(status);
}

void Node::Impl::Stop() {
  {
    MutexLock lock(intake_mu_);
    if (std::exchange(stopped_, true)) return;
  }
  options_.transport->Stop();
  if (raft_ == nullptr) return;  // Never opened.
  options_.state_machine->SetReadyCallback(nullptr);
  for (Actor* actor :
       {raft_.get(), log_actor_.get(), log_reader_.get(), apply_.get(), snapshot_.get()})
    actor->Stop();
  FailEverything();
}

// Every actor has stopped: their state is ours.
void Node::Impl::FailEverything() {
  const sisyphus::Status never = MakeStatus(StatusCode::kUnavailable, "this node is shutting down");
  const sisyphus::Status unknown =
      MakeStatus(StatusCode::kDeadlineExceeded, "this node shut down before the outcome was known");
  std::vector<Proposal> proposals;
  std::vector<PendingRead> reads;
  {
    MutexLock lock(intake_mu_);
    proposals.swap(intake_proposals_);
    reads.swap(intake_reads_);
  }
  for (Proposal& p : proposals) Answer(std::move(p), never);
  for (Proposal& p : std::exchange(open_batch_, {})) Answer(std::move(p), never);
  for (auto& [index, p] : std::exchange(waiters_, {})) Answer(std::move(p), unknown);
  for (ApplyJob& job : std::exchange(apply_jobs_, {})) {
    for (auto& [index, p] : job.waiters) Answer(std::move(p), unknown);
  }
  for (auto& [id, forward] : std::exchange(forwards_, {})) {
    LoseForward(std::move(forward), unknown);
  }
  FinishReads(std::move(reads), never);
  for (auto& [context, batch] : std::exchange(read_batches_, {}))
    FinishReads(std::move(batch.reads), never);
  FinishReads(std::exchange(follower_reads_, {}), never);
  if (asked_leader_) FinishReads(std::move(asked_leader_->second.reads), never);
  asked_leader_.reset();
  std::vector<PendingRead> waiting;
  for (auto& [index, read] : std::exchange(reads_to_apply_, {})) waiting.push_back(std::move(read));
  FinishReads(std::move(waiting), never);
  for (auto& [deadline, done] : std::exchange(transfers_, {})) done(never);
  FailChanges(never, unknown);
}

// --- The door ---

StatusOr<std::unique_ptr<Node>> Node::Start(NodeOptions options) {
  std::unique_ptr<Node> node(new Node(std::make_unique<Impl>(std::move(options))));
  SIS_RETURN_IF_ERROR(node->impl_->Open(node.get()));
  return node;
}

Node::Node(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Node::~Node() { Stop(); }

void Node::Propose(std::string command, OperationContext context, ProposeCallback done) {
  impl_->Propose(std::move(command), std::move(context), std::move(done));
}
void Node::ReadIndex(MonotonicTime deadline, ReadCallback done) {
  impl_->ReadIndex(deadline, std::move(done));
}
void Node::WaitApplied(Index index, MonotonicTime deadline, ReadCallback done) {
  impl_->WaitApplied(index, deadline, std::move(done));
}
std::optional<Index> Node::LeaseIndex() { return impl_->LeaseIndex(); }
MonotonicTime Node::FreshAsOf() { return impl_->FreshAsOf(); }
MonotonicTime Node::Now() const { return impl_->Now(); }
bool Node::ContentTrusted() const { return !impl_->distrusted(); }
NodeView Node::View() const { return impl_->View(); }
NodeStatus Node::Status() const { return impl_->Status(); }
const NodeMeasures& Node::measures() const { return impl_->measures(); }
Duration Node::LeaseRemaining() const { return impl_->LeaseRemaining(); }
std::vector<QueueDepth> Node::Queues() const { return impl_->Queues(); }
void Node::TransferLeadership(NodeId to, ReadCallback done) {
  impl_->TransferLeadership(to, std::move(done));
}
void Node::ChangeMembership(raft::MembershipChange change, MonotonicTime deadline,
                            ReadCallback done) {
  impl_->ChangeMembership(std::move(change), deadline, std::move(done));
}
void Node::Stop() { impl_->Stop(); }
void Node::OnMessages(NodeId from, std::vector<PeerMessage> messages) {
  impl_->OnMessages(from, std::move(messages));
}
void Node::OnPeerConnected(const PeerInfo& peer) { impl_->OnPeerConnected(peer); }
void Node::OnPeerDisconnected(NodeId peer) { impl_->OnPeerDisconnected(peer); }
void Node::OnSendFailed(NodeId peer) { impl_->OnSendFailed(peer); }

}  // namespace sisyphus::node
