#include "client/event_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace sisyphus::client {
namespace {

using ::testing::ElementsAre;

// `text` in pieces of `size`.
template <typename Reader>
bool Feed(Reader& reader, std::string_view text, size_t size) {
  for (; !text.empty(); text.remove_prefix(std::min(size, text.size()))) {
    if (!reader.Add(text.substr(0, size))) return false;
  }
  return true;
}

TEST(LineReaderTest, GivesWholeLinesWhateverThePieces) {
  for (const size_t size : {1, 2, 3, 100}) {
    std::vector<std::string> lines;
    LineReader reader([&](std::string_view line) {
      lines.emplace_back(line);
      return true;
    });
    EXPECT_TRUE(Feed(reader, "one\n\nthree\nfour", size));
    EXPECT_THAT(lines, ElementsAre("one", "", "three")) << size;
    EXPECT_TRUE(reader.pending());
  }
}

TEST(LineReaderTest, StopsWhenItIsEnough) {
  int lines = 0;
  LineReader reader([&](std::string_view) { return ++lines < 2; });
  EXPECT_FALSE(reader.Add("a\nb\nc\n"));
  EXPECT_EQ(lines, 2);
}

TEST(EventReaderTest, ReadsEventsWhateverThePieces) {
  const std::string text =
      ":\n\nid: 7\nevent: put\ndata: {\"a\":\ndata: 1}\n\nevent:delete\r\ndata:x\r\n\r\nid: 9\n\n"
      "data: unfinished\n";
  for (const size_t size : {1, 2, 5, 1000}) {
    std::vector<std::string> events;
    EventReader reader([&](const ServerEvent& event) {
      events.push_back(event.id + "|" + event.type + "|" + event.data);
      return true;
    });
    EXPECT_TRUE(Feed(reader, text, size));
    EXPECT_THAT(events, ElementsAre("7|put|{\"a\":\n1}", "|delete|x")) << size;
  }
}

}  // namespace
}  // namespace sisyphus::client
