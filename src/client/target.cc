#include "client/target.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "client/endpoint.h"

namespace sisyphus {

KeyRange KeyRange::Prefix(std::string_view prefix) {
  KeyRange range{std::string(prefix), std::string(prefix)};
  while (!range.end.empty() && static_cast<uint8_t>(range.end.back()) == 0xff) range.end.pop_back();
  if (!range.end.empty()) ++range.end.back();
  return range;
}

KeyRange KeyRange::Key(std::string_view key) { return {std::string(key), std::string(key) + '\0'}; }

namespace client {
namespace {

constexpr std::pair<std::string_view, int64_t> kUnitsMs[] = {
    {"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1'000}, {"ms", 1}};

}  // namespace

void Target::Begin(std::string_view name) {
  text_.push_back(std::exchange(has_query_, true) ? '&' : '?');
  text_.append(name);
}

Target& Target::Add(std::string_view name, std::string_view value) {
  Begin(name);
  text_.append("=").append(EncodeKey(value));
  return *this;
}

Target& Target::AddNumber(std::string_view name, uint64_t number) {
  return Add(name, std::to_string(number));
}

Target& Target::AddFlag(std::string_view name) {
  Begin(name);
  return *this;
}

Target& Target::AddRange(const KeyRange& range) {
  if (range.start.empty() && range.end.empty()) return Add("prefix", "");
  if (!range.start.empty()) Add("start", range.start);
  if (!range.end.empty()) Add("end", range.end);
  return *this;
}

Target& Target::AddRead(const ReadOptions& options) {
  if (options.consistency == ReadConsistency::kLease) Add("consistency", "lease");
  if (options.consistency == ReadConsistency::kStale) Add("consistency", "stale");
  if (options.max_stale) Add("max_stale", DurationText(*options.max_stale));
  if (options.min_revision) AddNumber("min_revision", *options.min_revision);
  if (options.revision) AddNumber("revision", *options.revision);
  return *this;
}

std::string DurationText(std::chrono::milliseconds duration) {
  for (const auto& [unit, ms] : kUnitsMs) {
    if (duration.count() % ms != 0 || (duration.count() == 0 && ms != 1)) continue;
    return std::to_string(duration.count() / ms) + std::string(unit);
  }
  return "";  // Not reached: everything is a number of milliseconds.
}

std::optional<std::chrono::milliseconds> ParseDurationText(std::string_view text) {
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || count < 0) return std::nullopt;
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  for (const auto& [name, ms] : kUnitsMs) {
    if (name != unit) continue;
    if (count > INT64_MAX / ms) return std::nullopt;
    return std::chrono::milliseconds(count * ms);
  }
  return std::nullopt;
}

}  // namespace client
}  // namespace sisyphus
