// Version: an immutable set of tables, level by level; and the tables' life times.
//
// Readers hold a version by shared_ptr and work on it without locks. A table file is deleted when
// it was removed from the manifest and the last version that holds it has died.
//
// Invariants
//   - Level 0: newest first. The sequence numbers of a table are all above those of every older
//   one.
//   - Levels below: ascending, and no user key is in two tables of one level.
//   - Of every user key, each version in a level is newer than all those in deeper levels.
#ifndef SISYPHUS_LSM_VERSION_H_
#define SISYPHUS_LSM_VERSION_H_

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "lsm/counters.h"
#include "lsm/table_cache.h"
#include "lsm/version_edit.h"
#include "sisyphus/db.h"

namespace sisyphus::lsm {

// The numbers of tables that nobody needs any more. Any thread.
class PurgeQueue {
 public:
  // `wake` is called, without a lock, when the queue stops being empty.
  explicit PurgeQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  void Add(uint64_t number);
  std::vector<uint64_t> Take();

 private:
  const std::function<void()> wake_;
  Mutex mu_;
  std::vector<uint64_t> numbers_ SIS_GUARDED_BY(mu_);
};

// A table that some version holds.
struct TableFile {
  TableFile(TableMeta m, PurgeQueue* queue) : meta(std::move(m)), purge(queue) {}
  ~TableFile() {
    if (removed.load(std::memory_order_acquire)) purge->Add(meta.number());
  }
  TableFile(const TableFile&) = delete;
  TableFile& operator=(const TableFile&) = delete;

  const TableMeta meta;
  PurgeQueue* const purge;
  std::atomic<bool> removed{false};  // The synced manifest no longer names it.
};
using TablePointer = std::shared_ptr<TableFile>;
using TableList = std::vector<TablePointer>;

uint64_t TotalBytes(const TableList& tables);

class Version {
 public:
  Version() = default;

  // This version changed by `edit`. kDataLoss, without a place, when the edit does not fit.
  StatusOr<std::shared_ptr<const Version>> Apply(const VersionEdit& edit, PurgeQueue* purge) const;

  // An edit that makes this version from nothing.
  VersionEdit Whole() const;

  const TableList& level(int i) const { return levels_[static_cast<size_t>(i)]; }
  const Position& flushed() const { return flushed_; }

  // The newest version of `key` at or below options.sequence, if that is a value.
  StatusOr<bool> Get(TableCache& tables, Counters& counters, const ReadOptions& options,
                     std::string_view key, ReadResult* result) const;

  // Iterators that together walk over all tables. This version must outlive them.
  void AddIterators(TableCache* tables, bool fill_cache,
                    std::vector<std::unique_ptr<InternalIterator>>* to) const;

  // Tables of `level` that may hold user keys in [smallest, largest]. Level 0 too.
  TableList Overlapping(int level, std::string_view smallest, std::string_view largest) const;

  // Whether a level deeper than `level` may hold a version of `user_key`.
  bool MayBeDeeper(int level, std::string_view user_key) const;

 private:
  TableList& MutableLevel(int i) { return levels_[static_cast<size_t>(i)]; }
  Status CheckOrder() const;

  std::array<TableList, kLevels> levels_;
  Position flushed_;
};

// Walks over tables that are ascending and apart, opening one at a time. `list` must outlive it.
std::unique_ptr<InternalIterator> NewLevelIterator(TableCache* tables,
                                                   std::span<const TablePointer> list,
                                                   bool fill_cache);

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_VERSION_H_
