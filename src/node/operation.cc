#include "node/operation.h"

#include <algorithm>

namespace sisyphus::node {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

bool IsHex(std::string_view text) {
  return text.find_first_not_of(kHexDigits) == std::string_view::npos;
}

bool IsZero(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

}  // namespace

std::optional<TraceParent> TraceParent::Parse(std::string_view text) {
  if (text.size() < kBytes) return std::nullopt;
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace = text.substr(3, 32);
  const std::string_view parent = text.substr(36, 16);
  const std::string_view flags = text.substr(53, 2);
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  if (!IsHex(version) || !IsHex(trace) || !IsHex(parent) || !IsHex(flags)) return std::nullopt;
  if (version == "ff" || IsZero(trace) || IsZero(parent)) return std::nullopt;
  // Only later versions may say more, behind another dash.
  if (text.size() > kBytes && (version == "00" || text[kBytes] != '-')) return std::nullopt;
  TraceParent parsed;
  std::copy_n(text.begin(), kBytes, parsed.text_.begin());
  return parsed;
}

}  // namespace sisyphus::node
