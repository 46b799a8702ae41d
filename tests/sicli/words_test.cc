// How the shell of sicli takes a line apart.
#include "tools/sicli/shell/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sisyphus::sicli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Split(std::string_view line) {
  const auto words = SplitWords(line);
  EXPECT_TRUE(words.ok()) << line << ": " << words.status();
  return words.ok() ? *words : std::vector<std::string>();
}

TEST(WordsTest, BlanksAndQuotes) {
  EXPECT_THAT(Split(""), IsEmpty());
  EXPECT_THAT(Split("  put\ta  b \r"), ElementsAre("put", "a", "b"));
  EXPECT_THAT(Split(R"(put 'a "b\n' "c 'd'\n\t\"\\\x00\xfF")"),
              ElementsAre("put", R"(a "b\n)", std::string("c 'd'\n\t\"\\\0\xff", 11)));
  EXPECT_THAT(Split(R"(a\ b ""'' x'y'"z"\')"), ElementsAre("a b", "", "xyz'"));
  EXPECT_THAT(Split("get a#b '#c' # d 'e"), ElementsAre("get", "a#b", "#c"));
}

TEST(WordsTest, WhatIsNotClosedIsAMistake) {
  for (const char* line : {"'a", "\"a", "a\\", "\"\\q\"", "\"\\x1\"", "\"\\x1g\"", "\"\\"}) {
    EXPECT_EQ(SplitWords(line).status().code(), absl::StatusCode::kInvalidArgument) << line;
  }
}

TEST(WordsTest, WhatIsQuotedComesBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all.push_back(static_cast<char>(byte));
  for (const std::string& word :
       {all, std::string(), std::string("plain/key"), std::string("a b"), std::string("#x"),
        std::string("x#"), std::string("it's"), std::string("\xc3\xa9")}) {
    EXPECT_THAT(Split("get " + Quoted(word) + " "), ElementsAre("get", word));
  }
  EXPECT_EQ(Quoted("plain/k\xc3\xa9y#-"), "plain/k\xc3\xa9y#-");
}

TEST(WordsTest, TheWordThatIsBeingTyped) {
  const auto expect = [](std::string_view line, const std::vector<std::string>& words,
                         size_t begin) {
    const OpenLine open = SplitOpenLine(line);
    EXPECT_EQ(open.words, words) << line;
    EXPECT_EQ(open.last_begin, begin) << line;
    EXPECT_FALSE(open.comment) << line;
  };
  expect("", {""}, 0);
  expect("ge", {"ge"}, 0);
  expect("get ", {"get", ""}, 4);
  expect("get  \"two w", {"get", "two w"}, 5);
  expect("get 'a ", {"get", "a "}, 4);
  expect("get 'a' ", {"get", "a", ""}, 8);
  EXPECT_TRUE(SplitOpenLine("get # a").comment);
}

}  // namespace
}  // namespace sisyphus::sicli
