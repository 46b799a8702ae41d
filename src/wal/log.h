// Log: typed records in numbered, preallocated segments, made durable one batch at a time.
//
// Guarantees: a batch that AppendBatch answered OK for is found again by Open, in order. A batch
// that it had not yet answered for is found as a prefix of its records or not at all. Open cuts
// such a torn tail; any other damage it refuses with kDataLoss, naming file and offset: a bad
// record is a torn tail only if it lies in the last segment and no later batch is readable behind
// it.
//
// Files: DIR/<segment, 16 hex digits>.log. Bytes: see format.h.
//
// Threads: AppendBatch and DropSegmentsBefore from one thread (the log actor). Read from any
// thread, for records whose append has returned.
//
// Not here: what the records mean (node/raft_log.h), replication, caching.
#ifndef SISYPHUS_WAL_LOG_H_
#define SISYPHUS_WAL_LOG_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/measures.h"
#include "base/status.h"

namespace sisyphus::wal {

struct Record {
  uint8_t type = 0;  // Of the caller's choice, not 0.
  // The record's bytes are `head` then `body`: two views spare the caller a copy.
  std::string_view head;
  std::string_view body;
};

// Where a record stands.
struct RecordLocation {
  uint64_t segment = 0;
  uint64_t offset = 0;  // Of the record's header in the segment.
  uint32_t length = 0;  // Of the record's bytes.
  bool operator==(const RecordLocation&) const = default;
};

// What writing costs. Written by the log's writer, read by any thread.
struct LogMeasures {
  DurationHistogram write;  // A batch's bytes, into the file.
  DurationHistogram sync;   // One fdatasync each.
  Counter bytes;
  Duration last_sync{};  // Of the last batch. For the writer itself only.
};

struct LogOptions {
  // Preallocated; a batch that does not fit starts the next segment (a larger one makes it longer).
  uint64_t segment_bytes = 64 << 20;
  // Both, or neither: nothing is measured then. Not owned.
  Clock* clock = nullptr;
  LogMeasures* measures = nullptr;
};

class Log {
 public:
  // Called for every record, in order. The views live during the call only. An error stops Open,
  // which returns it.
  using Replay =
      std::function<Status(uint8_t type, std::string_view bytes, const RecordLocation& location)>;

  // Appended as the first batch of every segment that is begun, so that the segments before it can
  // be dropped: what the caller must still know then (its hard state, its base). The records' bytes
  // must live until the append that rolled returns.
  using Preamble = std::function<std::vector<Record>()>;

  // Opens the log in `directory` (made if missing; its parent must exist), replays it and gets
  // ready to append, in a fresh segment.
  static StatusOr<std::unique_ptr<Log>> Open(FileSystem& fs, const std::string& directory,
                                             const LogOptions& options, const Replay& replay,
                                             Preamble preamble);

  virtual ~Log() = default;

  // Writes `records` as one batch and syncs it. Answers the location of each. After an error the
  // log takes nothing more: the process must end.
  virtual StatusOr<std::vector<RecordLocation>> AppendBatch(std::span<const Record> records) = 0;

  // Reads a record's bytes back, checked.
  virtual Status Read(const RecordLocation& location, std::string* bytes) = 0;

  // Deletes every segment below `segment`. Requires: segment <= current_segment().
  virtual Status DropSegmentsBefore(uint64_t segment) = 0;

  virtual uint64_t current_segment() const = 0;
  virtual uint64_t first_segment() const = 0;
  virtual uint64_t size_bytes() const = 0;  // Of all segments, written parts.
};

}  // namespace sisyphus::wal

#endif  // SISYPHUS_WAL_LOG_H_
