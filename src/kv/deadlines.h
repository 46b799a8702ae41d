// Deadlines: the log's time, and what ends when it comes: leases and sessions.
//
// Log time is milliseconds that pass only while there is a leader and something waits for a
// deadline. It moves when an entry says so (log_time.h), and is compared with nothing else: clocks
// of different machines never meet. It stands in the tree under "t" (varint), and the deadlines
// stand in the records of leases (lease.h) and sessions (session.h). Here they stand in order,
// about 24 bytes a lease, so that the earliest is found at once; loaded from the tree when it
// opens. Threads: Load and Commit by the apply actor, the rest by any.
#ifndef SISYPHUS_KV_DEADLINES_H_
#define SISYPHUS_KV_DEADLINES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "base/mutex.h"
#include "base/status.h"
#include "sisyphus/db.h"

namespace sisyphus::kv {

inline constexpr std::string_view kLogTimeKey = "t";

// What one entry does to deadlines. 0: there is none before, or none after.
struct DeadlineChanges {
  template <typename Id>
  struct Move {
    Id id;
    uint64_t before = 0;
    uint64_t after = 0;
  };
  std::optional<uint64_t> log_time;
  std::vector<Move<uint64_t>> leases;
  std::vector<Move<std::string>> sessions;

  bool empty() const { return !log_time && leases.empty() && sessions.empty(); }
};

class Deadlines {
 public:
  // Becomes what `db` holds. kDataLoss: a record is malformed.
  Status Load(DB* db);

  // True if the earliest deadline is another one now.
  bool Commit(const DeadlineChanges& changes);

  uint64_t log_time() const;
  size_t leases() const;
  size_t sessions() const;
  // Of all; nothing if there is none.
  std::optional<uint64_t> Earliest() const;
  // Whose deadline is not after `now`, the earliest first, at most `limit`.
  std::vector<uint64_t> DueLeases(uint64_t now, size_t limit) const;
  std::vector<std::string> DueSessions(uint64_t now, size_t limit) const;

 private:
  std::optional<uint64_t> EarliestLocked() const SIS_REQUIRES(mu_);

  mutable Mutex mu_;
  uint64_t log_time_ SIS_GUARDED_BY(mu_) = 0;
  absl::btree_set<std::pair<uint64_t, uint64_t>> leases_ SIS_GUARDED_BY(mu_);
  std::set<std::pair<uint64_t, std::string>> sessions_ SIS_GUARDED_BY(mu_);
};

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_DEADLINES_H_
