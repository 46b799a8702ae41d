#include "tools/sicli/render.h"

#include <wchar.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/text.h"

namespace sisyphus::sicli {
namespace {

constexpr std::string_view kEllipsis = "\xe2\x80\xa6";
constexpr size_t kLeastWidth = 8;  // Of a column that shrinks.
constexpr std::string_view kBase64 = "_base64";

std::string Cell(const Json& row, const Column& column) {
  const std::string text = FieldText(row, column.field);
  return text.empty() ? "-" : Escaped(text);
}

// The columns of a terminal that the character at the beginning of `text` takes. The locale has to
// be a UTF-8 one (app.cc sees to it).
size_t CharacterWidth(std::string_view text) {
  wchar_t character = 0;
  mbstate_t state{};
  if (mbrtowc(&character, text.data(), text.size(), &state) > text.size()) return 1;
  const int width = wcwidth(character);
  return width < 0 ? 1 : static_cast<size_t>(width);
}

// Escapes control characters and backslashes, but not those in `kept`, and what is no UTF-8.
std::string EscapedBut(std::string_view kept, std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t n = Utf8CharacterSize(bytes);
    const char c = bytes.front();
    const auto byte = static_cast<unsigned char>(c);
    // The control characters U+0080 to U+009F have two bytes; terminals obey them, too.
    const bool control = byte < 0x20 || byte == 0x7f || byte == '\\' ||
                         (n == 2 && byte == 0xc2 && static_cast<unsigned char>(bytes[1]) < 0xa0);
    if (n > 0 && (!control || kept.find(c) != std::string_view::npos)) {
      out.append(bytes.substr(0, n));
      bytes.remove_prefix(n);
      continue;
    }
    if (c == '\n') {
      out.append("\\n");
    } else if (c == '\t') {
      out.append("\\t");
    } else if (c == '\\') {
      out.append("\\\\");
    } else {
      out.append("\\x");
      out.push_back(kHex[byte >> 4]);
      out.push_back(kHex[byte & 15]);
    }
    // Of a control character of two bytes the second comes next: no character begins with it.
    bytes.remove_prefix(1);
  }
  return out;
}

// Words that YAML would not take for strings, and all that has an odd character, are quoted.
bool IsPlainYaml(const std::string& text) {
  static constexpr std::string_view kTaken[] = {"true", "false", "null", "yes", "no",
                                                "on",   "off",   "y",    "n"};
  if (text.empty() || std::isalpha(static_cast<unsigned char>(text.front())) == 0) return false;
  std::string lower;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) == 0 && c != '_' && c != '-' && c != '.' && c != '/') return false;
    lower.push_back(static_cast<char>(std::tolower(byte)));
  }
  return std::find(std::begin(kTaken), std::end(kTaken), lower) == std::end(kTaken);
}

std::string Dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string YamlScalar(const Json& value) {
  if (value.is_string() && IsPlainYaml(value.get_ref<const std::string&>())) {
    return value.get<std::string>();
  }
  // JSON's scalars and empty containers are YAML's, but for bare control characters in strings.
  std::string text;
  const std::string json = Dump(value);
  for (size_t i = 0; i < json.size(); ++i) {
    const auto byte = static_cast<unsigned char>(json[i]);
    const auto next = static_cast<unsigned char>(i + 1 < json.size() ? json[i + 1] : 0);
    if (byte == 0x7f) {
      text += "\\x7f";
    } else if (byte == 0xc2 && next < 0xa0) {
      text += std::string("\\x") + (next < 0x90 ? '8' : '9') + "0123456789abcdef"[next & 15];
      ++i;
    } else {
      text.push_back(json[i]);
    }
  }
  return text;
}

bool IsBlock(const Json& value) { return value.is_structured() && !value.empty(); }

// Lines that begin at `indent`, but for the first, which stands where the caller has left off.
void AppendYaml(const Json& value, size_t indent, std::string* out) {
  bool first = true;
  const auto begin_line = [&] {
    if (!std::exchange(first, false)) out->append(indent, ' ');
  };
  if (!IsBlock(value)) {
    out->append(YamlScalar(value)).push_back('\n');
  } else if (value.is_array()) {
    for (const Json& item : value) {
      begin_line();
      out->append("- ");
      AppendYaml(item, indent + 2, out);
    }
  } else {
    for (const auto& [name, field] : value.items()) {
      begin_line();
      out->append(YamlScalar(name)).push_back(':');
      if (IsBlock(field)) {
        out->push_back('\n');
        out->append(indent + 2, ' ');
      } else {
        out->push_back(' ');
      }
      AppendYaml(field, indent + 2, out);
    }
  }
}

}  // namespace

