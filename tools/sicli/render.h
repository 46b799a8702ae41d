// How values look in text: tables, tab-separated lines, YAML, colours. Pure functions.
#ifndef SISYPHUS_TOOLS_SICLI_RENDER_H_
#define SISYPHUS_TOOLS_SICLI_RENDER_H_

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace sisyphus::sicli {

// Fields keep the order in which they were put in: the order is part of the output.
using Json = nlohmann::ordered_json;

enum class Colour { kNone, kBold, kDim, kRed, kGreen, kYellow };

// `text` between the escape sequences of a colour; `text` alone for kNone.
std::string Coloured(std::string_view text, Colour colour);

struct Column {
  std::string field;        // Of each row; "key" also finds "key_base64".
  std::string header = {};  // Empty: the field's name in capitals.
  bool right = false;       // Numbers.
  // This one is cut when the line is too long for the terminal.
  bool shrinks = false;
  // The colour of a cell, from its row.
  Colour (*colour)(const Json& row) = nullptr;
};

// Sets `name`, or `name`_base64 when the bytes are not UTF-8: as the HTTP API does.
void SetBytes(Json* object, const std::string& name, std::string_view bytes);
// The bytes that SetBytes put there, or any other field as text; empty for null and what is not
// there.
std::string FieldText(const Json& object, const std::string& name);

// Bytes that a terminal or a line-oriented tool would trip over, as \n, \t, \\ and \xHH.
std::string Escaped(std::string_view bytes);
// The same for text that may have lines: newlines, tabs and backslashes stay.
std::string EscapedLines(std::string_view bytes);
// How many columns of a terminal valid UTF-8 takes.
size_t DisplayWidth(std::string_view text);
// The beginning of `text` with an ellipsis, at most `width` columns.
std::string Clipped(std::string_view text, size_t width);

// One document in YAML's block style, ending in a newline.
std::string ToYaml(const Json& document);
// The same as one item of a list.
std::string ToYamlItem(const Json& document);

// Lines with aligned columns below a header.
class TableLayout {
 public:
  struct Look {
    bool colour = false;
    size_t width = 0;  // Of the terminal; 0: lines may have any length.
  };

  TableLayout(std::vector<Column> columns, Look look);

  // Makes room for `row`. Rows that come later and are wider stand out.
  void Fit(const Json& row);
  std::string Header() const;
  std::string Line(const Json& row) const;

 private:
  size_t WidthOf(size_t i) const;

  const std::vector<Column> columns_;
  const Look look_;
  std::vector<std::string> headers_;
  std::vector<size_t> widths_;
};

// The row's cells with tabs between them; "-" for an empty one.
std::string TabbedLine(const std::vector<Column>& columns, const Json& row);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_RENDER_H_
