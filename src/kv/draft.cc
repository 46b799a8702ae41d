#include "kv/draft.h"

#include <iterator>
#include <memory>

#include "base/coding.h"
#include "base/planted.h"

namespace sisyphus::kv {

StatusOr<bool> Draft::Get(std::string_view key, ReadResult* found) {
  if (reads_back_) {
    const auto change = changes_.find(key);
    if (change != changes_.end()) {
      if (!change->second) return false;
      found->value = *change->second;
      found->sequence = index_.value();
      return true;
    }
  }
  ReadOptions read;
  if (SIS_PLANTED(kDecideByFlushed)) read.sequence = db_->flushed().sequence;
  return db_->Get(read, key, found);
}

void Draft::Put(std::string_view key, std::string_view value) {
  if (reads_back_) {
    changes_.insert_or_assign(std::string(key), std::string(value));
  } else {
    batch_->Put(key, value);
  }
}

Status Draft::Delete(std::string_view key) {
  if (!reads_back_) {
    batch_->Delete(key);
    return OkStatus();
  }
  const auto change = changes_.find(key);
  if (change == changes_.end()) {
    changes_.emplace(key, std::nullopt);
    return OkStatus();
  }
  ReadResult found;
  SIS_ASSIGN_OR_RETURN(const bool in_tree, db_->Get({}, key, &found));
  if (in_tree) {
    change->second.reset();
  } else {
    changes_.erase(change);
  }
  return OkStatus();
}

void Draft::Finish() {
  for (const auto& [key, value] : changes_) {
    if (value) {
      batch_->Put(key, *value);
    } else {
      batch_->Delete(key);
    }
  }
  changes_.clear();
  if (changes_of_time_.log_time) {
    std::string time;
    PutVarint64(&time, *changes_of_time_.log_time);
    batch_->Put(kLogTimeKey, time);
  }
}

void Draft::Discard() {
  changes_.clear();
  batch_->Clear();
  changes_of_time_.leases.clear();
  changes_of_time_.sessions.clear();
}

Status Draft::Scan(std::string_view start, std::string_view end, bool reverse,
                   absl::FunctionRef<bool(const Entry&)> visit) {
  if (start >= end) return OkStatus();
  return reverse ? ScanBackward(start, end, visit) : ScanForward(start, end, visit);
}

// A visitor's writes go to the map while it is walked: at the key that the walk stands at, and a
// map's other iterators stay good.
Status Draft::ScanForward(std::string_view start, std::string_view end,
                          absl::FunctionRef<bool(const Entry&)> visit) {
  const std::unique_ptr<Iterator> tree = db_->NewIterator({});
  auto change = changes_.lower_bound(start);
  for (tree->Seek(start);;) {
    const bool in_tree = tree->Valid() && tree->key() < end;
    const bool in_changes = change != changes_.end() && change->first < end;
    if (!in_tree && !in_changes) return tree->status();
    if (!in_changes || (in_tree && tree->key() < change->first)) {
      if (!visit({tree->key(), tree->value(), tree->sequence()})) return OkStatus();
      tree->Next();
      continue;
    }
    if (in_tree && tree->key() == change->first) tree->Next();
    const auto here = change++;
    if (!here->second) continue;
    if (!visit({here->first, *here->second, index_.value()})) return OkStatus();
  }
}

Status Draft::ScanBackward(std::string_view start, std::string_view end,
                           absl::FunctionRef<bool(const Entry&)> visit) {
  const std::unique_ptr<Iterator> tree = db_->NewIterator({});
  auto change = changes_.lower_bound(end);  // Behind the next one.
  tree->SeekForPrev(end);
  if (tree->Valid() && tree->key() == end) tree->Prev();
  for (;;) {
    const bool in_tree = tree->Valid() && tree->key() >= start;
    const bool in_changes = change != changes_.begin() && std::prev(change)->first >= start;
    if (!in_tree && !in_changes) return tree->status();
    if (!in_changes || (in_tree && tree->key() > std::prev(change)->first)) {
      if (!visit({tree->key(), tree->value(), tree->sequence()})) return OkStatus();
      tree->Prev();
      continue;
    }
    if (in_tree && tree->key() == std::prev(change)->first) tree->Prev();
    --change;
    if (!change->second) continue;
    if (!visit({change->first, *change->second, index_.value()})) return OkStatus();
  }
}

}  // namespace sisyphus::kv
