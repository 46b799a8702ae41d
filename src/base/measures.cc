#include "base/measures.h"

#include <algorithm>

namespace sisyphus {

void DurationHistogram::Record(Duration took, uint64_t times) {
  const int64_t nanos = std::max<int64_t>(took.count(), 0);
  size_t bucket = 0;
  while (bucket < kBoundsMicros.size() && nanos > kBoundsMicros[bucket] * 1000) ++bucket;
  counts_[bucket].Add(times);
  sum_nanos_.Add(static_cast<uint64_t>(nanos) * times);
}

DurationHistogram::Snapshot DurationHistogram::snapshot() const {
  Snapshot snapshot;
  for (size_t i = 0; i < kBuckets; ++i) snapshot.counts[i] = counts_[i].value();
  snapshot.sum_seconds = static_cast<double>(sum_nanos_.value()) / 1e9;
  return snapshot;
}

uint64_t DurationHistogram::Snapshot::total() const {
  uint64_t sum = 0;
  for (const uint64_t count : counts) sum += count;
  return sum;
}

void DurationHistogram::Snapshot::Add(const Snapshot& other) {
  for (size_t i = 0; i < kBuckets; ++i) counts[i] += other.counts[i];
  sum_seconds += other.sum_seconds;
}

}  // namespace sisyphus
