#include "lsm/snapshot_list.h"

namespace sisyphus::lsm {

class SnapshotList::PinnedSequence final : public Snapshot {
 public:
  PinnedSequence(SnapshotList* list, uint64_t sequence) : list_(list), sequence_(sequence) {}
  ~PinnedSequence() override {
    MutexLock lock(list_->mu_);
    list_->pinned_.erase(list_->pinned_.find(sequence_));
  }
  uint64_t sequence() const override { return sequence_; }

 private:
  SnapshotList* const list_;
  const uint64_t sequence_;
};

std::unique_ptr<Snapshot> SnapshotList::Pin(const std::atomic<uint64_t>& last_sequence) {
  MutexLock lock(mu_);
  // Read under the lock: a compaction that did not see this pin took its read points earlier, and
  // so works on nothing newer than what is pinned here.
  const uint64_t sequence = last_sequence.load(std::memory_order_acquire);
  pinned_.insert(sequence);
  return std::make_unique<PinnedSequence>(this, sequence);
}

void SnapshotList::SetFloor(uint64_t sequence) {
  MutexLock lock(mu_);
  floor_ = sequence;
}

std::vector<uint64_t> SnapshotList::ReadPoints() const {
  MutexLock lock(mu_);
  std::vector<uint64_t> points;
  for (const uint64_t sequence : pinned_) {
    if (sequence >= floor_) break;
    if (points.empty() || points.back() != sequence) points.push_back(sequence);
  }
  points.push_back(floor_);
  return points;
}

}  // namespace sisyphus::lsm
