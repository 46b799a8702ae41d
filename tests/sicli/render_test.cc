// Tables, lines, YAML and suggestions, without a server.
#include "tools/sicli/render.h"

#include <gtest/gtest.h>

#include <clocale>
#include <nlohmann/json.hpp>

#include "tools/sicli/curl.h"
#include "tools/sicli/suggest.h"

namespace sisyphus::sicli {
namespace {

class RenderTest : public testing::Test {
 protected:
  RenderTest() { setlocale(LC_CTYPE, "C.UTF-8"); }
};

TEST_F(RenderTest, BytesBecomeTextOrBase64) {
  Json object;
  SetBytes(&object, "key", "caf\xc3\xa9");
  SetBytes(&object, "value", std::string_view("\xff\0", 2));
  EXPECT_EQ(object.dump(), "{\"key\":\"caf\xc3\xa9\",\"value_base64\":\"/wA=\"}");
  EXPECT_EQ(FieldText(object, "key"), "caf\xc3\xa9");
  EXPECT_EQ(FieldText(object, "value"), std::string("\xff\0", 2));
  EXPECT_EQ(FieldText(object, "lease"), "");
}

TEST_F(RenderTest, ControlCharactersAreEscaped) {
  EXPECT_EQ(Escaped("a\tb\nc\\d\x1b[0m\x7f"), "a\\tb\\nc\\\\d\\x1b[0m\\x7f");
  EXPECT_EQ(Escaped("\xc3\xa9\xc2\x9b\xff"), "\xc3\xa9\\xc2\\x9b\\xff");
  EXPECT_EQ(EscapedLines("a\tb\nc\\d\x1b"), "a\tb\nc\\d\\x1b");
}

TEST_F(RenderTest, WidthsCountColumnsOfATerminal) {
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("caf\xc3\xa9"), 4u);
  EXPECT_EQ(DisplayWidth("\xe6\x97\xa5\xe6\x9c\xac"), 4u);  // Two wide characters.
  EXPECT_EQ(Clipped("abcdef", 6), "abcdef");
  EXPECT_EQ(Clipped("abcdefg", 6), "abcde\xe2\x80\xa6");
  EXPECT_EQ(DisplayWidth(Clipped("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4)), 3u);
}

TEST_F(RenderTest, TablesAreAlignedAndFitTheTerminal) {
  const Json rows = {{{"key", "a"}, {"value", "long enough to be cut"}, {"n", 7}},
                     {{"key", "caf\xc3\xa9"}, {"value", "x"}, {"n", nullptr}}};
  const std::vector<Column> columns = {
      {.field = "key"}, {.field = "n", .right = true}, {.field = "value", .shrinks = true}};
  TableLayout wide(columns, {});
  TableLayout narrow(columns, {.colour = false, .width = 20});
  for (const Json& row : rows) {
    wide.Fit(row);
    narrow.Fit(row);
  }
  EXPECT_EQ(wide.Header(), "KEY   N  VALUE\n");
  EXPECT_EQ(wide.Line(rows[0]), "a     7  long enough to be cut\n");
  EXPECT_EQ(wide.Line(rows[1]), "caf\xc3\xa9  -  x\n");
  EXPECT_EQ(narrow.Line(rows[0]), "a     7  long enoug\xe2\x80\xa6\n");
  EXPECT_EQ(TabbedLine(columns, rows[0]), "a\t7\tlong enough to be cut\n");
}

TEST_F(RenderTest, YamlQuotesWhatWouldNotBeAString) {
  const Json document = {{"plain", "text"},
                         {"yes", "no"},
                         {"number", "12"},
                         {"empty", ""},
                         {"list", {{{"a", 1}, {"b", Json::array()}}, "x"}},
                         {"object", Json::object()},
                         {"null", nullptr},
                         {"del", "\x7f\xc2\x85"}};
  EXPECT_EQ(ToYaml(document),
            "plain: text\n\"yes\": \"no\"\nnumber: \"12\"\nempty: \"\"\nlist:\n  - a: 1\n    b: "
            "[]\n  - x\nobject: {}\n\"null\": null\ndel: \"\\x7f\\x85\"\n");
  EXPECT_EQ(ToYamlItem({{"a", 1}, {"b", 2}}), "- a: 1\n  b: 2\n");
}

TEST_F(RenderTest, EditDistances) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("scan", ""), 4u);
  EXPECT_EQ(EditDistance("scna", "scan"), 1u);
  EXPECT_EQ(EditDistance("sitting", "kitten"), 3u);
}

TEST_F(RenderTest, OnlyWhatIsCloseIsSuggested) {
  const std::vector<std::string> names = {"put", "get", "delete", "status"};
  EXPECT_EQ(DidYouMean("stauts", names), "; did you mean status?");
  EXPECT_EQ(DidYouMean("stat", names), "; did you mean status?");
  EXPECT_EQ(DidYouMean("rm", names), "; did you mean delete?");
  EXPECT_EQ(DidYouMean("frobnicate", names), "");
  EXPECT_EQ(DidYouMean("x", {}), "");
}

TEST_F(RenderTest, CurlLinesQuoteForTheShell) {
  EXPECT_EQ(ShellWord("plain/1.2:3"), "plain/1.2:3");
  EXPECT_EQ(ShellWord("it's"), "'it'\\''s'");
  EXPECT_EQ(ShellWord(""), "''");
  EXPECT_EQ(ShellWord("a\nb'\xff"), "$'a\\x0ab\\x27\\xff'");
  EXPECT_EQ(CurlLine({.method = "GET", .url = "http://h:1/x?y=1&z", .headers = {}, .body = ""}, ""),
            "curl 'http://h:1/x?y=1&z'");
  EXPECT_EQ(
      CurlLine({.method = "PUT", .url = "http://h:1/k", .headers = {{"A", "b"}}, .body = ""}, "@f"),
      "curl -X PUT -H 'A: b' --data-binary @f http://h:1/k");
}

}  // namespace
}  // namespace sisyphus::sicli
