// RaftLog: the replicated log and Raft's hard state on the disk, as records of a wal::Log.
//
// Records, by type (integers little-endian, fixed width; framing and checksum are wal's):
//
//   1 entry       index u64 | term u64 | type u8 | payload
//                 Replaces whatever stood at its index and behind.
//   2 hard state  term u64 | vote u64 | commit u64
//   3 base        index u64 | term u64 | keep u8 | membership (raft::EncodeMembership)
//                 The log begins after this position. keep = 0: all entries before this record are
//                 gone (a snapshot took their place); keep = 1: only those up to the position are.
//
// A segment begins with a base (keep = 1) and a hard state, so that the segments before it can go.
//
// Guarantees: when Write has answered OK, all of it is found by the next Open, in order. After an
// error nothing more is taken: the process must end.
//
// Threads: Write, Compact and Locate on the log actor; ReadEntries on any thread.
//
// Not here: which entries to write or keep (raft::Core), when to compact (Node).
#ifndef SISYPHUS_NODE_RAFT_LOG_H_
#define SISYPHUS_NODE_RAFT_LOG_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/status.h"
#include "base/types.h"
#include "raft/core.h"
#include "raft/types.h"
#include "wal/log.h"

namespace sisyphus::node {

class RaftLog {
 public:
  struct Options {
    std::string directory;
    uint64_t segment_bytes = 64 << 20;
    // What the state machine has already: entries behind it are kept in memory for the core.
    LogPosition applied;
    // Of a log that does not exist yet.
    raft::Membership initial_membership;
    // A snapshot that the state machine has become, while the log may not know of it yet.
    std::optional<raft::SnapshotMeta> installed;
    // As in wal::LogOptions.
    Clock* clock = nullptr;
    wal::LogMeasures* measures = nullptr;
  };

  // Recovers the log; `restored` becomes what raft::Core starts from.
  // kDataLoss: damage that is not a torn tail, or a log that ends before `applied`; names file and
  // offset.
  static StatusOr<std::unique_ptr<RaftLog>> Open(FileSystem& fs, const Options& options,
                                                 raft::RestoredState* restored);

  // Makes all of `writes` durable, in order, with one sync.
  Status Write(std::span<const raft::DiskWrite> writes);

  // Moves the base up to `base` and deletes the segments that hold nothing else. Requires:
  // base.last is in the log.
  Status Compact(const raft::SnapshotMeta& base);

  // The last index that a compaction should take in: it ends a segment, is not above `limit`, and
  // leaves about `keep_bytes` of log behind it. The present base when nothing is to be gained.
  Index CompactionPoint(Index limit, uint64_t keep_bytes) const;

  // Where the entries from `first` to `last` stand: at least one, no more than `max_bytes` in all
  // otherwise. kNotFound: the log no longer begins at or before `first`.
  StatusOr<std::vector<wal::RecordLocation>> Locate(Index first, Index last,
                                                    size_t max_bytes) const;

  StatusOr<std::vector<raft::Entry>> ReadEntries(
      std::span<const wal::RecordLocation> locations) const;

  uint64_t size_bytes() const { return log_->size_bytes(); }

 private:
  class Recovery;

  explicit RaftLog(const Options& options) : options_(options) {}

  Status AppendRecords(std::span<const wal::Record> records,
                       std::vector<wal::RecordLocation>* locations);
  std::vector<wal::Record> Preamble();
  // Whether the log that was recovered has an entry of that index and term.
  bool Holds(LogPosition position, const raft::RestoredState& restored) const;
  Status AdoptInstalled(raft::RestoredState* restored);
  void PutEntryLocation(Index index, const wal::RecordLocation& location);

  const Options options_;
  std::unique_ptr<wal::Log> log_;

  // Owned by the log actor.
  raft::HardState hard_state_;
  raft::SnapshotMeta base_;
  std::deque<wal::RecordLocation> locations_;  // Of entry base_.last.index + 1 and on.
  std::string preamble_base_;                  // Backs the views that Preamble answers.
  std::string preamble_hard_state_;
};

}  // namespace sisyphus::node

#endif  // SISYPHUS_NODE_RAFT_LOG_H_
