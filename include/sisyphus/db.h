// DB: an ordered, versioned key-value store on a log-structured merge tree.
//
// What it guarantees
//   - A write is one atomic batch at one Position; sequence numbers only grow. Reads at a sequence
//   number see exactly the writes at
//     or below it.
//   - After a crash the store holds exactly the writes up to flushed(): the caller, which owns the
//   log, writes the rest again. A write
//     at or below flushed().sequence is refused, so a replay may start early without applying
//     twice.
//   - Old versions stay readable down to the history floor and down to every pinned snapshot;
//   compaction drops the rest. Deleted keys
//     do not come back.
// Threads: Write from one thread at a time; everything else from any thread, concurrently with it.
// Readers take no lock that a writer holds while it works. Errors: kDataLoss names the file and the
// offset of the damage. After a failed write or sync of a file the DB refuses writes (status
// kInternal): end the process and start again. What it does not do: a log of its own, transactions
// across batches, more than one process on a directory (the caller locks).
#ifndef SISYPHUS_DB_H_
#define SISYPHUS_DB_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sisyphus/iterator.h"
#include "sisyphus/options.h"
#include "sisyphus/write_batch.h"

namespace sisyphus {

inline constexpr int kLevels = 7;

// A pinned sequence number: while it lives, what was visible at sequence() stays readable.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual uint64_t sequence() const = 0;
};

// A version that was found.
struct ReadResult {
  std::string value;
  uint64_t sequence = 0;
};

// Figures for metrics and admission. Counters since the DB was opened.
struct DbStats {
  struct Level {
    uint64_t files = 0;
    uint64_t bytes = 0;
  };
  std::array<Level, kLevels> levels;
  uint64_t memtable_bytes = 0;  // All memtables, flushed ones excluded.
  uint64_t immutable_memtables = 0;
  uint64_t compaction_debt_bytes = 0;  // Work that compaction is behind.
  uint64_t flushes = 0;
  uint64_t flushed_bytes = 0;
  uint64_t compactions = 0;
  uint64_t compaction_read_bytes = 0;
  uint64_t compaction_written_bytes = 0;
  uint64_t cache_hits = 0;
  uint64_t cache_misses = 0;
  uint64_t cache_bytes = 0;
  uint64_t bloom_checks = 0;           // Tables asked for a single key.
  uint64_t bloom_skips = 0;            // Reads that the filter saved.
  uint64_t bloom_false_positives = 0;  // It did not save, though the table had no such key.
  uint64_t stalls = 0;                 // Times WriteStalled() became true.
  uint64_t gets = 0;                   // Reads of a single key.
  uint64_t written_bytes = 0;          // Of keys and values, given to Write.
};

class DB {
 public:
  // Opens the store in directory `path`, creating it if it is not there (its parent must be).
  // Deletes files that no manifest names.
  static absl::StatusOr<std::unique_ptr<DB>> Open(const Options& options, const std::string& path);

  // Stops background work; what is in memtables only is forgotten (the caller's log has it).
  virtual ~DB() = default;

  // Applies `batch` at `position`; an empty batch only moves the position. In memory when it
  // returns: durable once flushed() reaches it. Never blocks on a flush: ask WriteStalled() first,
  // and wait for EventListener::OnWritable when it says so. kInvalidArgument: position.sequence is
  // not above the last one.
  virtual absl::Status Write(const WriteBatch& batch, const Position& position) = 0;
  virtual bool WriteStalled() const = 0;

  // Answers whether `key` has a value; fills `result` if so.
  virtual absl::StatusOr<bool> Get(const ReadOptions& options, std::string_view key,
                                   ReadResult* result) = 0;

  virtual std::unique_ptr<Iterator> NewIterator(const ReadOptions& options) = 0;

  // Pins the last written sequence number.
  virtual std::unique_ptr<Snapshot> NewSnapshot() = 0;

  // Compaction may drop a version once a newer one of its key is at or below `sequence`. Starts at
  // kMaxSequence (no history is kept beside snapshots); may be set lower only before the first
  // write after Open; afterwards it only grows.
  virtual void SetHistoryFloor(uint64_t sequence) = 0;

  virtual Position last_written() const = 0;
  virtual Position flushed() const = 0;

  // Flushes what has been written so far and waits for it. Not for actors (it blocks): for tests,
  // tools and shutdown.
  virtual absl::Status Flush() = 0;

  // Flushes in the background; OnFlushed tells when it is done.
  virtual void ScheduleFlush() = 0;

  // Compacts everything into the last level and waits. Like Flush, not for actors.
  virtual absl::Status CompactAll() = 0;

  // Makes directory `path` (which must not exist) a store of its own that holds everything up to
  // flushed(): hard links to the tables and a manifest, all synced. Reads every table: kDataLoss if
  // one is damaged.
  virtual absl::StatusOr<Position> Checkpoint(const std::string& path) = 0;

  // Ends background work and waits for what is under way; no listener is called any more. Reads go
  // on, writes stay in memory.
  virtual void StopBackgroundWork() = 0;

  virtual DbStats stats() const = 0;
};

}  // namespace sisyphus

#endif  // SISYPHUS_DB_H_
