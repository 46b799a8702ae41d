// Raft as a pure function: one replica's protocol state, without thread, lock, clock, file, socket,
// log line or global.
//
// Doors in: Step (a message from a peer), Tick (time passed), Propose and friends (a client),
// Persisted / Applied (the machine around the core did what it was told). One door out: TakeOutput.
// The same inputs in the same order with the same seed give the same outputs. Not thread-safe:
// owned by one actor.
//
// The duties that come with an Output, and their order (thesis 3.8, 10.2.1):
//   1. `messages` may be sent at once, before anything is on disk (a leader replicates in parallel
//   with its own write).
//   2. `write` must reach the disk, in the order of the outputs. When it has: send
//   `write.messages`, then call Persisted(write.id).
//   3. `committed` is handed to the state machine in order; then call Applied(last index).
// A committed entry may be applied before it is on this replica's disk: a majority has it.
//
// Membership changes take effect when they are appended, not when they are committed (thesis 4.1);
// a truncated change reverts. Payloads of old entries leave memory (Config::max_log_memory_bytes);
// their terms never do until LogCompacted. A follower that needs an evicted entry is served by
// `disk_reads`.
#ifndef SISYPHUS_RAFT_CORE_H_
#define SISYPHUS_RAFT_CORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/rng.h"
#include "base/status.h"
#include "base/types.h"
#include "raft/membership.h"
#include "raft/types.h"

namespace sisyphus::raft {

enum class Role : uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

struct Config {
  NodeId id;
  uint32_t heartbeat_ticks = 1;
  uint32_t election_ticks = 10;  // The timeout is drawn from [election_ticks, 2 * election_ticks).
  bool pre_vote = true;
  bool check_quorum =
      true;  // A leader that hears no majority for an election timeout steps down (thesis 6.2).
  // After a restart: refuse votes for one election timeout, since a lease may have been promised
  // before it. Not for a single voter.
  bool promise_after_restart = true;
  size_t max_append_bytes = 1 << 20;  // Entries of one AppendRequest; a larger entry travels alone.
  size_t max_inflight_bytes = 16 << 20;     // Sent to one peer and not yet answered.
  size_t max_inflight_messages = 256;       // Likewise.
  size_t max_uncommitted_bytes = 64 << 20;  // A leader's proposals beyond are refused.
  size_t max_log_memory_bytes =
      64 << 20;  // Payloads of entries that are on disk and applied; beyond, the oldest go.
};

// What the disk held. A blank replica is the default value: no members, no log; it waits until a
// leader speaks to it.
struct RestoredState {
  HardState hard_state;
  // The log begins after `base` (0,0 or the last compacted entry), whose configuration is
  // `membership`.
  SnapshotMeta base;
  // Terms of the entries behind `base` whose payloads stay on disk: runs of (first index of a term,
  // term), ascending.
  std::vector<LogPosition> term_runs;
  // Configurations that entries below `entries` set, ascending by index, the newest of them at
  // least.
  struct MembershipAt {
    Index index;
    Membership membership;
  };
  std::vector<MembershipAt> memberships;
  // The rest of the log, consecutive, to its end. Must hold every entry after `applied`.
  std::vector<Entry> entries;
  Index applied;  // The state machine has these already.
};

// Everything that step 2 above writes. Empty parts are not written.
struct DiskWrite {
  uint64_t id = 0;  // For Persisted. Grows.
  std::optional<HardState>
      hard_state;  // term or vote changed, or commit with something else to write.
  std::optional<SnapshotMeta>
      snapshot;                   // The log is replaced by this before `entries` are appended.
  bool keep_log = false;          // It is not: it holds `snapshot`, only the state is replaced.
  std::vector<Entry> entries;     // An entry at index i replaces whatever stood at i and behind.
  std::vector<Message> messages;  // To be sent when all of it is durable.

  bool empty() const { return !hard_state && !snapshot && entries.empty() && messages.empty(); }
};

// "Read entries [first, first + ...) up to `max_bytes` from the disk log, put them into `request`
// and send it."
struct DiskRead {
  Message request;  // An AppendRequest with its `entries` empty.
  Index first;
  Index last;  // Inclusive bound; at least one entry, at most `max_bytes` beyond the first.
  size_t max_bytes = 0;
};

// A linearizable read may be answered from any state that has applied `index`.
struct ReadState {
  uint64_t context = 0;
  Index index;
};

struct Output {
  std::vector<Message> messages;
  DiskWrite write;
  std::vector<DiskRead> disk_reads;
  std::vector<Entry> committed;
  std::optional<SnapshotMeta> snapshot_to_install;  // Accepted from a leader: the state machine
                                                    // must become this before `committed`.
  std::vector<ReadState> reads;
  std::vector<uint64_t>
      lost_reads;  // Contexts that will never be confirmed (leadership ended). Ask again elsewhere.
  Round confirmed_round =
      0;  // The newest round that a majority has answered in this term; 0 when not leader.
  Round lease_round =
      0;  // The newest round in which a majority gave its promise; 0 when not leader.
};

// What the world may see. Cheap to copy.
struct CoreStatus {
  NodeId id;
  Role role = Role::kFollower;
  Term term;
  NodeId leader;  // kNoNode: none known.
  NodeId vote;
  Index commit;
  Index applied;
  Index last;         // Of the log, durable or not.
  Index persisted;    // Own disk.
  Index first;        // The oldest entry that the log still has; last + 1 when it has none.
  NodeId transferee;  // kNoNode: no leadership transfer under way.
  Membership membership;
  Index membership_index;  // The entry that set it.
  size_t uncommitted_bytes = 0;
  size_t log_memory_bytes = 0;  // Of entries kept in memory.
};

enum class ProgressState : uint8_t { kProbe, kReplicate, kSnapshot };

// A leader's view of one member.
struct PeerProgress {
  NodeId id;
  Index match;
  Index next;
  ProgressState state = ProgressState::kProbe;
  bool learner = false;
  bool active = false;  // Heard from within the last election timeout.
  bool paused = false;  // Nothing is sent until it answers.
  Index pending_snapshot;
  size_t inflight_bytes = 0;
  size_t inflight_messages = 0;
};

class Core {
 public:
  Core(const Config& config, Rng rng, RestoredState restored);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // --- Inputs ---

