// Round trips and lag of peers.

#include "node/node_measures.h"

#include <gtest/gtest.h>

namespace sisyphus::node {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

MonotonicTime At(Duration since) { return MonotonicTime(since); }

TEST(RoundTripsTest, OneMeasureAnAnswerOfThisTerm) {
  RoundTrips trips;
  trips.Sent(Term(3), 1, At(milliseconds(10)));
  trips.Sent(Term(3), 1, At(milliseconds(90)));  // To another peer: the same round.
  trips.Sent(Term(3), 2, At(milliseconds(100)));
  trips.Answered(NodeId(2), Term(3), 1, At(milliseconds(14)));
  trips.Answered(NodeId(3), Term(3), 7, At(milliseconds(14)));  // No such round.
  trips.Answered(NodeId(3), Term(2), 1, At(milliseconds(14)));
  EXPECT_EQ(trips.Snapshots().size(), 1u);
  EXPECT_NEAR(trips.Snapshots().at(NodeId(2)).sum_seconds, 0.004, 1e-9);
  // A new term counts its rounds anew.
  trips.Sent(Term(4), 1, At(milliseconds(200)));
  trips.Answered(NodeId(2), Term(4), 1, At(milliseconds(201)));
  EXPECT_NEAR(trips.Snapshots().at(NodeId(2)).sum_seconds, 0.005, 1e-9);
}

TEST(LagMeterTest, TellsBytesAndTime) {
  LagMeter meter;
  EXPECT_EQ(meter.Of(Index(0), At(seconds(1))).bytes, 0u);
  meter.Note(Index(100), 10'000, At(seconds(1)));
  meter.Note(Index(200), 30'000, At(seconds(2)));
  meter.Note(Index(200), 30'000, At(seconds(3)));
  meter.Note(Index(300), 31'000, At(seconds(4)));
  EXPECT_EQ(meter.Of(Index(300), At(seconds(9))).bytes, 0u);
  EXPECT_EQ(meter.Of(Index(300), At(seconds(9))).time, Duration());
  EXPECT_EQ(meter.Of(Index(200), At(seconds(9))).bytes, 1'000u);
  EXPECT_EQ(meter.Of(Index(200), At(seconds(9))).time, seconds(5));
  EXPECT_EQ(meter.Of(Index(150), At(seconds(9))).bytes, 11'000u);
  EXPECT_EQ(meter.Of(Index(150), At(seconds(9))).time, seconds(7));
  // From before the first sample nothing is known but that it is at least so old.
  EXPECT_EQ(meter.Of(Index(1), At(seconds(9))).time, seconds(8));
}

TEST(LagMeterTest, ReachesFarBackInLittleMemory) {
  LagMeter meter;
  for (uint64_t i = 1; i <= 100'000; ++i) {
    meter.Note(Index(i), 100 * i, At(milliseconds(25 * i)));
  }
  const MonotonicTime now = At(milliseconds(25 * 100'000));
  // The first one of all is remembered.
  EXPECT_EQ(meter.Of(Index(0), now).time, milliseconds(25 * 99'999));
  // Recent ones are remembered exactly.
  EXPECT_EQ(meter.Of(Index(99'990), now).bytes, 1'000u);
  EXPECT_EQ(meter.Of(Index(99'990), now).time, milliseconds(25 * 9));
  // In between the error is bounded by the distance of two samples.
  const LagMeter::Lag middle = meter.Of(Index(50'000), now);
  EXPECT_NEAR(static_cast<double>(middle.bytes), 5e6, 5e4);
  EXPECT_NEAR(std::chrono::duration<double>(middle.time).count(), 1250, 1250 / 8.0);
}

}  // namespace
}  // namespace sisyphus::node
