// DumpReader: the lines of a dump, one after the other, from a file or a pipe.
#ifndef SISYPHUS_TOOLS_SICLI_TRANSFER_DUMP_READER_H_
#define SISYPHUS_TOOLS_SICLI_TRANSFER_DUMP_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "tools/sicli/transfer/dump.h"

namespace sisyphus::sicli {

// The beginning of a line.
struct DumpPlace {
  uint64_t line = 1;
  uint64_t offset = 0;
  uint64_t keys = 0;  // Before it.
};

class DumpReader {
 public:
  // `name` is what errors call it. Reads `descriptor`, which is not owned, from `place` on: it has
  // to stand there.
  DumpReader(int descriptor, std::string name, DumpPlace place)
      : descriptor_(descriptor), name_(std::move(name)), next_(place) {}
  DumpReader(const DumpReader&) = delete;
  DumpReader& operator=(const DumpReader&) = delete;

  // The next line that is not blank. Nothing: the end. kInvalidArgument: it makes no sense; says
  // where and why, and the line after it can be read. kInternal: the file cannot be read.
  absl::StatusOr<std::optional<DumpLine>> Next();

  // Of the line that was read last.
  const DumpPlace& place() const { return place_; }
  // Behind it.
  const DumpPlace& next() const { return next_; }
  // "dump.ndjson:17: WHAT"
  absl::Status At(const DumpPlace& place, const absl::Status& what) const;

 private:
  // Up to and with a newline, or to the end. Empty: the end. Good until the next call.
  absl::StatusOr<std::string_view> TakeLine();

  const int descriptor_;
  const std::string name_;
  DumpPlace place_;
  DumpPlace next_;
  std::string buffer_;
  size_t begin_ = 0;  // Of what has not been taken.
  bool ended_ = false;
};

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_TRANSFER_DUMP_READER_H_
