#include "lsm/retention.h"

#include <algorithm>

#include "base/planted.h"

namespace sisyphus::lsm {

bool Retention::Keep(const KeyView& key) {
  const uint64_t sequence = key.sequence();
  const bool newest = first_ || user_key_ != key.user_key;
  const uint64_t newer = newer_sequence_;
  first_ = false;
  if (newest) user_key_.assign(key.user_key);
  newer_sequence_ = sequence;

  if (sequence > read_points_.back() && !SIS_PLANTED(kDropAboveFloor)) return true;
  if (!newest) {
    const auto reader = std::lower_bound(read_points_.begin(), read_points_.end(), sequence);
    if (reader == read_points_.end() || *reader >= newer) return false;
  }
  if (history_prefix_ && key.user_key.starts_with(*history_prefix_) &&
      sequence <= read_points_.front()) {
    return false;
  }
  if (key.kind() == Kind::kDelete && sequence <= read_points_.front()) {
    return may_be_deeper_(key.user_key) && !SIS_PLANTED(kDropDeletionEarly);
  }
  return true;
}

}  // namespace sisyphus::lsm
