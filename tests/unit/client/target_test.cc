#include "client/target.h"

#include <gtest/gtest.h>

namespace sisyphus::client {
namespace {

using std::chrono::milliseconds;

TEST(TargetTest, QueriesAreEncoded) {
  EXPECT_EQ(Target("/v1/kv").text(), "/v1/kv");
  EXPECT_EQ(
      Target("/v1/kv").Add("prefix", "a&b=c").AddFlag("keys_only").AddNumber("limit", 7).text(),
      "/v1/kv?prefix=a%26b%3Dc&keys_only&limit=7");
}

TEST(TargetTest, RangesHaveTheEndsThatTheyNeed) {
  EXPECT_EQ(Target("/r").AddRange(KeyRange::All()).text(), "/r?prefix=");
  EXPECT_EQ(Target("/r").AddRange({"a", ""}).text(), "/r?start=a");
  EXPECT_EQ(Target("/r").AddRange({"", "b"}).text(), "/r?end=b");
  EXPECT_EQ(Target("/r").AddRange(KeyRange::Prefix("a\xff")).text(), "/r?start=a%FF&end=b");
  EXPECT_EQ(Target("/r").AddRange(KeyRange::Prefix("\xff\xff")).text(), "/r?start=%FF%FF");
  EXPECT_EQ(Target("/r").AddRange(KeyRange::Key("k")).text(), "/r?start=k&end=k%00");
}

TEST(TargetTest, ReadsSayOnlyWhatIsNotTheRule) {
  EXPECT_EQ(Target("/r").AddRead({}).text(), "/r");
  EXPECT_EQ(Target("/r")
                .AddRead({.consistency = ReadConsistency::kStale,
                          .max_stale = milliseconds(500),
                          .min_revision = 3})
                .text(),
            "/r?consistency=stale&max_stale=500ms&min_revision=3");
}

TEST(TargetTest, TimesComeBack) {
  EXPECT_EQ(DurationText(milliseconds(0)), "0ms");
  EXPECT_EQ(DurationText(milliseconds(1500)), "1500ms");
  EXPECT_EQ(DurationText(milliseconds(30'000)), "30s");
  EXPECT_EQ(DurationText(milliseconds(7'200'000)), "2h");
  for (const int64_t ms : {1, 999, 60'000, 61'000, 86'400'000, 90'000'000}) {
    EXPECT_EQ(ParseDurationText(DurationText(milliseconds(ms))), milliseconds(ms));
  }
  for (const char* bad : {"", "s", "5", "-1s", "1.5s", "5 s", "5S", "99999999999999999d"}) {
    EXPECT_EQ(ParseDurationText(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace sisyphus::client
