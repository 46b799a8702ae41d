#include "tests/support/conformance.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace sisyphus::testing {

std::optional<std::string> ConformanceDir(std::string_view sub) {
  const char* configured = std::getenv("SISYPHUS_CONFORMANCE_DIR");
  const std::filesystem::path base =
      configured != nullptr && *configured != '\0'
          ? std::filesystem::path(configured)
          : std::filesystem::path(SISYPHUS_SOURCE_DIR) / ".." / "shared" / "conformance";
  const std::filesystem::path folder = (base / sub).lexically_normal();
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) return std::nullopt;
  return folder.string();
}

void PrintPassed(std::string_view sub, size_t cases) {
  std::printf("counts: %.*s=%zu\n", static_cast<int>(sub.size()), sub.data(), cases);
}

std::optional<std::string> ReadTestFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

}  // namespace sisyphus::testing
