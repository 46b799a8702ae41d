// Core::Impl: the state behind the door, and which file handles which part of it.
//
//   core.cc            the door: hands over to Impl
//   core_impl.cc       construction, dispatch of messages, gathering of outputs
//   election.cc        ticks, votes, promises, roles (thesis 3.4, 3.6.1, 4.2.3, 6.4.1, 9.6)
//   replication.cc     proposals, appends, commit, what the disk and the state machine did
//                      (thesis 3.5, 3.6.2, 10.2.1)
//   reads.cc           heartbeats and the reads that they confirm (thesis 6.4)
//   membership_ops.cc  changes of membership, leadership transfer (thesis 3.10, 4)
//   snapshot.cc        snapshots and compaction (thesis 5)
#ifndef SISYPHUS_RAFT_CORE_IMPL_H_
#define SISYPHUS_RAFT_CORE_IMPL_H_

#include <deque>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "raft/core.h"
#include "raft/log_view.h"
#include "raft/progress.h"
#include "raft/quorum.h"

namespace sisyphus::raft {

class Core::Impl {
 public:
  Impl(const Config& config, Rng rng, RestoredState restored);

  // The door; contracts in core.h.
  void Step(Message message);
  void Tick();
  StatusOr<LogPosition> Propose(std::span<const Payload> payloads);
  StatusOr<LogPosition> ProposeMembership(const MembershipChange& change);
  Status ReadIndex(uint64_t context);
  void WantLease(bool wanted);
  Status TransferLeadership(NodeId to);
  void Campaign();
  void ForgetLeader();
  void PeerUnreachable(NodeId peer);
  void SnapshotSent(NodeId peer, bool delivered);
  void SendSnapshotTo(NodeId peer);
  void TrustState(bool trusted) { state_trusted_ = trusted; }
  void Persisted(uint64_t write_id);
  void Applied(Index index);
  void LogCompacted(Index index);
  bool HasOutput() const;
  Output TakeOutput(size_t apply_budget_bytes);
  CoreStatus status() const;
  std::vector<PeerProgress> progress() const;

  Role role() const { return role_; }
  Term term() const { return term_; }
  NodeId leader() const { return leader_; }
  Index commit() const { return commit_; }
  Index membership_index() const { return memberships_.back().index; }
  std::optional<Term> TermAt(Index index) const { return log_.TermAt(index); }
  Membership MembershipAt(Index index) const { return MembershipAtIndex(index).membership; }

 private:
  using DatedMembership = RestoredState::MembershipAt;

  // --- core_impl.cc ---

  // Queues a message of the current term. What promises the term goes out only once the term is on
  // disk.
  void Send(NodeId to, MessageBody body);
  // Queues a message that must not go out before everything up to now is on disk.
  void SendAfterWrite(NodeId to, MessageBody body);
  bool WellFormed(const Message& message) const;
  // Brings this replica to the message's term where that is due. False: the message is done with.
  bool MeetTerm(const Message& message);
  void AnswerStaleTerm(const Message& message);
  void Dispatch(Message& message);
  // For a message that only the leader of the current term sends.
  void HeardFromLeader(NodeId from);
  void TakeWrite(Output* output);
  void TakeCommitted(Output* output, size_t budget_bytes);
  bool HasWrite() const;

  // --- election.cc ---

  void TickLeader();
  void BecomeFollower(Term term, NodeId leader);
  void BecomeLeader();
  void StopLeading();
  void StartElection(bool pre, bool transfer);
  void RecordVote(NodeId from, bool granted);
  void HandleVoteRequest(NodeId from, Term term, const VoteRequest& request);
  void HandleVoteReply(NodeId from, Term term, const VoteReply& reply);
  void HandleTimeoutNow();
  void ResetElectionTimer();
  // A promise is out, or a leader was heard of within an election timeout: no votes.
  bool BoundToLeader() const;
  bool Promised() const;
  void GivePromise();
  bool Promotable() const;
  bool OnlyVoter() const;
  bool QuorumActive() const;

  // --- replication.cc ---