  // A message from a peer. Ill-formed ones (wrong receiver, entries with gaps) are ignored.
  void Step(Message message);

  void Tick();

  // Appends `payloads` in order, as commands of the current term, and answers the position of the
  // first; the rest follow without a gap. kUnavailable: not leader, or handing leadership over
  // (nothing was appended). kResourceExhausted: too much is uncommitted.
  StatusOr<LogPosition> Propose(std::span<const Payload> payloads);

  // kUnavailable: not leader. kFailedPrecondition: an earlier change is not committed yet.
  // kInvalidArgument: an illegal change.
  StatusOr<LogPosition> ProposeMembership(const MembershipChange& change);

  // Asks for a ReadState with `context` (unique among those outstanding). kUnavailable: not leader.
  // Reads asked for between two rounds share the next one; a round starts by itself as soon as
  // there are reads waiting and none of the core's rounds is under way for them (thesis 6.4).
  // Before an entry of the own term is committed, the read waits.
  Status ReadIndex(uint64_t context);

  // While wanted, heartbeats ask for promises and lease_round moves. A leader only.
  void WantLease(bool wanted);

  // kUnavailable: not leader. kInvalidArgument: not a voter. kNoNode picks the most up to date
  // voter. Ends with the transferee leading, or after an election timeout with nothing changed;
  // proposals are refused meanwhile.
  Status TransferLeadership(NodeId to);

  // Starts an election now, with a pre-vote if configured. Ignored when leader, not a voter (by the
  // newest configuration or, until that is committed, the one before), or bound by a promise.
  void Campaign();

  // The leader's process is gone (its stream broke): forget it in this term, so that pre-votes are
  // granted. Kept when a promise is out.
  void ForgetLeader();

  // Sending to `peer` failed: stop streaming, probe. Leader only.
  void PeerUnreachable(NodeId peer);

  // The snapshot that a SnapshotRequest asked for has been delivered (it is the peer's reply that
  // moves it on), or failed and is tried again.
  void SnapshotSent(NodeId peer, bool delivered);

  // Leader only: `peer` is to take a snapshot, even if the log has all that it lacks. Nothing while
  // one is on its way, or while the peer does not speak.
  void SendSnapshotTo(NodeId peer);

  // False: what the state machine holds is wrong, though the log is sound. Until it is trusted
  // again, this replica hands out no entries, proposes nothing, sends no snapshot, ignores
  // TimeoutNow, and runs for leader only after kLastResort election timeouts without one: when
  // nobody else's log is long enough, and only to hand over to one that it has brought up to date.
  // It votes and acknowledges as before, as far as max_log_memory_bytes reach. A snapshot that is
  // not behind what was handed out is taken in place of the state, and the log stays if it reaches
  // there. Not remembered across restarts.
  void TrustState(bool trusted);
  static constexpr uint32_t kLastResort = 4;

  // --- What the machine did ---

  void Persisted(uint64_t write_id);
  void Applied(Index index);

  // The state machine holds everything up to `index` durably and the log before it may be
  // forgotten. Requires: index <= applied. `index` becomes the new base.
  void LogCompacted(Index index);

  // --- Outputs ---

  bool HasOutput() const;

  // What has come up since the last call. `apply_budget_bytes` bounds `committed` (at least one
  // entry is given when it is not zero and there is one); the rest comes with later calls.
  Output TakeOutput(size_t apply_budget_bytes);

  CoreStatus status() const;
  Role role() const;
  Term term() const;
  NodeId leader() const;
  Index commit() const;
  Index membership_index() const;  // The entry that set the configuration that holds now.
  std::vector<PeerProgress> progress() const;  // Empty unless leader.

  // The term of the entry at `index`, when the log still knows it. For checkers and snapshots.
  std::optional<Term> TermAt(Index index) const;

  // The configuration that holds at `index`. Requires: the base <= index <= the last entry.
  Membership MembershipAt(Index index) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sisyphus::raft

#endif  // SISYPHUS_RAFT_CORE_H_
