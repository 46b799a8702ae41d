#include "api/request_stats.h"

#include <algorithm>

namespace sisyphus::api {
namespace {

// No other thread writes: a plain addition, without the bus lock of fetch_add.
void Add(std::atomic<uint64_t>* counter, uint64_t n) {
  counter->store(counter->load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

}  // namespace

void RequestStats::Record(size_t endpoint, Method method, int status, Duration took) {
  Endpoint& e = endpoints_[endpoint];
  const auto* const known = std::find(kStatuses.begin(), kStatuses.end() - 1, status);
  Add(&e.requests[static_cast<size_t>(method)][static_cast<size_t>(known - kStatuses.begin())], 1);
  const double seconds = static_cast<double>(took.count()) / 1e9;
  const auto* const bound = std::lower_bound(kBoundsSeconds.begin(), kBoundsSeconds.end(), seconds);
  Add(&e.buckets[static_cast<size_t>(bound - kBoundsSeconds.begin())], 1);
  Add(&e.sum_nanos, static_cast<uint64_t>(std::max<int64_t>(took.count(), 0)));
}

}  // namespace sisyphus::api