  LogPosition AppendOwn(EntryType type, Payload payload);
  void HandleAppendRequest(NodeId from, AppendRequest& request);
  void HandleAppendReply(Progress& peer, const AppendReply& reply);
  void HandleRejection(Progress& peer, const AppendReply& reply);
  void TruncateFrom(Index index);
  void CommitTo(Index index);
  void MaybeCommit();
  bool CommittedInOwnTerm() const { return log_.TermAt(commit_) == term_; }
  void SendAppends();
  void SendAppendsTo(Progress& peer);
  // Sends one append (or has it read from the disk). False: there was nothing to send.
  bool SendOneAppend(Progress& peer);
  void SendCommit(Progress& peer);
  std::vector<Entry> EntriesFrom(Index first, size_t* bytes) const;
  void EvictPayloads();
  Index AcknowledgedBy(NodeId id) const;

  // --- reads.cc ---

  void BeginRound();
  void AssignReads();
  bool ReadRoundDue() const;
  void UpdateRounds();
  void LoseReads();
  void HandleHeartbeatRequest(NodeId from, const HeartbeatRequest& request);
  void HandleHeartbeatReply(Progress& peer, const HeartbeatReply& reply);
  uint64_t QuorumRound(Round own, Round Progress::*round) const;

  // --- membership_ops.cc ---

  const Membership& membership() const { return memberships_.back().membership; }
  const DatedMembership& MembershipAtIndex(Index index) const;
  // Makes progress_ hold every member beside this one, and while a change is not committed those
  // that it removes, so that they learn of it.
  void SyncProgress();
  void MembershipCommitted();
  void MaybeHandOver(const Progress& peer);
  void AbortTransfer();

  // --- snapshot.cc ---

  bool SendSnapshot(Progress& peer);
  void InstallState(const SnapshotMeta& meta);
  void HandleSnapshotRequest(NodeId from, const SnapshotRequest& request);
  void HandleSnapshotReply(Progress& peer, const SnapshotReply& reply);

  const Config config_;
  Rng rng_;

  // The replica.
  Term term_;
  NodeId vote_;
  LogView log_;
  std::vector<DatedMembership>
      memberships_;  // By index; the first holds at the base, the last now.
  Index commit_;
  Index applied_;
  bool state_trusted_ = true;
  Index handed_out_;  // The last entry that went out in `committed`, or that a snapshot stands for.

  // The disk.
  struct Write {
    uint64_t id = 0;
    Index last;  // What the write makes durable; lowered when a later append replaces part of it.
    std::optional<HardState> hard_state;
  };
  std::deque<Write> writes_;  // Handed out, not yet persisted.
  uint64_t last_write_id_ = 0;
  Index unwritten_;    // The first entry that no write has taken yet.
  Index persisted_;    // The last entry on the own disk.
  HardState written_;  // As last handed out.
  HardState durable_;  // As last persisted.
  std::optional<SnapshotMeta> snapshot_to_write_;
  bool keep_log_ = false;  // With snapshot_to_write_.

  // The role.
  Role role_ = Role::kFollower;
  NodeId leader_;
  uint32_t election_elapsed_ = 0;
  uint32_t election_timeout_ = 0;
  uint32_t promise_left_ = 0;  // Ticks.
  std::map<NodeId, bool> votes_;

  // A leader's.
  std::map<NodeId, Progress> progress_;
  uint32_t heartbeat_elapsed_ = 0;
  bool appends_due_ = false;
  // Peers are told the commit index by an append, ahead of their answers: there is no later.
  bool last_words_ = false;
  size_t uncommitted_bytes_ = 0;
  NodeId transferee_;
  uint32_t transfer_elapsed_ = 0;
  // A TimeoutNow may be on its way for the rest of the term: it would break any lease.
  bool handed_over_ = false;
  bool lease_wanted_ = false;
  bool lease_asked_ = false;  // In this term.
  Round round_ = 0;
  Round lease_asked_round_ = 0;
  Round confirmed_round_ = 0;
  Round lease_round_ = 0;
  std::vector<uint64_t> reads_waiting_;  // For the next round.
  struct ReadBatch {
    Round round = 0;
    Index index;
    std::vector<uint64_t> contexts;
  };
  std::deque<ReadBatch> reads_asked_;  // By round.

  // For the next output.
  std::vector<Message> messages_;
  std::vector<Message> messages_after_write_;
  std::vector<DiskRead> disk_reads_;
  std::optional<SnapshotMeta> snapshot_to_install_;
  std::vector<ReadState> reads_confirmed_;
  std::vector<uint64_t> reads_lost_;
  Round reported_round_ = 0;
  Round reported_lease_round_ = 0;
};

}  // namespace sisyphus::raft

#endif  // SISYPHUS_RAFT_CORE_IMPL_H_
