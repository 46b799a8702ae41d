// Node: one replica, the machine around the Raft core.
//
// It feeds the core with messages, ticks and proposals, and does what the core's outputs say: the
// log actor writes and syncs, the transport sends, the apply actor feeds the state machine; then
// the waiters of a batch are answered. Every hop hands over a batch.
//
// Guarantees
//   - A proposal is answered OK only after its entry is durable on a majority and applied here (or
//   at the leader, if forwarded).
//   - A proposal is never made twice: a lost answer is kDeadlineExceeded ("outcome unknown").
//   - Waiters are matched by (term, index): an entry that another leader put at the same index
//   answers kAborted, never OK.
// Threads: Propose, the reads, View and Status from any thread; they never block.
// Callbacks run on the node's actors and must return quickly. An I/O error of the log or the state
// machine calls NodeOptions::on_fatal and the node does nothing more.
#ifndef SISYPHUS_NODE_NODE_H_
#define SISYPHUS_NODE_NODE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/file_system.h"
#include "base/status.h"
#include "base/types.h"
#include "node/content_check.h"
#include "node/node_measures.h"
#include "node/operation.h"
#include "node/state_machine.h"
#include "node/transport.h"
#include "raft/core.h"
#include "raft/membership.h"
#include "raft/types.h"

namespace sisyphus::node {

// A glance, consistent enough for headers and probes.
struct NodeView {
  Term term;
  NodeId leader;
  raft::Role role = raft::Role::kFollower;
  Index commit;
  Index applied;
};

// A write that another node forwarded to this one, and that took long here.
struct SlowForward {
  NodeId origin;
  TraceParent parent;
  StageTimes stages;
  StatusCode code = StatusCode::kOk;
  size_t command_bytes = 0;
};

struct NodeOptions {
  NodeId id;
  std::string log_directory;
  // Who founds the cluster; used only when the log is empty. Empty: a blank replica that waits to
  // be added.
  raft::Membership initial_membership;
  // Whom a replica answers beside the members, until the log has told it that it is one of them.
  std::vector<raft::Membership::Address> contacts;
  uint64_t seed = 0;
  // Where a snapshot is received (snapshot_files.h) and where checkpoints for others stand. On the
  // state machine's file system.
  std::string incoming_directory;
  std::string snapshot_directory;
  std::string state_directory;  // The state machine's own, which an accepted snapshot replaces.
  // What RecoverIncoming answered before the state machine was opened.
  std::optional<raft::SnapshotMeta> installed_snapshot;

  Duration tick = std::chrono::milliseconds(25);
  uint32_t heartbeat_ticks = 2;
  uint32_t election_ticks = 16;
  uint64_t log_segment_bytes = 64 << 20;
  // Of the log behind the last flushed entry: kept for followers that lag a little, and at the most
  // for those that lag more.
  uint64_t log_keep_bytes = 128 << 20;
  uint64_t log_max_bytes = 1 << 30;
  // A leader with less free space than this on the log's disk takes no more proposals.
  uint64_t min_free_bytes = 0;
  uint64_t snapshot_bytes_per_second = 0;  // That this node asks a leader for; 0: no bound.
  size_t max_uncommitted_bytes = 64 << 20;
  size_t max_pending_proposals = 65'536;  // Waiting for an answer here; beyond, kResourceExhausted.
  size_t max_pending_reads = 65'536;      // Likewise.

  // Not owned; all must outlive the node.
  FileSystem* file_system = nullptr;
  Executor* executor = nullptr;
  Transport* transport = nullptr;
  StateMachine* state_machine = nullptr;

