// Node::Impl: the state behind the door, by the actor that owns it. Private to src/node.
//
//   node.cc       lifecycle, the door, ticks, what the world may see
//   pump.cc       what the core's outputs ask for: send, write, read, apply
//   proposals.cc  commands: intake, forwarding, waiters
//   membership.cc changes of membership, promotion of learners, the transport's peers
//   snapshots.cc  compaction of the log, checkpoints sent and received
//   content.cc    comparing content with the others, and replacing it
//   reads.cc      read-index batches, forwarding, the lease
#ifndef SISYPHUS_NODE_NODE_IMPL_H_
#define SISYPHUS_NODE_NODE_IMPL_H_

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "node/content_check.h"
#include "node/node.h"
#include "node/raft_log.h"
#include "node/snapshot_receiver.h"
#include "node/snapshot_sender.h"

namespace sisyphus::node {

class Node::Impl {
 public:
  explicit Impl(NodeOptions options);

  sisyphus::Status Open(TransportHandler* handler);

  // Any thread.
  void Propose(std::string command, OperationContext context, ProposeCallback done);
  void ReadIndex(MonotonicTime deadline, ReadCallback done);
  void WaitApplied(Index index, MonotonicTime deadline, ReadCallback done);
  std::optional<Index> LeaseIndex();
  MonotonicTime FreshAsOf();
  MonotonicTime Now() const { return options_.executor->clock().Now(); }
  bool distrusted() const { return distrusted_.load(std::memory_order_acquire); }
  NodeView View() const;
  NodeStatus Status() const;
  const NodeMeasures& measures() const { return measures_; }
  Duration LeaseRemaining() const;
  std::vector<QueueDepth> Queues() const;
  void TransferLeadership(NodeId to, ReadCallback done);
  void ChangeMembership(raft::MembershipChange change, MonotonicTime deadline, ReadCallback done);
  void Stop();
  void OnMessages(NodeId from, std::vector<PeerMessage> messages);
  void OnPeerConnected(const PeerInfo& peer);
  void OnPeerDisconnected(NodeId peer);
  void OnSendFailed(NodeId peer);

 private:
  // A command that waits for its turn, or for what applying it will say. Local ones have a
  // callback, those that a peer forwarded have an origin.
  struct Proposal {
    raft::Payload command;
    MonotonicTime deadline;
    ProposeCallback done;
    NodeId origin;
    uint64_t origin_id = 0;
    Term term;  // Of its entry, once proposed.
    TracePointer trace;
    // When it came, was proposed, and was seen to be committed; the epoch: not yet.
    MonotonicTime arrived;
    MonotonicTime proposed;
    MonotonicTime committed;
  };
  struct Forward {
    size_t bytes = 0;
    MonotonicTime deadline;
    NodeId leader;
    ProposeCallback done;
    TracePointer trace;
    MonotonicTime sent;
  };
  struct PendingRead {
    MonotonicTime deadline;
    ReadCallback done;
    // Waits for this to be applied; nothing: for a read index first.
    std::optional<Index> index = {};
    // Once that is applied here, so is what was committed at this moment.
    MonotonicTime as_of = MonotonicTime::min();
  };
  // Reads that share one read-index round.
  struct ReadBatch {
    std::vector<PendingRead> reads;  // Local ones,
    NodeId origin;                   // or one request of a peer.
    uint64_t origin_id = 0;
    MonotonicTime asked_at = MonotonicTime::min();  // Before the core was asked.
  };
  struct ApplyJob {
    std::vector<raft::Entry> entries;
    std::map<Index, Proposal> waiters;
    MonotonicTime handed_over;
  };
  // A change of membership whose new nodes are being asked, or whose entry is not applied yet.
  struct PendingChange {
    raft::MembershipChange change;
    MonotonicTime deadline;
    ReadCallback done;
    std::vector<raft::Membership::Address> to_reach = {};
    MonotonicTime reach_until = {};
    Term term = {};  // Of its entry, once proposed.
  };
  using Outbox = std::map<NodeId, std::vector<PeerMessage>>;

