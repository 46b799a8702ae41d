// Output: what a command found, on standard output, in the form that was asked for.
//
//   table   aligned columns with a header, in colour: for people, the default on a terminal
//   simple  the same, plain: a line a row with tabs between its cells and no header, "name value"
//           for a single record; the default when standard output is no terminal
//   json    one document; of what streams (scan, watch) one object a line
//   yaml    one document; of what streams one list
//   raw     the values alone, their bytes as they are
//
// A command hands over JSON objects and says which of their fields are columns; it never looks at
// the form. JSON and YAML are for programs: fields keep their names and order.
#ifndef SISYPHUS_TOOLS_SICLI_OUTPUT_H_
#define SISYPHUS_TOOLS_SICLI_OUTPUT_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "tools/sicli/render.h"

namespace sisyphus::sicli {

enum class Format { kTable, kJson, kYaml, kSimple, kRaw };

// Rows that come one after the other, in memory that does not grow with their number.
class RowStream {
 public:
  virtual ~RowStream() = default;
  // The row is seen at once when `flush`; otherwise it may wait for others.
  virtual absl::Status Add(Json row, bool flush) = 0;
  // After the last row. Not after a failure: what was added stands.
  virtual absl::Status Finish() = 0;
};

class Output {
 public:
  // For standard output. `chosen` nullptr: what suits a terminal, or a pipe.
  static Output ForStandardOutput(const Format* chosen);

  // The same in another form.
  Output As(Format format) const {
    Output other = *this;
    other.format_ = format;
    return other;
  }

  Format format() const { return format_; }
  bool terminal() const { return terminal_; }
  bool colour() const { return colour_; }
  size_t width() const { return width_; }  // Of the terminal; 0: it is none.

  // One record: a line for each field. `raw`: the field that is all there is to see in raw.
  absl::Status Record(const Json& record, const std::string& raw = "") const;

  // `rows` (an array of objects) as a table; `document` in json and yaml.
  absl::Status Rows(const std::vector<Column>& columns, const Json& rows,
                    const Json& document) const;
  // What Rows would write. For who redraws it.
  std::string RowsText(const std::vector<Column>& columns, const Json& rows,
                       const Json& document) const;

  // `raw`: the field whose bytes are all there is to see in raw, each with a newline behind it.
  std::unique_ptr<RowStream> Stream(std::vector<Column> columns, std::string raw) const;

 private:
  Format format_ = Format::kSimple;
  bool terminal_ = false;
  bool colour_ = false;
  size_t width_ = 0;
};

// A colour may be used on `descriptor`: a terminal, and neither NO_COLOR nor TERM forbids it.
bool MayColour(int descriptor);

// Writes all of `data` to standard output. kInternal when that fails (a full disk, a closed pipe).
absl::Status WriteOut(std::string_view data);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_OUTPUT_H_