  // The node cannot go on (kDataLoss, a failed sync, a failed apply). Called once, on an actor; the
  // process should end.
  std::function<void(const sisyphus::Status&)> on_fatal;
  // The role or the known leader changed. On the raft actor; must return quickly. May be empty.
  std::function<void(const NodeView&)> on_change;
  // Replicas hold different content, or the same again. Likewise.
  std::function<void(const ContentFinding&)> on_content;
  // Forwarded writes that took at least this long at this leader; 0: none. On the raft or the apply
  // actor; must return quickly.
  Duration slow_threshold{};
  std::function<void(const SlowForward&)> on_slow;
};

struct ProposalResult {
  LogPosition position;
  std::string result;  // What StateMachine::Apply said.
};

// What comparing with the others has shown (content_check.h).
struct ContentStatus {
  uint64_t checks = 0;            // Hashes of other members compared with the own ones,
  uint64_t mismatches = 0;        // and found to differ.
  Index last_agreed;              // The newest index known where a majority holds the same.
  std::vector<NodeId> differing;  // Members whose newest hash compared differs from the own one.
  uint64_t reseeds = 0;           // Times that this node began to replace its content.
  std::string distrust;           // Why the content is being replaced now; empty: it is not.
};

// What a leader sees of one peer, beside its progress.
struct PeerFigures {
  NodeId id;
  DurationHistogram::Snapshot round_trips;  // Of heartbeats, since this process began.
  uint64_t lag_entries = 0;                 // Not acknowledged.
  LagMeter::Lag lag;
};

struct QueueDepth {
  std::string name;
  size_t depth = 0;
};

struct LeaderChange {
  NodeId leader;
  Term term;
  MonotonicTime at;  // When this node learned of it.
};
inline constexpr size_t kLeaderHistory = 32;

struct NodeStatus {
  raft::CoreStatus core;
  std::vector<raft::PeerProgress> progress;  // Leader only.
  std::vector<PeerFigures> peer_figures;     // Leader only.
  std::vector<PeerInfo> peers;  // Connected at some time, with what they said of themselves.
  uint64_t log_bytes = 0;
  uint64_t free_bytes = 0;  // Of the log's disk, seen within the last second.
  uint64_t log_syncs = 0;
  uint64_t proposals_pending = 0;
  uint64_t proposal_bytes_pending = 0;
  uint64_t reads_pending = 0;
  uint64_t snapshots_installed = 0;
  uint64_t leader_changes = 0;  // Seen here.
  std::vector<LeaderChange> leader_history;  // The last kLeaderHistory of them, the oldest first.
  ContentStatus content;
};

class Node final : public TransportHandler {
 public:
  // Recovers the log and starts the actors and the transport. kDataLoss names the damaged file and
  // offset.
  static StatusOr<std::unique_ptr<Node>> Start(NodeOptions options);
  ~Node() override;  // Stops first.

  using ProposeCallback = absl::AnyInvocable<void(StatusOr<ProposalResult>)>;
  using ReadCallback = absl::AnyInvocable<void(sisyphus::Status)>;

  // Proposes `command`, here or at the leader. Errors: kUnavailable (no leader is known, or it
  // stopped leading before it took the command) and kResourceExhausted (too much is waiting) and
  // kAborted (another entry took its place): certainly never applied. kDeadlineExceeded: may or may
  // not be applied.
  void Propose(std::string command, OperationContext context, ProposeCallback done);

  // Calls `done(OK)` once the local state machine may answer a linearizable read. kUnavailable: no
  // leader; kDeadlineExceeded: not in time.
  void ReadIndex(MonotonicTime deadline, ReadCallback done);

  // Calls `done(OK)` once the local state machine has applied `index`, whether or not there is such
  // an entry yet. kDeadlineExceeded: not in time; kResourceExhausted: too many reads are waiting.
  void WaitApplied(Index index, MonotonicTime deadline, ReadCallback done);

  // If this node leads and holds a lease at this moment: a local state that has applied the
  // index that is answered may answer any linearizable read that began before the call. Asking also
  // tells the node that leases are wanted. Nothing: go through ReadIndex.
  std::optional<Index> LeaseIndex();

  // A moment of Now(): what is read from the local state after this call shows everything that
  // anybody in the cluster was told before that moment. MonotonicTime::min() if nothing is known.
  // Each ReadIndex that ends well moves it on; asking makes the node move it on by itself for some
  // seconds, once a heartbeat interval.
  MonotonicTime FreshAsOf();
  MonotonicTime Now() const;  // Of the executor's clock.

  // False: what the state machine holds differs from what a majority holds, and is being replaced.
  // What was read from it before the call, then, must not be shown. Never true again before that.
  bool ContentTrusted() const;

  NodeView View() const;
  NodeStatus Status() const;
  const NodeMeasures& measures() const;
  Duration LeaseRemaining() const;         // 0: none is held.
  std::vector<QueueDepth> Queues() const;  // Tasks that wait for each actor.

  // Hands leadership over if this node has it; calls `done` when another leads (OK), or the attempt
  // has ended without.
  void TransferLeadership(NodeId to, ReadCallback done);

  // Proposes `change`, on the leader only, and calls `done(OK)` once it is committed and applied
  // here. A node that is new is asked first: it must accept a connection as the node and of the
  // cluster that it was said to be. Not checked: that it can reach the other members, and that its
  // directory is fresh. Learners that keep up are promoted without being asked.
  // kUnavailable: not the leader; nothing was changed.
  // kFailedPrecondition: another change is in progress, a new node did not answer, or too few
  // voters would be reachable; nothing was changed.
  // kInvalidArgument: an illegal change; an id that was removed once is never taken back.
  // kAborted: another leader's entry took its place. kDeadlineExceeded: it may still happen.
  void ChangeMembership(raft::MembershipChange change, MonotonicTime deadline, ReadCallback done);

  // Answers everything that waits with kUnavailable or kDeadlineExceeded, stops the transport and
  // the actors.
  void Stop();

  // TransportHandler.
  void OnMessages(NodeId from, std::vector<PeerMessage> messages) override;
  void OnPeerConnected(const PeerInfo& peer) override;
  void OnPeerDisconnected(NodeId peer) override;
  void OnSendFailed(NodeId peer) override;

 private:
  class Impl;
  explicit Node(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sisyphus::node

#endif  // SISYPHUS_NODE_NODE_H_
