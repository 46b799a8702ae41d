// LatencyHistogram: how long many things took, in constant memory.
//
// Buckets are log-linear, as HdrHistogram lays them out (Debian 12 does not have that library in
// C): every microsecond below 256 us has a bucket of its own, and every power of two above is cut
// into 128. So a quantile is at most 1/128 above the true value, and never below it. From 0 to 19
// hours; what took longer counts as that.
//
// Not thread-safe.
#ifndef SISYPHUS_TOOLS_SICLI_LOAD_LATENCY_HISTOGRAM_H_
#define SISYPHUS_TOOLS_SICLI_LOAD_LATENCY_HISTOGRAM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"

namespace sisyphus::sicli {

class LatencyHistogram {
 public:
  LatencyHistogram();

  void Record(Duration latency);
  void Add(const LatencyHistogram& other);
  void Clear();

  uint64_t count() const { return count_; }
  // Exact. Zero while nothing was recorded.
  Duration max() const { return max_; }
  Duration mean() const;
  Duration deviation() const;  // The standard one.
  // The smallest recorded latency (rounded up to its bucket's end, but not above the largest) that
  // at least `q` of all do not exceed. Requires: 0 <= q <= 1.
  Duration Quantile(double q) const;

 private:
  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  Duration max_{};
  double sum_seconds_ = 0;
  double sum_squares_ = 0;
};

// "740 us", "3.42 ms", "12.0 s": three digits.
std::string ShowDuration(Duration duration);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_LOAD_LATENCY_HISTOGRAM_H_
