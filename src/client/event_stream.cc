#include "client/event_stream.h"

#include <utility>

namespace sisyphus::client {

bool LineReader::Add(std::string_view piece) {
  while (true) {
    const size_t end = piece.find('\n');
    if (end == std::string_view::npos) break;
    std::string_view line = piece.substr(0, end);
    piece.remove_prefix(end + 1);
    if (line_.empty()) {
      if (!on_line_(line)) return false;
      continue;
    }
    line_.append(line);
    const std::string whole = std::exchange(line_, {});
    if (!on_line_(whole)) return false;
  }
  line_.append(piece);
  return line_.size() <= kMaxPendingBytes;
}

bool EventReader::TakeLine(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (line.empty()) {
    const ServerEvent event = std::exchange(event_, {});
    return event.data.empty() || on_event_(event);
  }
  const size_t colon = line.find(':');
  if (colon == 0) return true;  // A comment.
  const std::string_view name = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (name == "id") event_.id = value;
  if (name == "event") event_.type = value;
  if (name == "data") {
    if (!event_.data.empty()) event_.data.push_back('\n');
    event_.data.append(value);
  }
  return event_.data.size() <= kMaxPendingBytes;
}

}  // namespace sisyphus::client
