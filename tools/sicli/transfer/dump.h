// A dump: keys and their values as lines of JSON, as `sicli export` writes and `sicli import` reads
// them.
//
//   {"export":{"format":1,"revision":R,"cluster_id":"...","start":"...","end":"..."}}
//   {"key":"k","value":"v","create_revision":R,"mod_revision":R,"version":N,"lease":ID}
//   ...
//   {"export_end":{"keys":N}}
//
// The first line says what was exported: the keys from "start" (left out: the first) up to "end"
// (left out: the last) as they were at a revision. A line a key follows, ascending by key, as GET
// /v1/kv shows it: bytes that are not UTF-8 are "key_base64" and so on, "lease" is there only if
// the key has one. The last line says that nothing is missing. Lines end in a newline. A dump that
// was not exported may lack the first and the last line, and have blank ones; of a key it needs
// only key and value.
#ifndef SISYPHUS_TOOLS_SICLI_TRANSFER_DUMP_H_
#define SISYPHUS_TOOLS_SICLI_TRANSFER_DUMP_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "sisyphus/client.h"

namespace sisyphus::sicli {

// A value of 16 MiB as JSON writes it at worst, and more.
inline constexpr size_t kMaxLineBytes = 128 << 20;

struct DumpHeader {
  uint64_t revision = 0;
  std::string cluster_id = {};
  KeyRange range = {};
};
struct DumpEnd {
  uint64_t keys = 0;
};
using DumpLine = std::variant<DumpHeader, KeyValue, DumpEnd>;

// With a newline.
std::string LineOf(const DumpHeader& header);
std::string LineOf(const DumpEnd& end);
void AppendLine(const KeyValue& kv, std::string* out);

// `line` without its newline. kInvalidArgument says what is wrong with it.
absl::StatusOr<DumpLine> ParseDumpLine(std::string_view line);

// A file that an export has left, finished or not.
struct DumpFile {
  bool begun = false;  // It has a whole first line.
  DumpHeader header;
  bool finished = false;  // It has its last line.
  uint64_t keys = 0;      // Whole lines with keys.
  std::string last_key;
  uint64_t whole_bytes = 0;  // Up to the end of the last whole line.
};

// Reads all of `file`, in constant memory. kInvalidArgument: that is no export.
absl::StatusOr<DumpFile> InspectDump(const RandomAccessFile& file);

// Looks at both ends of `file`: is it an export that was interrupted?
absl::StatusOr<bool> LacksItsEnd(const RandomAccessFile& file);

// Whether the first and the last line of an export belong to what stands between them.
class Completeness {
 public:
  // The next line, before which there are `keys`. kInvalidArgument: it cannot stand here.
  absl::Status Take(const DumpLine& line, uint64_t keys);
  bool missing_end() const { return begun_ && !ended_; }

 private:
  bool begun_ = false;
  bool ended_ = false;
};

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_TRANSFER_DUMP_H_
