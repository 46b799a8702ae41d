#include "api/target.h"

#include <gtest/gtest.h>

namespace sisyphus::api {
namespace {

std::string Decoded(std::string_view text, Plus plus = Plus::kLiteral) {
  std::string out;
  return PercentDecode(text, plus, &out) ? out : "(bad)";
}

TEST(PercentDecode, DecodesEveryByteOnce) {
  EXPECT_EQ(Decoded("hello"), "hello");
  EXPECT_EQ(Decoded("a%20b"), "a b");
  EXPECT_EQ(Decoded("%2525"), "%25");
  EXPECT_EQ(Decoded("%2f%2F"), "//");
  EXPECT_EQ(Decoded("%00x"), std::string("\0x", 2));
  EXPECT_EQ(Decoded("%fF"), "\xFF");
  for (int i = 0; i < 256; ++i) {
    char text[4];
    std::snprintf(text, sizeof(text), "%%%02x", i);
    EXPECT_EQ(Decoded(text), std::string(1, static_cast<char>(i)));
  }
}

TEST(PercentDecode, RefusesWhatIsNoEncoding) {
  for (const char* bad : {"%", "%2", "a%", "%g0", "%0g", "%%20", "% 1", "%+1", "%-1", "%0x"}) {
    EXPECT_EQ(Decoded(bad), "(bad)") << bad;
  }
}

TEST(PercentDecode, PlusIsABlankOnlyInForms) {
  EXPECT_EQ(Decoded("a+b"), "a+b");
  EXPECT_EQ(Decoded("a+b", Plus::kBlank), "a b");
  EXPECT_EQ(Decoded("a%2Bb", Plus::kBlank), "a+b");
}

TEST(ParseTarget, SplitsPathAndQuery) {
  const auto target = ParseTarget("/v1/kv/a%3Fb?prev=true?x");
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target->path, "/v1/kv/a%3Fb");
  EXPECT_EQ(target->query, "prev=true?x");
}

TEST(ParseTarget, TakesTheAbsoluteForm) {
  auto target = ParseTarget("HTTP://host:80/a?b");
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target->path, "/a");
  EXPECT_EQ(target->query, "b");
  target = ParseTarget("http://host?q=1");
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target->path, "/");
  EXPECT_EQ(target->query, "q=1");
  target = ParseTarget("http://host");
  ASSERT_TRUE(target.ok());
  EXPECT_EQ(target->path, "/");
}

TEST(ParseTarget, RefusesOtherForms) {
  for (const char* bad : {"*", "host:80", "https://host/", "/a#b", "http://user@host/", "http:///a",
                          "http://?a", "a/b", "http:/"}) {
    EXPECT_EQ(ParseTarget(bad).status().code(), StatusCode::kInvalidArgument) << bad;
  }
}

TEST(ParseQuery, KeepsOrderAndTellsEmptyFromAbsent) {
  const auto query = ParseQuery("a=1&b=&c&&a=%26+x&=v");
  ASSERT_TRUE(query.ok());
  ASSERT_EQ(query->size(), 5u);
  EXPECT_EQ((*query)[0].value, "1");
  EXPECT_TRUE((*query)[1].has_value);
  EXPECT_EQ((*query)[1].value, "");
  EXPECT_FALSE((*query)[2].has_value);
  EXPECT_EQ((*query)[3].name, "a");
  EXPECT_EQ((*query)[3].value, "& x");
  EXPECT_EQ((*query)[4].name, "");
}

TEST(ParseQuery, RefusesBadEncoding) {
  EXPECT_FALSE(ParseQuery("a=%").ok());
  EXPECT_FALSE(ParseQuery("%zz=1").ok());
  EXPECT_FALSE(ParseQuery("a=1&b=%4").ok());
}

}  // namespace
}  // namespace sisyphus::api
