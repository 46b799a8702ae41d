#include "tools/sicli/output.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/status.h"

namespace sisyphus::sicli {
namespace {

constexpr size_t kBufferBytes = 64 << 10;
constexpr size_t kLayoutRows = 200;  // So many rows decide how wide the columns of a stream are.

std::string JsonText(const Json& document, int indent) {
  return document.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string RecordText(const Json& record, bool table, bool colour) {
  size_t width = 0;
  for (const auto& [name, value] : record.items()) width = std::max(width, name.size());
  std::string text;
  for (const auto& [name, value] : record.items()) {
    const std::string cell = Escaped(FieldText(record, name));
    if (table) {
      text += Coloured(name, colour ? Colour::kDim : Colour::kNone);
      text.append(width + 2 - name.size(), ' ');
    } else {
      text += name + " ";
    }
    text += cell + "\n";
  }
  return text;
}

// Gathers what is written until it is worth a system call.
class Buffer {
 public:
  Status Add(std::string_view text, bool flush) {
    pending_.append(text);
    return flush || pending_.size() >= kBufferBytes ? Flush() : OkStatus();
  }
  Status Flush() {
    const std::string data = std::exchange(pending_, {});
    return WriteOut(data);
  }

 private:
  std::string pending_;
};

// A line a row, each for itself.
class LineStream final : public RowStream {
 public:
  explicit LineStream(std::function<std::string(const Json&)> line, std::string when_empty = "")
      : line_(std::move(line)), when_empty_(std::move(when_empty)) {}
  Status Add(Json row, bool flush) override {
    when_empty_.clear();
    return buffer_.Add(line_(row), flush);
  }
  Status Finish() override { return buffer_.Add(when_empty_, true); }

 private:
  const std::function<std::string(const Json&)> line_;
  std::string when_empty_;
  Buffer buffer_;
};

class TableStream final : public RowStream {
 public:
  TableStream(std::vector<Column> columns, TableLayout::Look look)
      : layout_(std::move(columns), look) {}

  Status Add(Json row, bool flush) override {
    if (begun_) return buffer_.Add(layout_.Line(row), flush);
    layout_.Fit(row);
    first_.push_back(std::move(row));
    return flush || first_.size() >= kLayoutRows ? Begin() : OkStatus();
  }

  Status Finish() override {
    if (!begun_) SIS_RETURN_IF_ERROR(Begin());
    return buffer_.Flush();
  }

 private:
  Status Begin() {
    begun_ = true;
    SIS_RETURN_IF_ERROR(buffer_.Add(layout_.Header(), false));
    for (const Json& row : std::exchange(first_, {})) {
      SIS_RETURN_IF_ERROR(buffer_.Add(layout_.Line(row), false));
    }
    return buffer_.Flush();
  }

  TableLayout layout_;
  std::vector<Json> first_;
  bool begun_ = false;
  Buffer buffer_;
};

}  // namespace

bool MayColour(int descriptor) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return isatty(descriptor) == 1 && (no_color == nullptr || *no_color == '\0') && term != nullptr &&
         std::string_view(term) != "dumb";
}

Output Output::ForStandardOutput(const Format* chosen) {
  Output output;
  output.terminal_ = isatty(STDOUT_FILENO) == 1;
  output.format_ = output.terminal_ ? Format::kTable : Format::kSimple;
  if (chosen != nullptr) output.format_ = *chosen;
  output.colour_ = MayColour(STDOUT_FILENO);
  winsize size{};
  if (output.terminal_ && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
    output.width_ = size.ws_col;
  }
  return output;
}

Status Output::Record(const Json& record, const std::string& raw) const {
  switch (format_) {
    case Format::kJson:
      return WriteOut(JsonText(record, 2));
    case Format::kYaml:
      return WriteOut(ToYaml(record));
    case Format::kRaw:
      if (!raw.empty()) return WriteOut(FieldText(record, raw));
      [[fallthrough]];
    case Format::kSimple:
      return WriteOut(RecordText(record, false, false));
    case Format::kTable:
      return WriteOut(RecordText(record, true, colour_));
  }
  return OkStatus();
}

std::string Output::RowsText(const std::vector<Column>& columns, const Json& rows,
                             const Json& document) const {
  if (format_ == Format::kJson) return JsonText(document, 2);
  if (format_ == Format::kYaml) return ToYaml(document);
  std::string text;
  if (format_ != Format::kTable) {
    for (const Json& row : rows) text += TabbedLine(columns, row);
    return text;
  }
  TableLayout layout(columns, {.colour = colour_, .width = width_});
  for (const Json& row : rows) layout.Fit(row);
  text = layout.Header();
  for (const Json& row : rows) text += layout.Line(row);
  return text;
}

Status Output::Rows(const std::vector<Column>& columns, const Json& rows,
                    const Json& document) const {
  return WriteOut(RowsText(columns, rows, document));
}

std::unique_ptr<RowStream> Output::Stream(std::vector<Column> columns, std::string raw) const {
  std::function<std::string(const Json&)> line;
  switch (format_) {
    case Format::kTable:
      return std::make_unique<TableStream>(std::move(columns),
                                           TableLayout::Look{.colour = colour_, .width = width_});
    case Format::kJson:
      line = [](const Json& row) { return JsonText(row, -1); };
      break;
    case Format::kYaml:
      return std::make_unique<LineStream>(ToYamlItem, "[]\n");
    case Format::kRaw:
      line = [raw = std::move(raw)](const Json& row) { return FieldText(row, raw) + "\n"; };
      break;
    case Format::kSimple:
      line = [columns = std::move(columns)](const Json& row) { return TabbedLine(columns, row); };
      break;
  }
  return std::make_unique<LineStream>(std::move(line));
}

Status WriteOut(std::string_view data) {
  while (!data.empty()) {
    const ssize_t n = write(STDOUT_FILENO, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      // Never kNotFound or the like: the exit code speaks of the store.
      return MakeStatus(StatusCode::kInternal,
                        std::string(MessageOf(ErrnoStatus(errno, "standard output"))));
    }
    data.remove_prefix(static_cast<size_t>(n));
  }
  return OkStatus();
}

}  // namespace sisyphus::sicli
