#include "kv/range_reader.h"

#include "base/planted.h"
#include "kv/history.h"
#include "kv/machine.h"

namespace sisyphus::kv {

bool RangeReader::InRange() const {
  if (!at_->Valid() || !IsUserTreeKey(at_->key())) return false;
  const std::string_view key = UserKey(at_->key());
  return reverse_ ? key >= range_.start : !range_.EndsBefore(key);
}

Status RangeReader::Position() {
  tree_ = machine_->db();
  ReadOptions options;
  options.sequence = revision_.value();
  options.fill_cache = false;
  at_ = tree_->NewIterator(options);
  // After the iterator: what it sees was whole if the floor has not passed it until now.
  const Index floor = machine_->history_floor();
  if (revision_ < floor && !SIS_PLANTED(kPastBelowFloor)) return CompactedError(floor);
  pinned_at_ = machine_->clock().Now();
  pin_ = std::make_unique<PinnedReaders::Pin>(&machine_->readers(), pinned_at_);
  if (!reverse_) {
    at_->Seek(TreeKey(range_.start));
    return at_->status();
  }
  const std::string end = TreeEnd(range_.end);
  at_->SeekForPrev(end);
  if (at_->Valid() && at_->key() == end) at_->Prev();
  return at_->status();
}

Status RangeReader::Read(absl::FunctionRef<bool(const Entry&)> visit) {
  if (done_) return OkStatus();
  if (!range_.end.empty() && range_.start >= range_.end) {
    done_ = true;
    return OkStatus();
  }
  if (at_ == nullptr) SIS_RETURN_IF_ERROR(Position());
  bool more = true;
  while (more && InRange()) {
    more = visit({UserKey(at_->key()), at_->value(), Index(at_->sequence())});
    if (!more) {
      // What comes next begins behind this key.
      const std::string_view key = UserKey(at_->key());
      if (reverse_) {
        range_.end.assign(key);
      } else {
        range_.start.assign(key).push_back('\0');
      }
    }
    reverse_ ? at_->Prev() : at_->Next();
  }
  SIS_RETURN_IF_ERROR(at_->status());
  if (InRange()) return OkStatus();
  done_ = true;
  at_.reset();
  pin_.reset();
  tree_.reset();
  return OkStatus();
}

void RangeReader::ReleaseOlderThan(Duration age, MonotonicTime now) {
  if (at_ == nullptr || now - pinned_at_ < age) return;
  at_.reset();
  pin_.reset();
  tree_.reset();
}

}  // namespace sisyphus::kv
