// The names of files in a store's directory: CURRENT, MANIFEST-n, n.sst (numbers in decimal).
#ifndef SISYPHUS_LSM_FILE_NAMES_H_
#define SISYPHUS_LSM_FILE_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sisyphus::lsm {

enum class FileKind { kTable, kManifest };

std::string TablePath(const std::string& directory, uint64_t number);
std::string ManifestName(uint64_t number);
std::string CurrentPath(const std::string& directory);

struct ParsedName {
  FileKind kind;
  uint64_t number;
};
// Nothing for names that are not numbered files of the engine.
std::optional<ParsedName> ParseFileName(std::string_view name);

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_FILE_NAMES_H_
