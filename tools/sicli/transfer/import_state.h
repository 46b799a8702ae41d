// What an import that may be interrupted has done, in a file beside the dump:
//
//   {"offset":B,"line":L,"keys":N,"tail":"16 hexadecimal digits","cluster_id":"..."}
//
// The N keys before the byte at "offset", where line "line" begins, have been written. "tail" is
// the XXH3 checksum of up to 64 KiB before it: another dump under the same name is found out.
#ifndef SISYPHUS_TOOLS_SICLI_TRANSFER_IMPORT_STATE_H_
#define SISYPHUS_TOOLS_SICLI_TRANSFER_IMPORT_STATE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file_system.h"
#include "tools/sicli/transfer/dump_reader.h"

namespace sisyphus::sicli {

struct ImportState {
  DumpPlace place = {};
  std::string cluster_id = {};
};

// Nothing: there is no file at `path`. kInvalidArgument: it makes no sense, or is about another
// dump.
absl::StatusOr<std::optional<ImportState>> LoadImportState(const std::string& path,
                                                           const RandomAccessFile& dump);
absl::Status SaveImportState(const std::string& path, const RandomAccessFile& dump,
                             const ImportState& state);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_TRANSFER_IMPORT_STATE_H_
