// Settings of the engine. The defaults serve a server with a few GiB of memory.
#ifndef SISYPHUS_OPTIONS_H_
#define SISYPHUS_OPTIONS_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>

#include "absl/status/status.h"

namespace sisyphus {

class Executor;
class FileSystem;

// Where a write stands in the caller's log: its sequence number (an index that only grows) and the
// term that goes with it. The engine has no log of its own: it tells the caller up to which
// position its tables are durable, and the caller replays what lies behind. `digest` is the
// caller's own, of all that it wrote up to here: it is kept and given back with the position.
struct Position {
  uint64_t sequence = 0;
  uint64_t term = 0;
  uint64_t digest = 0;
  bool operator==(const Position&) const = default;
};

inline constexpr uint64_t kMaxSequence = (uint64_t{1} << 56) - 1;

// Called from the engine's background threads, without a lock held. Must return quickly.
class EventListener {
 public:
  virtual ~EventListener() = default;
  // Everything up to `position` is in synced tables, recorded in the synced manifest.
  virtual void OnFlushed(const Position& /*position*/) {}
  // DB::WriteStalled() has become false.
  virtual void OnWritable() {}
  // A flush or compaction failed; the engine takes no more writes. The process should end.
  virtual void OnBackgroundError(const absl::Status& /*status*/) {}
};

struct Options {
  // A full memtable is flushed to a table.
  size_t memtable_bytes = 64 << 20;
  // Full memtables that may wait for their flush; beyond, WriteStalled() is true.
  size_t max_immutable_memtables = 4;
  // Cache of uncompressed blocks.
  size_t block_cache_bytes = 256 << 20;
  size_t block_bytes = 4 << 10;
  // Table files kept open, each with its index and filter in memory.
  size_t max_open_tables = 512;
  // Keys between restart points in a block.
  int block_restart_interval = 16;
  // 10 bits a key answer a miss without a read in 99 of 100 cases.
  int bloom_bits_per_key = 10;
  // Blocks are LZ4-compressed when that saves at least an eighth.
  bool compress = true;
  // A manifest that has grown by this much, and to several times its first size, is written anew.
  uint64_t manifest_rewrite_bytes = 64 << 10;
  // Level 0 tables that start a compaction.
  size_t level0_compaction_trigger = 4;
  // Target size of level 1; every further level is `level_multiplier` times as large.
  uint64_t level1_bytes = 256 << 20;
  uint64_t level_multiplier = 10;
  // Compaction output is cut at this size.
  uint64_t table_bytes = 64 << 20;
  // Keys that begin with this byte are records of history, each written once: compaction drops them
  // when they are at or below the history floor. None: there are no such keys.
  std::optional<char> history_prefix;

  // Not owned; must outlive the DB. Null: the real file system, threads of the DB's own, nobody
  // listens.
  FileSystem* file_system = nullptr;
  Executor* executor = nullptr;
  EventListener* listener = nullptr;
};

struct ReadOptions {
  // Reads the newest version at or below this sequence number.
  uint64_t sequence = kMaxSequence;
  // Put the blocks that are read into the cache. Switch off for bulk scans.
  bool fill_cache = true;
};

}  // namespace sisyphus

#endif  // SISYPHUS_OPTIONS_H_
