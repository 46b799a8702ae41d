// The parts of sicli test, check and metrics that need no server: statistics, pictures, formats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/rng.h"
#include "tools/sicli/load/chaos_report.h"
#include "tools/sicli/load/latency_histogram.h"
#include "tools/sicli/load/latency_scale.h"
#include "tools/sicli/load/load_plot.h"
#include "tools/sicli/load/load_report.h"
#include "tools/sicli/load/test_flags.h"

namespace sisyphus::sicli {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(LatencyHistogramTest, QuantilesAreAtMostABucketAboveTheTruth) {
  Rng rng(7);
  for (const uint64_t largest : {100u, 10'000u, 3'000'000u}) {
    LatencyHistogram histogram;
    std::vector<uint64_t> all;
    for (int i = 0; i < 5000; ++i) {
      all.push_back(rng.Below(largest));
      histogram.Record(microseconds(all.back()));
    }
    std::sort(all.begin(), all.end());
    for (const double q : {0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const auto rank = std::max<size_t>(1, static_cast<size_t>(q * 5000 + 0.999));
      const auto truth = static_cast<double>(all[rank - 1]);
      const double told = std::chrono::duration<double, std::micro>(histogram.Quantile(q)).count();
      EXPECT_GE(told, truth) << q;
      EXPECT_LE(told, truth * (1 + 1.0 / 128) + 1) << q;
    }
    EXPECT_EQ(histogram.max(), Duration(microseconds(all.back())));
  }
}

TEST(LatencyHistogramTest, CountsMeansAndSums) {
  LatencyHistogram one;
  EXPECT_EQ(one.Quantile(0.99), Duration::zero());
  EXPECT_EQ(one.mean(), Duration::zero());
  one.Record(milliseconds(1));
  one.Record(milliseconds(3));
  LatencyHistogram two;
  two.Record(hours(100));  // Beyond the last bucket.
  EXPECT_EQ(two.Quantile(0.5), Duration(hours(100)));
  EXPECT_EQ(one.mean(), Duration(milliseconds(2)));
  EXPECT_EQ(one.deviation(), Duration(milliseconds(1)));
  two.Add(one);
  EXPECT_EQ(two.count(), 3u);
  EXPECT_EQ(two.max(), Duration(hours(100)));
  two.Clear();
  EXPECT_EQ(two.count(), 0u);
}

TEST(LatencyHistogramTest, DurationsHaveThreeDigits) {
  EXPECT_EQ(ShowDuration(microseconds(7)), "7 us");
  EXPECT_EQ(ShowDuration(microseconds(999)), "999 us");
  EXPECT_EQ(ShowDuration(microseconds(1234)), "1.23 ms");
  EXPECT_EQ(ShowDuration(microseconds(12'345)), "12.3 ms");
  EXPECT_EQ(ShowDuration(milliseconds(999)), "999 ms");
  EXPECT_EQ(ShowDuration(seconds(90)), "90.0 s");
}

TEST(TestFlagsTest, Durations) {
  EXPECT_EQ(ParseDuration("250us"), Duration(microseconds(250)));
  EXPECT_EQ(ParseDuration("10ms"), Duration(milliseconds(10)));
  EXPECT_EQ(ParseDuration("1.5s"), Duration(milliseconds(1500)));
  EXPECT_EQ(ParseDuration("2m"), Duration(seconds(120)));
  EXPECT_EQ(ParseDuration("1h"), Duration(hours(1)));
  for (const char* wrong :
       {"", "s", "10", "-1s", "0s", "1e3s", "25h", "nans", "infs", "1 s", "0.1us"}) {
    EXPECT_FALSE(ParseDuration(wrong)) << wrong;
  }
}

LoadResult ThreeSlots() {
  LoadResult result;
  result.slot_length = seconds(1);
  result.duration = seconds(3);
  result.slots.resize(3);
  for (int i = 0; i < 100; ++i) {
    result.slots[0].latency.Record(milliseconds(i < 90 ? 3 : 30));
    result.slots[2].latency.Record(milliseconds(150));
  }
  for (const LoadSlot& slot : result.slots) result.puts.Add(slot.latency);
  result.slots[1].failed = 5;
  result.failed["503"] = 5;
  result.due = 205;
  return result;
}

TEST(LoadPlotTest, TheScaleHoldsAllLatencies) {
  const LatencyScale scale(ThreeSlots().slots);
  EXPECT_THAT(scale.ticks(),
              ElementsAre(milliseconds(2), milliseconds(5), milliseconds(10), milliseconds(20),
                          milliseconds(50), milliseconds(100), milliseconds(200)));
  EXPECT_EQ(scale.At(milliseconds(2)), 0);
  EXPECT_NEAR(scale.At(milliseconds(20)), 0.5, 1e-9);
  EXPECT_EQ(scale.At(seconds(10)), 1);
  EXPECT_EQ(LatencyScale({}).ticks().size(), 2u);
}

TEST(LoadPlotTest, TheFileIsAPng) {
  const std::string path = ::testing::TempDir() + "/load_plot_test.png";
  ASSERT_TRUE(PlotLoad(ThreeSlots(), "title", path).ok());
  std::ifstream in(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  EXPECT_THAT(bytes, StartsWith("\x89PNG\r\n"));
  EXPECT_EQ(bytes.substr(16, 8), std::string("\0\0\x03\xe8\0\0\x01\xe0", 8)) << "1000 x 480";
  EXPECT_THAT(std::string(PlotLoad(ThreeSlots(), "", "/nonexistent/x.png").message()),
              HasSubstr("/nonexistent/x.png"));
}

TEST(LoadPlotTest, TheChartHasAColumnASlot) {
  const std::string chart = ChartLoad(ThreeSlots(), 40);
  EXPECT_EQ(std::count(chart.begin(), chart.end(), '\n'), 12);
  EXPECT_THAT(chart, HasSubstr("  2 ms│█ █\n"));
  EXPECT_THAT(chart, HasSubstr(" 20 ms│▒ █\n"));
  EXPECT_THAT(chart, HasSubstr("└─✗─ 3 s\n"));
}

TEST(LoadReportTest, Verdicts) {
  const LoadResult result = ThreeSlots();
  EXPECT_FALSE(JudgeLoad(result, {}).judged);
  const LoadVerdict slow = JudgeLoad(result, {.p99 = milliseconds(100), .max_failed_percent = 5});
  EXPECT_FALSE(slow.passed);
  EXPECT_THAT(slow.reasons, ElementsAre("p99 150 ms is above 100 ms"));
  const LoadVerdict failed = JudgeLoad(result, {.p99 = milliseconds(200)});
  EXPECT_FALSE(failed.passed);
  EXPECT_THAT(failed.reasons, ElementsAre("p99 150 ms is within 200 ms",
                                          "2.44 % of the requests failed, allowed are 0 %"));
  EXPECT_TRUE(JudgeLoad(result, {.p99 = milliseconds(200), .max_failed_percent = 3}).passed);
  EXPECT_FALSE(JudgeLoad({}, {.p99 = milliseconds(200)}).passed) << "nothing was answered";
}

TEST(LoadReportTest, AGeneratorThatIsLateSaysSo) {
  LoadResult result = ThreeSlots();
  EXPECT_EQ(result.bottleneck(), "");
  for (int i = 0; i < 100; ++i) result.lateness.Record(milliseconds(40));
  EXPECT_THAT(result.bottleneck(), HasSubstr("40.0 ms"));
  result.processor_share = 0.95;
  EXPECT_THAT(result.bottleneck(), HasSubstr("95%"));
}

TEST(ChaosReportTest, AViolationNamesItsKey) {
  using Operation = verify::RegisterOperation;
  using Kind = Operation::Kind;
  ChaosResult result;
  result.history = {
      {.kind = Kind::kPut, .key = "good", .argument = "v1", .called = 1, .returned = 2},
      {.kind = Kind::kPut, .key = "lost", .argument = "v2", .called = 3, .returned = 4},
      {.kind = Kind::kGet, .key = "good", .read = "v1", .called = 5, .returned = 6},
      {.kind = Kind::kDelete, .key = "good", .called = 7},
      {.kind = Kind::kGet, .key = "lost", .called = 8, .returned = 9},
  };
  const ChaosVerdict verdict = JudgeChaos(result);
  EXPECT_TRUE(verdict.violated);
  EXPECT_EQ(verdict.key, "lost");
  EXPECT_EQ(VerdictName(result, verdict), "FAIL");
  EXPECT_THAT(HistoryText(result, "lost"), HasSubstr("put v2"));
  EXPECT_THAT(HistoryText(result, "lost"), HasSubstr("nothing"));
  EXPECT_THAT(HistoryText(result, "good"), HasSubstr("never"));
  EXPECT_THAT(ChaosText(result, verdict), HasSubstr("FAIL: no order of the operations on lost"));
  EXPECT_EQ(ChaosJson(result, verdict)["violation"]["history"].size(), 2u);
  result.history.pop_back();
  EXPECT_EQ(VerdictName(result, JudgeChaos(result)), "PASS");
  result.unread = 1;
  EXPECT_EQ(VerdictName(result, JudgeChaos(result)), "NO VERDICT");
}

}  // namespace
}  // namespace sisyphus::sicli
