#include "tools/sicli/load/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>

#include "base/check.h"

namespace sisyphus::sicli {
namespace {

constexpr int kFineBits = 8;     // Below 2^8 us: a bucket for each microsecond.
constexpr int kLargestBit = 36;  // 2^36 us are 19 hours.
constexpr uint64_t kFine = uint64_t{1} << kFineBits;
constexpr uint64_t kHalf = kFine / 2;
constexpr size_t kBuckets = kFine + (kLargestBit - kFineBits) * kHalf;

size_t BucketOf(uint64_t us) {
  if (us < kFine) return us;
  const int shift = std::bit_width(us) - kFineBits;
  if (shift > kLargestBit - kFineBits) return kBuckets - 1;
  // The upper half of the fine scale, once for each power of two.
  return kFine + static_cast<size_t>(shift - 1) * kHalf + ((us >> shift) - kHalf);
}

// The largest number of microseconds in the bucket.
uint64_t EndOf(size_t bucket) {
  if (bucket < kFine) return bucket;
  const size_t above = bucket - kFine;
  const auto shift = static_cast<int>(above / kHalf) + 1;
  return ((above % kHalf + kHalf + 1) << shift) - 1;
}

}  // namespace

LatencyHistogram::LatencyHistogram() : counts_(kBuckets) {}

void LatencyHistogram::Record(Duration latency) {
  latency = std::max(latency, Duration::zero());
  ++counts_[BucketOf(static_cast<uint64_t>(latency.count()) / 1000)];
  ++count_;
  max_ = std::max(max_, latency);
  const double seconds = std::chrono::duration<double>(latency).count();
  sum_seconds_ += seconds;
  sum_squares_ += seconds * seconds;
}

void LatencyHistogram::Add(const LatencyHistogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  sum_seconds_ += other.sum_seconds_;
  sum_squares_ += other.sum_squares_;
}

void LatencyHistogram::Clear() { *this = LatencyHistogram(); }

Duration LatencyHistogram::mean() const {
  if (count_ == 0) return Duration::zero();
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(sum_seconds_ / static_cast<double>(count_)));
}

Duration LatencyHistogram::deviation() const {
  if (count_ == 0) return Duration::zero();
  const auto n = static_cast<double>(count_);
  const double variance = sum_squares_ / n - (sum_seconds_ / n) * (sum_seconds_ / n);
  return std::chrono::duration_cast<Duration>(
      std::chrono::duration<double>(std::sqrt(std::max(variance, 0.0))));
}

Duration LatencyHistogram::Quantile(double q) const {
  SIS_CHECK(q >= 0 && q <= 1, "a quantile is between 0 and 1");
  if (count_ == 0) return Duration::zero();
  const auto rank = std::max<uint64_t>(
      1, static_cast<uint64_t>(std::ceil(q * static_cast<double>(count_) - 1e-6)));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen < rank) continue;
    if (i == kBuckets - 1) break;  // It has no end.
    // A microsecond counts to its end: what was recorded was rounded down.
    return std::min(max_, Duration(std::chrono::microseconds(EndOf(i) + 1)));
  }
  return max_;
}

std::string ShowDuration(Duration duration) {
  char text[32];
  const auto us = static_cast<double>(duration.count()) / 1000;
  const auto show = [&](double value, const char* unit) {
    const int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
    std::snprintf(text, sizeof(text), "%.*f %s", decimals, value, unit);
    return std::string(text);
  };
  if (us < 999.5) {
    std::snprintf(text, sizeof(text), "%.0f us", us);
    return text;
  }
  if (us < 999.5e3) return show(us / 1e3, "ms");
  return show(us / 1e6, "s");
}

}  // namespace sisyphus::sicli