std::string Coloured(std::string_view text, Colour colour) {
  const char* begin = "";
  switch (colour) {
    case Colour::kNone:
      return std::string(text);
    case Colour::kBold:
      begin = "\x1b[1m";
      break;
    case Colour::kDim:
      begin = "\x1b[2m";
      break;
    case Colour::kRed:
      begin = "\x1b[31m";
      break;
    case Colour::kGreen:
      begin = "\x1b[32m";
      break;
    case Colour::kYellow:
      begin = "\x1b[33m";
      break;
  }
  return begin + std::string(text) + "\x1b[0m";
}

void SetBytes(Json* object, const std::string& name, std::string_view bytes) {
  if (IsUtf8(bytes)) {
    (*object)[name] = bytes;
    return;
  }
  std::string text;
  AppendBase64(&text, bytes);
  (*object)[name + std::string(kBase64)] = text;
}

std::string FieldText(const Json& object, const std::string& name) {
  if (const auto field = object.find(name); field != object.end()) {
    if (field->is_string()) return field->get<std::string>();
    return field->is_null() ? "" : Dump(*field);
  }
  const auto encoded = object.find(name + std::string(kBase64));
  std::string bytes;
  if (encoded != object.end() && encoded->is_string()) {
    DecodeBase64(encoded->get_ref<const std::string&>(), &bytes);
  }
  return bytes;
}

std::string Escaped(std::string_view bytes) { return EscapedBut("", bytes); }
std::string EscapedLines(std::string_view bytes) { return EscapedBut("\n\t\\", bytes); }

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  while (!text.empty()) {
    width += CharacterWidth(text);
    text.remove_prefix(std::max<size_t>(1, Utf8CharacterSize(text)));
  }
  return width;
}

std::string Clipped(std::string_view text, size_t width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  std::string out;
  size_t used = 1;  // The ellipsis.
  while (!text.empty()) {
    used += CharacterWidth(text);
    if (used > width) break;
    const size_t n = std::max<size_t>(1, Utf8CharacterSize(text));
    out.append(text.substr(0, n));
    text.remove_prefix(n);
  }
  return out.append(kEllipsis);
}

std::string ToYaml(const Json& document) {
  std::string out;
  AppendYaml(document, 0, &out);
  return out;
}

std::string ToYamlItem(const Json& document) {
  std::string out = "- ";
  AppendYaml(document, 2, &out);
  return out;
}

TableLayout::TableLayout(std::vector<Column> columns, Look look)
    : columns_(std::move(columns)), look_(look) {
  for (const Column& column : columns_) {
    std::string header = column.header;
    if (header.empty()) {
      for (const char c : column.field) {
        header.push_back(c == '_' ? ' ' : static_cast<char>(std::toupper(c)));
      }
    }
    widths_.push_back(DisplayWidth(header));
    headers_.push_back(std::move(header));
  }
}

void TableLayout::Fit(const Json& row) {
  for (size_t i = 0; i < columns_.size(); ++i) {
    widths_[i] = std::max(widths_[i], DisplayWidth(Cell(row, columns_[i])));
  }
}

size_t TableLayout::WidthOf(size_t i) const {
  if (!columns_[i].shrinks || look_.width == 0) return widths_[i];
  size_t others = 2 * (columns_.size() - 1);
  for (size_t k = 0; k < columns_.size(); ++k) others += k == i ? 0 : widths_[k];
  const size_t left = look_.width > others ? look_.width - others : 0;
  return std::min(widths_[i], std::max(left, kLeastWidth));
}

std::string TableLayout::Header() const {
  std::string line;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const std::string pad(WidthOf(i) - std::min(WidthOf(i), DisplayWidth(headers_[i])), ' ');
    const bool last = i + 1 == columns_.size();
    line += columns_[i].right ? pad + headers_[i] : headers_[i] + (last ? "" : pad);
    if (!last) line += "  ";
  }
  return Coloured(line, look_.colour ? Colour::kBold : Colour::kNone) + "\n";
}

std::string TableLayout::Line(const Json& row) const {
  std::string line;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const Column& column = columns_[i];
    const size_t width = WidthOf(i);
    std::string text = Cell(row, column);
    if (column.shrinks && look_.width != 0) text = Clipped(text, width);
    const std::string pad(width - std::min(width, DisplayWidth(text)), ' ');
    const bool coloured = look_.colour && column.colour != nullptr;
    const std::string cell = coloured ? Coloured(text, column.colour(row)) : text;
    const bool last = i + 1 == columns_.size();
    line += column.right ? pad + cell : cell + (last ? "" : pad);
    if (!last) line += "  ";
  }
  return line + "\n";
}

std::string TabbedLine(const std::vector<Column>& columns, const Json& row) {
  std::string line;
  for (const Column& column : columns) {
    if (!line.empty()) line.push_back('\t');
    line += Cell(row, column);
  }
  return line + "\n";
}

}  // namespace sisyphus::sicli