  // --- Lifecycle and the outer world (node.cc) ---
  void OnTick();
  void HandleMessages(NodeId from, std::vector<PeerMessage> messages);
  void StepMessage(NodeId from, raft::Message message);
  void HandleDisconnect(NodeId peer);
  void ConsiderTakeover(NodeId lost_leader);
  void FinishTransfers();
  void Campaign(ElectionReason reason);
  std::vector<PeerFigures> FiguresOfPeers() const;
  void PublishView();
  void PublishStatus();
  void Fatal(const sisyphus::Status& status);
  void FailEverything();
  bool leading() const { return core_->role() == raft::Role::kLeader; }
  void SendAll(Outbox outbox);

  // --- Outputs (pump.cc) ---
  void SchedulePump();
  void Pump();
  void SendMessages(std::vector<raft::Message> messages);
  void HoldCommitNotices(std::vector<raft::Message>* messages);
  void ReleaseCommitNotices();
  void NoteRounds(const std::vector<raft::Message>& messages);
  void NoteCommit();
  void NoteHandOver(Index index, MonotonicTime now, Proposal* waiter);
  void QueueWrite(raft::DiskWrite write);
  void WriteQueued();  // Log actor.
  void OnPersisted(const std::vector<uint64_t>& write_ids);
  void QueueDiskRead(raft::DiskRead read);
  void OnReadFailed(Index first, const sisyphus::Status& status);
  bool OnOwnDisk(Index index) const;
  void HandOverCommitted();
  void ApplyQueued();  // Apply actor.
  sisyphus::Status ApplyOne(ApplyJob job);
  void OnApplied(LogPosition last, size_t bytes);
  void OnRoleOrLeader();

  // --- Commands (proposals.cc) ---
  bool Admit(size_t bytes);
  void Release(size_t bytes);
  void DrainIntake();
  void RouteProposals();
  bool short_of_space() const { return free_bytes_ < options_.min_free_bytes; }
  void HandOverWithoutSpace();
  void ProposeBatch();
  void ForwardBatch(NodeId leader);
  void NoteDeadline(MonotonicTime deadline);
  void Answer(Proposal proposal, StatusOr<ProposalResult> result);
  std::optional<ProposalReply> Finish(Proposal proposal, const StageTimes& stages,
                                      MonotonicTime now, StatusOr<ProposalResult> result);
  void HandleForwarded(NodeId from, ForwardedProposal request);
  void HandleProposalReply(ProposalReply reply);
  void ExpireProposals(MonotonicTime now);
  void LoseForwards(NodeId leader);
  void LoseForward(Forward lost, const sisyphus::Status& why);

  // --- Reads (reads.cc) ---
  void RouteReads(std::vector<PendingRead> reads);
  void AskLeaderForIndex();
  void HandleReadIndexRequest(NodeId from, ReadIndexRequest request);
  void HandleReadIndexReply(ReadIndexReply reply);
  void ConfirmRead(const raft::ReadState& state);
  void RetryLostRead(uint64_t context);
  void TakeRead(PendingRead read);  // Any thread.
  void ReadableAt(std::vector<PendingRead> reads, Index index, MonotonicTime as_of);
  void CompleteAppliedReads();
  void ExpireReads(MonotonicTime now);
  void FinishReads(std::vector<PendingRead> reads, const sisyphus::Status& status);
  uint64_t StartRound(ReadBatch batch);
  void KeepFresh();
  void ReviewLease(raft::Round lease_round);
  void DropLease();

  // --- Membership (membership.cc) ---
  sisyphus::Status CheckChange(const raft::MembershipChange& change);
  void ConsiderProbed();
  void ProposeChange(PendingChange pending);
  void CompleteChanges();
  void ExpireChanges(MonotonicTime now);
  void FailChanges(const sisyphus::Status& never, const sisyphus::Status& unknown);
  void PromoteLearners();
  void NoteActive();
  std::vector<raft::PeerProgress> Progress() const;
  void UpdatePeers();

  // --- Snapshots (snapshots.cc) ---
  sisyphus::Status OpenSnapshots();
  void OfferSnapshot(raft::Message request);  // Raft actor.
  void SnapshotTask(absl::AnyInvocable<sisyphus::Status()> task);
  void HandleSnapshotMessage(NodeId from, PeerMessage message);
  void StepReceived(raft::Message request);
  void ForgetReplaced();
  void InstallSnapshot();  // Apply actor.
  void OnInstalled(const raft::SnapshotMeta& meta);
  void ConsiderCompaction();
  void CheckFreeSpace();  // Log reader.
  void CompactLog(Index point);

