// Memtable: the writes that are not in tables yet, in memory and in order.
//
// Add and set_last_position are for one thread (the DB's writer) and only before the memtable is
// frozen; everything else from any thread, concurrently with them. What a crash leaves: nothing,
// the caller's log has it.
#ifndef SISYPHUS_LSM_MEMTABLE_H_
#define SISYPHUS_LSM_MEMTABLE_H_

#include <atomic>
#include <memory>
#include <optional>

#include "lsm/arena.h"
#include "lsm/internal_iterator.h"
#include "lsm/skip_list.h"
#include "sisyphus/options.h"

namespace sisyphus::lsm {

class Memtable {
 public:
  struct Found {
    Kind kind;
    uint64_t sequence;
    std::string_view value;  // Lives as long as the memtable.
  };

  Memtable() : list_(&arena_) {}

  // Adds every operation of `batch` at `sequence`; of several on one key the last one counts.
  // Requires: no version at `sequence` is here yet.
  void Add(const WriteBatch& batch, uint64_t sequence);

  // The newest version of `user_key` at or below `sequence`. Does not allocate.
  std::optional<Found> Get(std::string_view user_key, uint64_t sequence) const;

  // Sees entries that are added while it walks. The memtable must outlive it.
  std::unique_ptr<InternalIterator> NewIterator() const;

  bool empty() const { return list_.First() == nullptr; }
  size_t bytes() const { return arena_.bytes_used(); }

  // The position of the last write, which may have been empty. Guarded by the DB.
  const Position& last_position() const { return last_position_; }
  void set_last_position(const Position& position) { last_position_ = position; }

 private:
  Arena arena_;
  SkipList list_;
  Position last_position_;
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_MEMTABLE_H_
