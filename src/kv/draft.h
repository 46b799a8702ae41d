// Draft: what one entry is about to write, as seen from within it.
//
// A draft that reads back sees its own changes at once (a transaction's later operations see its
// earlier ones) and hands the outcome, one operation a key, to the batch in the end. One that does
// not sees the tree as the entry found it, and costs nothing but the batch. Used by one thread, for
// one entry.
#ifndef SISYPHUS_KV_DRAFT_H_
#define SISYPHUS_KV_DRAFT_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "base/status.h"
#include "base/types.h"
#include "kv/deadlines.h"
#include "sisyphus/db.h"
#include "sisyphus/write_batch.h"

namespace sisyphus::kv {

// An entry grants at most one lease for each operation of a transaction.
inline constexpr uint64_t kLeasesAnEntry = 1'024;

class Draft {
 public:
  // None is owned. `index` is that of the entry: the sequence number of what it writes.
  Draft(DB* db, Index index, const Deadlines* deadlines, WriteBatch* batch)
      : db_(db), index_(index), deadlines_(deadlines), batch_(batch) {}

  // From now on reads see what was written before. Call it before the first write.
  void ReadBack() { reads_back_ = true; }
  bool reads_back() const { return reads_back_; }
  Index index() const { return index_; }

  // Keys are those of the tree. Answers whether `key` has a value.
  StatusOr<bool> Get(std::string_view key, ReadResult* found);
  void Put(std::string_view key, std::string_view value);
  // Requires: `key` has a value. What this draft created and deletes leaves no trace.
  Status Delete(std::string_view key);

  struct Entry {
    std::string_view key;
    std::string_view value;  // Good until the visitor writes.
    uint64_t sequence = 0;
  };
  // Visits the keys in [start, end), the last one first if `reverse`, until `visit` answers false.
  // Going forward, the visitor may write the key that it is at.
  Status Scan(std::string_view start, std::string_view end, bool reverse,
              absl::FunctionRef<bool(const Entry&)> visit);

  // The batch and the changes of deadlines are complete after this.
  void Finish();
  // Forgets every change but that of log time.
  void Discard();

  // Log time, in milliseconds, as this entry has it. It never goes back.
  uint64_t now() const { return changes_of_time_.log_time.value_or(deadlines_->log_time()); }
  void MoveTime(uint64_t to) {
    if (to > deadlines_->log_time()) changes_of_time_.log_time = to;
  }
  const Deadlines& deadlines() const { return *deadlines_; }
  DeadlineChanges& deadline_changes() { return changes_of_time_; }

  // Ids of leases: never given twice, and known without asking anybody.
  uint64_t NextLeaseId() { return index_.value() * kLeasesAnEntry + leases_granted_++; }
  uint64_t leases_granted() const { return leases_granted_; }

 private:
  using Changes = std::map<std::string, std::optional<std::string>, std::less<>>;

  Status ScanForward(std::string_view start, std::string_view end,
                     absl::FunctionRef<bool(const Entry&)> visit);
  Status ScanBackward(std::string_view start, std::string_view end,
                      absl::FunctionRef<bool(const Entry&)> visit);

  DB* const db_;
  const Index index_;
  const Deadlines* const deadlines_;
  WriteBatch* const batch_;
  bool reads_back_ = false;
  Changes changes_;  // When reading back: by key, nothing for a deletion.
  DeadlineChanges changes_of_time_;
  uint64_t leases_granted_ = 0;
};

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_DRAFT_H_
