// LatencyScale: a logarithmic axis for latencies, for pictures on paper and on a terminal.
#ifndef SISYPHUS_TOOLS_SICLI_LOAD_LATENCY_SCALE_H_
#define SISYPHUS_TOOLS_SICLI_LOAD_LATENCY_SCALE_H_

#include <string>
#include <vector>

#include "base/clock.h"
#include "tools/sicli/load/load_generator.h"

namespace sisyphus::sicli {

class LatencyScale {
 public:
  // Holds all latencies of `slots`: from the largest 1, 2 or 5 times a power of ten that is below
  // all medians to the smallest that is above all.
  explicit LatencyScale(const std::vector<LoadSlot>& slots);

  // 0 at the bottom, 1 at the top; never outside.
  double At(Duration latency) const;
  // 1, 2 and 5 times the powers of ten that lie on the axis, ascending; both ends among them.
  const std::vector<Duration>& ticks() const { return ticks_; }

 private:
  std::vector<Duration> ticks_;
};

// "5 ms": a tick, exactly.
std::string TickName(Duration tick);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_LOAD_LATENCY_SCALE_H_
