// What of a traceparent is believed.

#include "node/operation.h"

#include <gtest/gtest.h>

#include <string>

namespace sisyphus::node {
namespace {

const std::string kGood = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

std::string Parsed(const std::string& text) {
  const auto parsed = TraceParent::Parse(text);
  return parsed ? std::string(parsed->text()) : "refused";
}

TEST(TraceParentTest, TakesWhatTheStandardGives) {
  EXPECT_EQ(Parsed(kGood), kGood);
  // A later version may have more, of which nothing is known.
  const std::string later = "cc" + kGood.substr(2);
  EXPECT_EQ(Parsed(later), later);
  EXPECT_EQ(Parsed(later + "-what-comes"), later);
  EXPECT_TRUE(TraceParent().empty());
  EXPECT_EQ(TraceParent().text(), "");
}

TEST(TraceParentTest, RefusesEverythingElse) {
  EXPECT_EQ(Parsed(""), "refused");
  EXPECT_EQ(Parsed(kGood.substr(0, 54)), "refused");
  EXPECT_EQ(Parsed(kGood + "-more"), "refused");
  EXPECT_EQ(Parsed("cc" + kGood.substr(2) + ".more"), "refused");
  EXPECT_EQ(Parsed("ff" + kGood.substr(2)), "refused");
  EXPECT_EQ(Parsed("00-00000000000000000000000000000000-00f067aa0ba902b7-01"), "refused");
  EXPECT_EQ(Parsed("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"), "refused");
  EXPECT_EQ(Parsed("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"), "refused");
  EXPECT_EQ(Parsed("00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"), "refused");
  EXPECT_EQ(Parsed("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0x"), "refused");
  EXPECT_EQ(Parsed(std::string(55, '\n')), "refused");
}

}  // namespace
}  // namespace sisyphus::node