  // --- Agreement on content (content.cc) ---
  sisyphus::Status OpenContent();
  void TickContent();
  void HandleContentReport(NodeId from, const ContentReport& report);
  void HandleReseedRequest(NodeId from, const ReseedRequest& request);
  void Distrust(const ContentFinding& finding);
  void StopTrusting(std::string reason);
  void GoOnReseeding();
  void GiveLeadershipAway();
  void TrustInstalled(Index index);
  void AddContentStatus(NodeStatus* status) const;

  NodeMeasures measures_;  // Each part has its writer.

  // Immutable.
  const NodeOptions options_;
  const Duration lease_duration_;

  // Guarded by intake_mu_: what other threads hand to the raft actor.
  Mutex intake_mu_;
  std::vector<Proposal> intake_proposals_ SIS_GUARDED_BY(intake_mu_);
  std::vector<PendingRead> intake_reads_ SIS_GUARDED_BY(intake_mu_);
  bool intake_scheduled_ SIS_GUARDED_BY(intake_mu_) = false;
  bool stopped_ SIS_GUARDED_BY(intake_mu_) = false;

  // Owned by the raft actor.
  std::unique_ptr<raft::Core> core_;
  bool pump_scheduled_ = false;
  std::map<NodeId, raft::Message> commit_notices_;  // Held back; only the newest of a peer counts.
  bool notices_changed_ = false;                    // Since ReleaseCommitNotices looked last.
  bool notices_timed_ = false;                      // It will look again.
  bool failed_ = false;
  std::deque<Proposal> open_batch_;  // Waiting for the log to finish its write.
  bool batch_delayed_ = false;  // Under pressure from the state machine: a timer will propose it;
  bool delay_served_ = false;   // it has, and the next batch goes without delay.
  std::map<Index, Proposal> waiters_;  // Proposed here, not yet handed over for applying.
  std::map<uint64_t, Forward> forwards_;
  uint64_t next_id_;  // Of forwards, read requests and read contexts.
  MonotonicTime earliest_proposal_deadline_ = MonotonicTime::max();
  std::map<uint64_t, ReadBatch> read_batches_;  // By context, waiting for the core.
  std::vector<PendingRead> follower_reads_;     // Waiting for a request to the leader to be free.
  std::optional<std::pair<uint64_t, ReadBatch>> asked_leader_;  // The request under way, by id.
  NodeId asked_whom_;
  MonotonicTime asked_at_;
  std::multimap<Index, PendingRead>
      reads_to_apply_;  // Confirmed; the state machine is not there yet.
  MonotonicTime earliest_read_deadline_ = MonotonicTime::max();
  std::deque<raft::Entry>
      committed_;  // Not yet handed to the apply actor: not on our own disk, or no room.
  size_t committed_bytes_ = 0;
  size_t applying_bytes_ = 0;  // With the apply actor.
  LogPosition applied_;
  raft::Role last_role_ = raft::Role::kFollower;
  NodeId last_leader_;
  std::deque<std::pair<raft::Round, MonotonicTime>>
      round_times_;  // When each round of heartbeats was sent.
  Term round_term_;
  raft::Round round_noted_ = raft::kNoRound;  // By round_trips_.
  Term no_lease_term_;  // Leadership was being handed over in it: no lease any more.
  std::vector<std::pair<MonotonicTime, ReadCallback>> transfers_;
  std::vector<PeerInfo> peers_;
  std::optional<PendingChange> probing_;          // Its new nodes are being asked.
  std::map<Index, PendingChange> changes_;        // Proposed here, not applied yet.
  std::map<NodeId, int> keeping_up_;              // Learners, and for how many ticks.
  std::map<NodeId, std::string> peer_addresses_;  // What SetPeers was told,
  std::string own_address_;                       // and of this node itself.
  std::map<NodeId, uint64_t> departing_;          // Removed; connected to until this tick.
  std::set<NodeId> reached_;                      // Accepted our connection.
  std::map<NodeId, uint64_t> last_active_;        // The tick when each peer was seen active last.
  Index membership_seen_;                         // By UpdatePeers.
  uint64_t tick_ = 0;
  ElectionReason election_reason_ = ElectionReason::kTimeout;  // Of the one that is under way.
  uint64_t leader_changes_ = 0;
  std::deque<LeaderChange> leader_history_;
  RoundTrips round_trips_;
  LagMeter lag_;
  // When the commit index was seen to reach where; only while somebody waits for an entry.
  std::deque<std::pair<Index, MonotonicTime>> commit_marks_;

