// The log's lines, its levels, and what it does with repeats.

#include "server/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace sisyphus::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ManualClock final : public Clock {
 public:
  MonotonicTime Now() override { return now_; }
  void Advance(Duration by) { now_ += by; }

 private:
  MonotonicTime now_{std::chrono::hours(1)};
};

class LogTest : public ::testing::Test {
 protected:
  EventLog NewLog(LogFormat format) {
    return EventLog({.format = format,
                     .level = LogLevel::kInfo,
                     .clock = &clock_,
                     .write = [this](LogLevel level, const std::string& line) {
                       lines_.push_back(line);
                       levels_.push_back(level);
                     }});
  }

  ManualClock clock_;
  std::vector<std::string> lines_;
  std::vector<LogLevel> levels_;
};

TEST_F(LogTest, TextHasOneLineAnEvent) {
  EventLog log = NewLog(LogFormat::kText);
  log.Log(LogLevel::kWarning, "role",
          {{"role", "leader"}, {"term", 3}, {"self", true}, {"reason", "a \"b\"\nc"}, {"no", ""}});
  EXPECT_THAT(lines_, ElementsAre("event=role role=leader term=3 self=true "
                                  "reason=\"a \\\"b\\\"\\u000ac\" no=\"\""));
  EXPECT_THAT(levels_, ElementsAre(LogLevel::kWarning));
}

TEST_F(LogTest, JsonIsJson) {
  EventLog log = NewLog(LogFormat::kJson);
  log.Log(LogLevel::kInfo, "role",
          {{"role", "leader"}, {"term", 3}, {"self", true}, {"reason", "a \"b\"\\\n\tc"}});
  ASSERT_THAT(lines_, SizeIs(1));
  const auto parsed = nlohmann::json::parse("{" + lines_[0] + "}");
  EXPECT_EQ(parsed["event"], "role");
  EXPECT_EQ(parsed["term"], 3);
  EXPECT_EQ(parsed["self"], true);
  EXPECT_EQ(parsed["reason"], "a \"b\"\\\n\tc");
}

TEST_F(LogTest, LevelsChangeAtRunTime) {
  EventLog log = NewLog(LogFormat::kText);
  log.Log(LogLevel::kDebug, "request", {});
  EXPECT_THAT(lines_, IsEmpty());
  log.set_level(LogLevel::kDebug);
  log.Log(LogLevel::kDebug, "request", {});
  EXPECT_THAT(lines_, SizeIs(1));
  log.set_level(LogLevel::kError);
  log.Log(LogLevel::kWarning, "request", {});
  EXPECT_THAT(lines_, SizeIs(1));
  LogLevel level = LogLevel::kInfo;
  EXPECT_TRUE(ParseLogLevel("critical", &level));
  EXPECT_EQ(level, LogLevel::kCritical);
  EXPECT_EQ(LogLevelName(level), "critical");
  EXPECT_FALSE(ParseLogLevel("Info", &level));
}

TEST_F(LogTest, RepeatsAreLeftOutAndCounted) {
  EventLog log = NewLog(LogFormat::kText);
  for (int i = 0; i < 100; ++i) log.Log(LogLevel::kWarning, "peer_unreachable", {{"peer", i}});
  EXPECT_THAT(lines_, SizeIs(EventLog::kBurst));
  EXPECT_EQ(log.suppressed(), 100u - EventLog::kBurst);
  // Others, and what is critical, come through.
  log.Log(LogLevel::kInfo, "role", {});
  for (int i = 0; i < 30; ++i) log.Log(LogLevel::kCritical, "fatal", {});
  EXPECT_THAT(lines_, SizeIs(EventLog::kBurst + 31));
  clock_.Advance(EventLog::kWindow);
  log.Log(LogLevel::kWarning, "peer_unreachable", {{"peer", 7}});
  EXPECT_EQ(lines_.back(), "event=peer_unreachable peer=7 suppressed=80");
  log.Log(LogLevel::kWarning, "peer_unreachable", {{"peer", 8}});
  EXPECT_EQ(lines_.back(), "event=peer_unreachable peer=8");
}

}  // namespace
}  // namespace sisyphus::server
