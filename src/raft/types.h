// What the Raft core speaks: entries, membership, and the messages between cores.
//
// Plain values, no behaviour. How they travel is the transport's business, how they are stored the
// node's. "Thesis" is Diego Ongaro's "Consensus: Bridging Theory and Practice" (2014).
#ifndef SISYPHUS_RAFT_TYPES_H_
#define SISYPHUS_RAFT_TYPES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/types.h"

namespace sisyphus::raft {

// Immutable bytes shared by the log, the messages on their way, the disk write and the state
// machine. Never null.
using Payload = std::shared_ptr<const std::string>;

enum class EntryType : uint8_t {
  kNoop = 0,     // What a new leader appends in its own term (thesis 3.6.2). Empty payload.
  kCommand = 1,  // For the state machine.
  kMembership =
      2,  // The whole configuration that holds from this entry on, as EncodeMembership wrote it.
};

struct Entry {
  Index index;
  Term term;
  EntryType type = EntryType::kCommand;
  Payload payload;

  size_t size_bytes() const { return payload->size() + kOverheadBytes; }
  // What an entry costs beside its payload, in windows and on disk, roughly.
  static constexpr size_t kOverheadBytes = 32;
};

// A configuration of the cluster. Simple while `outgoing` is empty, joint otherwise (thesis 4.3).
// All vectors are sorted.
struct Membership {
  std::vector<NodeId> voters;         // The (incoming) majority is counted here,
  std::vector<NodeId> outgoing;       // and, while joint, here too.
  std::vector<NodeId> learners;       // Get the log, count nowhere.
  std::vector<NodeId> learners_next;  // Voters of the outgoing half that become learners when the
                                      // joint state is left.
  bool auto_leave = false;            // The leader leaves the joint configuration by itself.

  // Where to reach each member ("host:port" of its peer listener); opaque to the core, which keeps
  // it with the configuration so that a replica learns an address by the same log as the
  // membership. Sorted by id.
  struct Address {
    NodeId id;
    std::string peer;
    bool operator==(const Address&) const = default;
  };
  std::vector<Address> addresses;

  // Every id that was ever taken out and not put back: a replica that comes back under such an id
  // could have forgotten votes and entries that others count on.
  std::vector<NodeId> removed;

  bool joint() const { return !outgoing.empty(); }
  bool operator==(const Membership&) const = default;
};

// What must survive a crash beside the log itself (thesis figure 3.1). `commit` is a hint that
// saves work after a restart.
struct HardState {
  Term term;
  NodeId vote;
  Index commit;
  bool operator==(const HardState&) const = default;
};

// The state that the log below `last` has been replaced by.
struct SnapshotMeta {
  LogPosition last;
  Membership membership;
  bool operator==(const SnapshotMeta&) const = default;
};

// A round of heartbeats; grows by one with each round of a leader's term. See Core::ReadIndex.
using Round = uint64_t;
// Of a heartbeat that only tells the commit index and wants no answer.
inline constexpr Round kNoRound = 0;

// --- Messages. The envelope carries the sender's term; each struct says what is beside it. ---
//
// A receiver whose term is lower moves to the envelope's term, with these exceptions:
//   - a pre-vote request carries the term that the sender has now (it asks for the one after) and
//     moves nobody; a granted pre-vote is answered in the request's term, so that it can be matched
//     with it, a refused one in the sender's own, from which a stale candidate learns;
//   - a vote request moves nobody who is bound to a living leader.
// A receiver whose term is higher answers a request with its own term in the envelope, and
// otherwise ignores it.

struct VoteRequest {
  bool pre = false;              // A pre-vote (thesis 9.6): changes nothing at the receiver.
  bool leader_transfer = false;  // The leader itself asked for this election (thesis 3.10): leases
                                 // do not stand against it.
  LogPosition last;              // Of the candidate's log.
};
struct VoteReply {
  bool pre = false;
  bool granted = false;
};

struct AppendRequest {
  LogPosition previous;        // The entry before `entries`.
  std::vector<Entry> entries;  // Consecutive, may be empty (a probe).
  Index commit;
};
struct AppendReply {
  bool rejected = false;
  Index match;  // Accepted: the last entry known to equal the leader's, on the sender's disk.
                // Rejected: the request's previous.index.
  // Rejected only: the sender's best guess where the logs agree: its last entry with term <= the
  // request's previous.term.
  LogPosition hint;
};

struct HeartbeatRequest {
  Index commit;  // min(leader's commit, receiver's match).
  Round round = 0;
  bool lease = false;  // Asks for a promise not to vote for an election timeout (thesis 6.4.1).
};
struct HeartbeatReply {
  Round round = 0;
  bool lease = false;  // The promise is given.
};

// The receiver is behind the leader's log: a snapshot has to travel. The bytes move outside the
// core.
struct SnapshotRequest {
  SnapshotMeta meta;
};
struct SnapshotReply {
  Index match;  // The receiver's log now starts (or already reached) here.
};

// "Start an election now" (thesis 3.10).
struct TimeoutNow {};

using MessageBody =
    std::variant<VoteRequest, VoteReply, AppendRequest, AppendReply, HeartbeatRequest,
                 HeartbeatReply, SnapshotRequest, SnapshotReply, TimeoutNow>;

struct Message {
  NodeId from;
  NodeId to;
  Term term;
  MessageBody body;
};

}  // namespace sisyphus::raft

#endif  // SISYPHUS_RAFT_TYPES_H_