  // Guarded by log_mu_: writes on their way to the log actor.
  Mutex log_mu_;
  std::vector<raft::DiskWrite> queued_writes_ SIS_GUARDED_BY(log_mu_);
  bool write_scheduled_ SIS_GUARDED_BY(log_mu_) = false;
  MonotonicTime write_queued_ SIS_GUARDED_BY(log_mu_);  // The oldest of them.
  // Owned by the raft actor: the writes with entries that are not on disk yet, by id, and the first
  // index of each.
  std::deque<std::pair<uint64_t, Index>> entry_writes_;

  // Owned by the raft actor.
  std::optional<raft::SnapshotMeta>
      installing_;                 // Accepted by the core; not yet what the state machine is.
  uint64_t installing_write_ = 0;  // The write that makes the log forget what it replaces.
  uint64_t snapshots_installed_ = 0;
  ContentCheck content_;
  int content_ticks_ = 0;
  std::string distrust_;  // Why the state machine's content is not trusted; empty: it is.
  Index reseed_from_;     // What replaces it must reach there.
  uint64_t reseeds_ = 0;
  size_t heir_attempts_ = 0;
  std::map<NodeId, Index> snapshot_at_least_;  // Who asked for a snapshot, and from where on.
  bool compacting_ = false;
  Index compaction_checked_;  // The durable index at the last look.
  int housekeeping_ticks_ = 0;

  // Owned by the log actor.
  std::unique_ptr<RaftLog> log_;

  // Owned by the snapshot actor.
  std::unique_ptr<SnapshotSender> sender_;
  std::unique_ptr<SnapshotReceiver> receiver_;

  // Owned by the apply actor.
  std::deque<ApplyJob> apply_jobs_;
  bool apply_failed_ = false;

  // Read by any thread, written by the raft actor.
  std::atomic<uint64_t> view_term_{0};
  std::atomic<uint64_t> view_leader_{0};
  std::atomic<uint64_t> view_commit_{0};
  std::atomic<uint64_t> view_applied_{0};
  std::atomic<raft::Role> view_role_{raft::Role::kFollower};
  std::atomic<bool> distrusted_{false};
  std::atomic<int64_t> lease_until_ns_{0};  // On the executor's clock; 0: none.
  // Written by readers, cleared by the raft actor: somebody asked for a lease since the last look.
  std::atomic<bool> lease_asked_{false};
  int lease_idle_ticks_ = 0;  // Owned by the raft actor.
  std::atomic<int64_t> fresh_as_of_ns_{MonotonicTime::min().time_since_epoch().count()};
  std::atomic<bool> fresh_asked_{false};  // Like lease_asked_.
  uint64_t fresh_until_tick_ = 0;         // Owned by the raft actor: it is wanted until then,
  bool refreshing_ = false;               // and a read of our own is under way for it.
  std::atomic<size_t> pending_proposals_{0};
  std::atomic<size_t> pending_proposal_bytes_{0};
  std::atomic<size_t> pending_reads_{0};
  std::atomic<uint64_t> log_syncs_{0};
  std::atomic<uint64_t> log_bytes_{0};
  uint64_t next_hand_over_tick_ = 0;  // Owned by the raft actor: for want of space,
  uint64_t hand_overs_ = 0;           // and the attempts so far.
  std::atomic<uint64_t> free_bytes_{0};

  mutable Mutex status_mu_;
  NodeStatus status_ SIS_GUARDED_BY(status_mu_);

  // Last: destroyed (and so stopped) before what they use.
  std::unique_ptr<Actor> raft_;
  std::unique_ptr<Actor> log_actor_;
  std::unique_ptr<Actor> log_reader_;
  std::unique_ptr<Actor> apply_;
  std::unique_ptr<Actor> snapshot_;
};

}  // namespace sisyphus::node

#endif  // SISYPHUS_NODE_NODE_IMPL_H_
