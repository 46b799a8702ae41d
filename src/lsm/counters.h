// What DbStats counts, written by many threads.
#ifndef SISYPHUS_LSM_COUNTERS_H_
#define SISYPHUS_LSM_COUNTERS_H_

#include <atomic>
#include <cstdint>

namespace sisyphus::lsm {

struct Counters {
  std::atomic<uint64_t> flushes{0};
  std::atomic<uint64_t> flushed_bytes{0};
  std::atomic<uint64_t> compactions{0};
  std::atomic<uint64_t> compaction_read_bytes{0};
  std::atomic<uint64_t> compaction_written_bytes{0};
  std::atomic<uint64_t> bloom_checks{0};
  std::atomic<uint64_t> bloom_skips{0};
  std::atomic<uint64_t> bloom_false_positives{0};
  std::atomic<uint64_t> stalls{0};
  std::atomic<uint64_t> gets{0};
  std::atomic<uint64_t> written_bytes{0};

  static void Add(std::atomic<uint64_t>& counter, uint64_t n = 1) {
    counter.fetch_add(n, std::memory_order_relaxed);
  }
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_COUNTERS_H_
