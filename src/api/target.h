// The request target: path and query, and percent-decoding.
//
// Bytes are decoded exactly once, where they are used: a path is matched as it came, a key taken
// out of it is decoded, and "%2525" is the key "%25". In a query '+' stands for a blank, as forms
// write it; in a path it is itself.
#ifndef SISYPHUS_API_TARGET_H_
#define SISYPHUS_API_TARGET_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace sisyphus::api {

struct Target {
  std::string_view path;  // Begins with '/'. Not decoded.
  std::string_view query;
};

// Origin form ("/a?b") and absolute form ("http://host/a?b"). kInvalidArgument: any other form, or
// a fragment.
StatusOr<Target> ParseTarget(std::string_view target);

enum class Plus : uint8_t { kLiteral, kBlank };

// Appends the decoded bytes. False: a '%' that is not followed by two hexadecimal digits.
bool PercentDecode(std::string_view text, Plus plus, std::string* out);

struct QueryParameter {
  std::string name;
  std::string value;
  bool has_value = false;  // "a=" has an empty one, "a" has none.
};

// In order. kInvalidArgument: bad percent-encoding.
StatusOr<std::vector<QueryParameter>> ParseQuery(std::string_view query);

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_TARGET_H_
