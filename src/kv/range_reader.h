// RangeReader: a walk over the keys of a range as they were at one revision, in steps.
//
// Constant memory, however large the range. Between two steps it may hold an iterator, which pins
// tables and memtables; the machine counts such readers, and a reader lets go of what it has pinned
// for longer than the maximum age, to find its place again with the next step if history still
// holds its revision. Threads: one at a time.
#ifndef SISYPHUS_KV_RANGE_READER_H_
#define SISYPHUS_KV_RANGE_READER_H_

#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/types.h"
#include "kv/interval_index.h"
#include "kv/value.h"
#include "sisyphus/db.h"

namespace sisyphus::kv {

class Machine;

// The readers that pin something now. Any thread.
class PinnedReaders {
 public:
  class Pin {
   public:
    Pin(PinnedReaders* readers, MonotonicTime now) : readers_(readers) {
      MutexLock lock(readers_->mu_);
      place_ = readers_->since_.insert(readers_->since_.end(), now);
    }
    ~Pin() {
      MutexLock lock(readers_->mu_);
      readers_->since_.erase(place_);
    }
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;

   private:
    PinnedReaders* const readers_;
    std::list<MonotonicTime>::iterator place_;
  };

  struct Stats {
    uint64_t readers = 0;
    Duration oldest{};
  };
  Stats stats(MonotonicTime now) const {
    MutexLock lock(mu_);
    if (since_.empty()) return {};
    return {since_.size(), now - since_.front()};
  }

 private:
  mutable Mutex mu_;
  std::list<MonotonicTime> since_ SIS_GUARDED_BY(mu_);  // Ascending.
};

class RangeReader {
 public:
  // `revision` is not above what is applied.
  RangeReader(Machine* machine, KeyRange range, Index revision, bool reverse)
      : machine_(machine), range_(std::move(range)), revision_(revision), reverse_(reverse) {}

  struct Entry {
    std::string_view key;         // Good until `visit` returns.
    std::string_view tree_value;  // Likewise; DecodeTreeValue takes it apart.
    Index mod_revision;
  };
  // Hands one entry after the other to `visit`, until that answers false or the range ends: then
  // done(). IsCompacted(): history no longer holds the revision.
  Status Read(absl::FunctionRef<bool(const Entry&)> visit);

  bool done() const { return done_; }
  Index revision() const { return revision_; }

  // What is still to come; of a reader that is done, nothing. For a cursor.
  const KeyRange& rest() const { return range_; }

  // Lets go of what has been pinned for at least `age`.
  void ReleaseOlderThan(Duration age, MonotonicTime now);

 private:
  Status Position();
  bool InRange() const;

  Machine* const machine_;
  KeyRange range_;  // Shrinks as the walk goes on.
  const Index revision_;
  const bool reverse_;
  bool done_ = false;

  std::shared_ptr<DB> tree_;
  std::unique_ptr<Iterator> at_;  // Stands at the next entry. Null: released.
  std::unique_ptr<PinnedReaders::Pin> pin_;
  MonotonicTime pinned_at_{};
};

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_RANGE_READER_H_
