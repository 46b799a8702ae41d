// What stands in a request's target beside keys: queries, times, ranges.
#ifndef SISYPHUS_CLIENT_TARGET_H_
#define SISYPHUS_CLIENT_TARGET_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sisyphus/client.h"

namespace sisyphus::client {

// "/v1/kv", and parameters one after the other.
class Target {
 public:
  explicit Target(std::string path) : text_(std::move(path)) {}

  Target& Add(std::string_view name, std::string_view value);
  Target& AddNumber(std::string_view name, uint64_t number);
  Target& AddFlag(std::string_view name);
  Target& AddRange(const KeyRange& range);
  Target& AddRead(const ReadOptions& options);

  const std::string& text() const { return text_; }

 private:
  void Begin(std::string_view name);

  std::string text_;
  bool has_query_ = false;
};

// "1500ms", as the API writes times: a whole number and the largest unit that fits.
std::string DurationText(std::chrono::milliseconds duration);
// Nothing: no such text.
std::optional<std::chrono::milliseconds> ParseDurationText(std::string_view text);

}  // namespace sisyphus::client

#endif  // SISYPHUS_CLIENT_TARGET_H_
