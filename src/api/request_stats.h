// RequestStats: what was asked, how it ended, how long it took. One writer thread each; read from
// any.
#ifndef SISYPHUS_API_REQUEST_STATS_H_
#define SISYPHUS_API_REQUEST_STATS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "api/http_types.h"
#include "base/clock.h"
#include "base/measures.h"

namespace sisyphus::api {

class RequestStats {
 public:
  // Upper bounds. The first ones are where an answer from memory lies.
  static constexpr std::array<double, 16> kBoundsSeconds = {
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
      0.05,   0.1,     0.25,   0.5,   1,      2.5,   5,    10};
  static constexpr std::array<int, 25> kStatuses = {200, 201, 204, 304, 307, 400, 404, 405, 408,
                                                    409, 410, 412, 413, 414, 415, 417, 429, 431,
                                                    500, 501, 503, 504, 505, 507, 0};

  explicit RequestStats(size_t endpoints) : endpoints_(endpoints) {}

  // By the one writer.
  void Record(size_t endpoint, Method method, int status, Duration took);

  // Likewise: a write was answered so long after the node's word; a read of the `kind`th
  // consistency waited so long for its state.
  void RecordRespond(Duration took) { respond_.Record(took); }
  void RecordReadWait(size_t kind, Duration wait) { read_waits_[kind].Record(wait); }
  void RecordSlow() { slow_.Add(); }
  DurationHistogram::Snapshot respond() const { return respond_.snapshot(); }
  DurationHistogram::Snapshot read_wait(size_t kind) const { return read_waits_[kind].snapshot(); }
  uint64_t slow() const { return slow_.value(); }

  uint64_t count(size_t endpoint, Method method, size_t status_index) const {
    return endpoints_[endpoint].requests[static_cast<size_t>(method)][status_index].load(
        std::memory_order_relaxed);
  }
  uint64_t bucket(size_t endpoint, size_t i) const {
    return endpoints_[endpoint].buckets[i].load(std::memory_order_relaxed);
  }
  double sum_seconds(size_t endpoint) const {
    return static_cast<double>(endpoints_[endpoint].sum_nanos.load(std::memory_order_relaxed)) /
           1e9;
  }

 private:
  using Number = std::atomic<uint64_t>;
  struct Endpoint {
    std::array<std::array<Number, kStatuses.size()>, kMethodCount> requests = {};
    std::array<Number, kBoundsSeconds.size() + 1> buckets = {};
    Number sum_nanos = 0;
  };
  DurationHistogram respond_;
  std::array<DurationHistogram, 3> read_waits_;
  Counter slow_;
  std::vector<Endpoint> endpoints_;
};

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_REQUEST_STATS_H_
