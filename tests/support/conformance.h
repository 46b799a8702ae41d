// Where the conformance material is: vectors that other implementations agree on.
#ifndef SISYPHUS_TESTS_SUPPORT_CONFORMANCE_H_
#define SISYPHUS_TESTS_SUPPORT_CONFORMANCE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace sisyphus::testing {

// The folder `sub` of the material, in SISYPHUS_CONFORMANCE_DIR if that is set, else beside the
// source tree. Nothing if it is not there: the test says so and is skipped.
std::optional<std::string> ConformanceDir(std::string_view sub);

// Says that `cases` of the folder `sub` have passed: tools/test adds up what all tests say.
void PrintPassed(std::string_view sub, size_t cases);

// The whole file, on the real file system; nothing if it cannot be read.
std::optional<std::string> ReadTestFile(const std::string& path);

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SUPPORT_CONFORMANCE_H_
