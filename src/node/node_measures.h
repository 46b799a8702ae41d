// NodeMeasures: what a node counts and times while it works, by who writes it; and of its peers,
// RoundTrips and LagMeter.
#ifndef SISYPHUS_NODE_NODE_MEASURES_H_
#define SISYPHUS_NODE_NODE_MEASURES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/measures.h"
#include "base/types.h"
#include "raft/types.h"
#include "wal/log.h"

namespace sisyphus::node {

// Why a node began an election.
enum class ElectionReason : uint8_t {
  kTimeout,     // Nothing was heard of a leader for an election timeout.
  kLeaderLost,  // The stream from the leader's process broke.
  kTransfer,    // The leader asked it to.
  kAlone,       // It started as the only voter.
};
inline constexpr size_t kElectionReasons = 4;

struct NodeMeasures {
  // Raft actor. One measure a write of this node's or forwarded to it, on the leader (StageTimes).
  DurationHistogram queue;
  DurationHistogram replicate;
  DurationHistogram commit;
  DurationHistogram forward;     // Elsewhere: to the leader and back.
  DurationHistogram read_index;  // From asking for a read index to its confirmation.
  std::array<Counter, kElectionReasons> elections;
  Counter delayed_batches;  // Under pressure from the state machine.

  // Log actor.
  DurationHistogram append;  // From the write's coming to be in the file, unsynced; a batch each.
  wal::LogMeasures log;

  // Apply actor.
  DurationHistogram apply;  // An entry each, on every node.

  // Snapshot actor.
  Counter snapshot_sent_bytes;
  Counter snapshot_received_bytes;

  // Any thread: Counter::AddShared.
  Counter refused_writes;  // Too many, or too many bytes, are waiting here;
  Counter refused_reads;
  Counter refused_space;     // the disk is nearly full.
  Counter failed_proposals;  // Answered with an error, whichever.
};

// How long peers take to answer heartbeats. Raft actor of a leader.
class RoundTrips {
 public:
  // A round of heartbeats of `term` leaves.
  void Sent(Term term, raft::Round round, MonotonicTime now);
  void Answered(NodeId peer, Term term, raft::Round round, MonotonicTime now);
  std::map<NodeId, DurationHistogram::Snapshot> Snapshots() const;

 private:
  static constexpr size_t kKept = 256;  // Rounds.

  Term term_;
  std::deque<std::pair<raft::Round, MonotonicTime>> rounds_;  // Ascending.
  std::map<NodeId, DurationHistogram> peers_;
};

// How far behind a peer is, in bytes and in time: samples of where the log stood when. Recent ones
// are close together, old ones far apart, so that few reach back far. Raft actor of a leader.
class LagMeter {
 public:
  struct Lag {
    uint64_t bytes = 0;
    Duration time{};
  };

  // The log ends at `last` now; `bytes` were ever written to it.
  void Note(Index last, uint64_t bytes, MonotonicTime now);
  void Clear() { samples_.clear(); }
  // Of one that has everything up to `match`: the bytes behind it, estimated between two samples,
  // and how long ago the first entry that it lacks was in the log at the latest.
  Lag Of(Index match, MonotonicTime now) const;

 private:
  static constexpr size_t kMaxSamples = 512;
  static constexpr int kRelativeDistance = 16;  // Of two samples: this part of their age.
  struct Sample {
    Index last;
    uint64_t bytes = 0;
    MonotonicTime time;
  };
  std::vector<Sample> samples_;  // Ascending.
};

}  // namespace sisyphus::node

#endif  // SISYPHUS_NODE_NODE_MEASURES_H_
