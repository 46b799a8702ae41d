// Counter and DurationHistogram.

#include "base/measures.h"

#include <gtest/gtest.h>

#include <thread>

namespace sisyphus {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(Measures, BoundsAreInclusiveAndTheLastBucketIsOpen) {
  DurationHistogram histogram;
  histogram.Record(nanoseconds(-5));
  histogram.Record(microseconds(25));
  histogram.Record(microseconds(25) + nanoseconds(1));
  histogram.Record(seconds(10));
  histogram.Record(seconds(11));
  const DurationHistogram::Snapshot snapshot = histogram.snapshot();
  EXPECT_EQ(snapshot.counts[0], 2u);
  EXPECT_EQ(snapshot.counts[1], 1u);
  EXPECT_EQ(snapshot.counts[DurationHistogram::kBuckets - 2], 1u);
  EXPECT_EQ(snapshot.counts[DurationHistogram::kBuckets - 1], 1u);
  EXPECT_EQ(snapshot.total(), 5u);
  EXPECT_NEAR(snapshot.sum_seconds, 21.00005, 1e-6);
}

TEST(Measures, OneMeasureStandsForMany) {
  DurationHistogram histogram;
  histogram.Record(microseconds(400), 7);
  DurationHistogram::Snapshot sum = histogram.snapshot();
  sum.Add(histogram.snapshot());
  EXPECT_EQ(sum.total(), 14u);
  EXPECT_EQ(sum.counts[4], 14u);
  EXPECT_NEAR(sum.sum_seconds, 14 * 400e-6, 1e-9);
}

TEST(Measures, SharedCountersLoseNothing) {
  Counter counter;
  const auto add = [&counter] {
    for (int i = 0; i < 10'000; ++i) counter.AddShared();
  };
  std::thread other(add);
  add();
  other.join();
  counter.Add(3);
  EXPECT_EQ(counter.value(), 20'003u);
}

}  // namespace
}  // namespace sisyphus
