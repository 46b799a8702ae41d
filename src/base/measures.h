// Counter and DurationHistogram: what hot paths keep of what they do, for /metrics.
//
// Both are plain numbers in relaxed atomics, of a fixed size: recording takes no lock, allocates
// nothing and reads no clock. `Add` and `Record` are for one writer at a time, as an actor is: a
// load and a store. `AddShared` is for any number of writers. Any thread may read; a reader sees
// each number whole, but not all of them of one moment.
#ifndef SISYPHUS_BASE_MEASURES_H_
#define SISYPHUS_BASE_MEASURES_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace sisyphus {

class Counter {
 public:
  void Add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void AddShared(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

class DurationHistogram {
 public:
  // Upper bounds, inclusive. The first is what a sync costs on a fast disk; the last bucket is
  // open.
  static constexpr std::array<int64_t, 18> kBoundsMicros = {
      25,     50,     100,     250,     500,     1'000,     2'500,     5'000,     10'000,
      25'000, 50'000, 100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};
  static constexpr size_t kBuckets = kBoundsMicros.size() + 1;

  struct Snapshot {
    std::array<uint64_t, kBuckets> counts = {};
    double sum_seconds = 0;

    uint64_t total() const;
    void Add(const Snapshot& other);
  };

  // `times` measures of the same length. A negative one counts as none.
  void Record(Duration took, uint64_t times = 1);
  Snapshot snapshot() const;

 private:
  std::array<Counter, kBuckets> counts_;
  Counter sum_nanos_;
};

}  // namespace sisyphus

#endif  // SISYPHUS_BASE_MEASURES_H_
