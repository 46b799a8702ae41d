// The sequence numbers that snapshots pin, and the history floor: what compaction must keep.
//
// Any thread.
#ifndef SISYPHUS_LSM_SNAPSHOT_LIST_H_
#define SISYPHUS_LSM_SNAPSHOT_LIST_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "base/mutex.h"
#include "sisyphus/db.h"

namespace sisyphus::lsm {

class SnapshotList {
 public:
  // Pins what `last_sequence` holds at the time of the call. The list must outlive the snapshot.
  std::unique_ptr<Snapshot> Pin(const std::atomic<uint64_t>& last_sequence);

  void SetFloor(uint64_t sequence);

  // The sequence numbers at which versions must stay readable, ascending; the last one is the
  // floor. Versions above it must all be kept. A snapshot pinned later reads at or above every
  // sequence number that was written before this call.
  std::vector<uint64_t> ReadPoints() const;

 private:
  class PinnedSequence;

  mutable Mutex mu_;
  std::multiset<uint64_t> pinned_ SIS_GUARDED_BY(mu_);
  uint64_t floor_ SIS_GUARDED_BY(mu_) = kMaxSequence;
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_SNAPSHOT_LIST_H_
