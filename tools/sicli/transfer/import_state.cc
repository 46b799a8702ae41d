#include "tools/sicli/transfer/import_state.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/checksum.h"
#include "base/posix_file_system.h"
#include "base/status.h"
#include "client/json.h"

namespace sisyphus::sicli {
namespace {

constexpr uint64_t kTailBytes = 64 << 10;

StatusOr<std::string> TailOf(const RandomAccessFile& dump, uint64_t offset) {
  const uint64_t bytes = std::min(offset, kTailBytes);
  std::string scratch(bytes, '\0');
  SIS_ASSIGN_OR_RETURN(const std::string_view tail,
                       dump.ReadAt(offset - bytes, bytes, scratch.data()));
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(Checksum(tail)));
  return std::string(text);
}

}  // namespace

StatusOr<std::optional<ImportState>> LoadImportState(const std::string& path,
                                                     const RandomAccessFile& dump) {
  SIS_ASSIGN_OR_RETURN(const bool there, PosixFileSystem().Exists(path));
  if (!there) return std::optional<ImportState>();
  SIS_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(PosixFileSystem(), path));
  const client::Json object = client::ObjectOf(text);
  const auto offset = client::NumberIn(object, "offset");
  const auto line = client::NumberIn(object, "line");
  if (!offset || !line || *line == 0) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      path + " makes no sense; delete it to begin anew");
  }
  const bool fits = *offset <= dump.size();
  SIS_ASSIGN_OR_RETURN(const std::string tail, TailOf(dump, fits ? *offset : 0));
  if (!fits || tail != client::TextIn(object, "tail")) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      path + " is about another file; delete it to begin anew");
  }
  ImportState state{.place = {.line = *line, .offset = *offset},
                    .cluster_id = client::TextIn(object, "cluster_id")};
  state.place.keys = client::NumberIn(object, "keys").value_or(0);
  return std::optional(std::move(state));
}

Status SaveImportState(const std::string& path, const RandomAccessFile& dump,
                       const ImportState& state) {
  SIS_ASSIGN_OR_RETURN(const std::string tail, TailOf(dump, state.place.offset));
  const client::Json object = {{"offset", state.place.offset},
                               {"line", state.place.line},
                               {"keys", state.place.keys},
                               {"tail", tail},
                               {"cluster_id", state.cluster_id}};
  return WriteFileAtomically(PosixFileSystem(), path, object.dump() + "\n");
}

}  // namespace sisyphus::sicli
