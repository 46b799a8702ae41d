#include "lsm/file_names.h"

#include <charconv>

namespace sisyphus::lsm {
namespace {

constexpr std::string_view kManifestPrefix = "MANIFEST-";
constexpr std::string_view kTableSuffix = ".sst";

}  // namespace

std::string TablePath(const std::string& directory, uint64_t number) {
  return directory + "/" + std::to_string(number) + std::string(kTableSuffix);
}

std::string ManifestName(uint64_t number) {
  return std::string(kManifestPrefix) + std::to_string(number);
}

std::string CurrentPath(const std::string& directory) { return directory + "/CURRENT"; }

std::optional<ParsedName> ParseFileName(std::string_view name) {
  ParsedName parsed{FileKind::kTable, 0};
  if (name.starts_with(kManifestPrefix)) {
    parsed.kind = FileKind::kManifest;
    name.remove_prefix(kManifestPrefix.size());
  } else if (name.ends_with(kTableSuffix)) {
    name.remove_suffix(kTableSuffix.size());
  } else {
    return std::nullopt;
  }
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), parsed.number);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return parsed;
}

}  // namespace sisyphus::lsm
