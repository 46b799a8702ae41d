#include "tools/sicli/load/latency_scale.h"

#include <algorithm>
#include <cmath>

namespace sisyphus::sicli {

LatencyScale::LatencyScale(const std::vector<LoadSlot>& slots) {
  Duration low = Duration::max();
  Duration high{};
  for (const LoadSlot& slot : slots) {
    if (slot.latency.count() == 0) continue;
    low = std::min(low, slot.latency.Quantile(0.5));
    high = std::max(high, slot.latency.max());
  }
  if (high == Duration::zero()) low = high = std::chrono::milliseconds(1);
  std::vector<Duration> all;
  for (Duration power = std::chrono::microseconds(1); power <= std::chrono::hours(24);
       power *= 10) {
    for (const int digit : {1, 2, 5}) all.push_back(power * digit);
  }
  auto first = std::upper_bound(all.begin(), all.end(), low);
  if (first != all.begin()) --first;
  auto last = std::lower_bound(first, all.end(), high);
  if (last == all.end()) --last;
  if (last == first) ++last;
  ticks_.assign(first, last + 1);
}

double LatencyScale::At(Duration latency) const {
  const auto low = static_cast<double>(ticks_.front().count());
  const auto high = static_cast<double>(ticks_.back().count());
  const auto value = std::max(static_cast<double>(latency.count()), 1.0);
  return std::clamp(std::log(value / low) / std::log(high / low), 0.0, 1.0);
}

std::string TickName(Duration tick) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(tick).count();
  if (us < 1000) return std::to_string(us) + " us";
  if (us < 1'000'000) return std::to_string(us / 1000) + " ms";
  return std::to_string(us / 1'000'000) + " s";
}

}  // namespace sisyphus::sicli
