#include "api/json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>


#include "base/rng.h"
#include "base/text.h"

namespace sisyphus::api {
namespace {

std::string Quoted(std::string_view text) {
  std::string out;
  AppendJsonString(&out, text);
  return out;
}

std::string Base64(std::string_view bytes) {
  std::string out;
  AppendBase64(&out, bytes);
  return out;
}

TEST(Json, TellsUtf8FromBytes) {
  for (const char* good : {"", "abc", "\xC2\x80", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEF\xBF\xBF",
                           "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(IsUtf8(good)) << Quoted(good);
  }
  for (const char* bad :
       {"\x80", "\xC0\xAF", "\xC1\xBF", "\xC2", "\xE0\x9F\xBF", "\xED\xA0\x80", "\xF0\x8F\xBF\xBF",
        "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "a\xE2\x82", "\xE2\x28\xA1"}) {
    EXPECT_FALSE(IsUtf8(bad)) << Quoted(bad);
  }
}

TEST(Json, StringsAreReadBackByAnotherParser) {
  Rng rng(7);
  for (int i = 0; i < 2'000; ++i) {
    std::string text;
    for (uint64_t n = rng.Below(12); n > 0; --n) text.push_back(static_cast<char>(rng.Below(256)));
    const auto parsed = nlohmann::json::parse(Quoted(text), nullptr, false);
    ASSERT_TRUE(parsed.is_string()) << Quoted(text);
    if (IsUtf8(text)) {
      EXPECT_EQ(parsed.get<std::string>(), text);
    }
  }
}

TEST(Json, Base64AsInRfc4648) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foo"), "Zm9v");
  EXPECT_EQ(Base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(Base64("\xFB\xFF"), "+/8=");
}

TEST(Json, Base64ComesBack) {
  for (const std::string bytes : {"", "f", "fo", "foo", "foobar", "\xFB\xFF"}) {
    std::string decoded;
    EXPECT_TRUE(DecodeBase64(Base64(bytes), &decoded));
    EXPECT_EQ(decoded, bytes);
  }
  for (const char* bad :
       {"Z", "Zg", "Zg=", "Zg==Zg==", "Z===", "====", "Zh==", "Zm9=", "Zm 9", "Zm-v"}) {
    std::string decoded;
    EXPECT_FALSE(DecodeBase64(bad, &decoded)) << bad;
  }
}

TEST(Json, BytesTravelAsTextOrBase64) {
  std::string out;
  AppendJsonBytes(&out, "value", "a\"b");
  EXPECT_EQ(out, R"("value":"a\"b")");
  out.clear();
  AppendJsonBytes(&out, "value", "\xFF");
  EXPECT_EQ(out, R"("value_base64":"/w==")");
}

}  // namespace
}  // namespace sisyphus::api
