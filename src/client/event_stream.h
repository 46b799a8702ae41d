// Streams of text as they come: lines, and server-sent events (WHATWG HTML, 9.2).
//
// Both take pieces of any size and give whole things. What is kept is one line, or one event, of at
// most kMaxPendingBytes: beyond that it is not SisyphusDB that speaks.
#ifndef SISYPHUS_CLIENT_EVENT_STREAM_H_
#define SISYPHUS_CLIENT_EVENT_STREAM_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace sisyphus::client {

// A value of 16 MiB and the one before it, in base64 or escaped six times as long, with room.
inline constexpr size_t kMaxPendingBytes = 256 << 20;

class LineReader {
 public:
  // Gets a line without its newline; false: enough.
  using OnLine = std::function<bool(std::string_view)>;
  explicit LineReader(OnLine on_line) : on_line_(std::move(on_line)) {}

  // False: enough, or the line is too long.
  bool Add(std::string_view piece);
  // A line has begun.
  bool pending() const { return !line_.empty(); }

 private:
  const OnLine on_line_;
  std::string line_;
};

struct ServerEvent {
  std::string id;  // Empty: none.
  std::string type;
  std::string data;
};

class EventReader {
 public:
  using OnEvent = std::function<bool(const ServerEvent&)>;
  explicit EventReader(OnEvent on_event)
      : lines_([this](std::string_view line) { return TakeLine(line); }),
        on_event_(std::move(on_event)) {}
  EventReader(const EventReader&) = delete;
  EventReader& operator=(const EventReader&) = delete;

  bool Add(std::string_view piece) { return lines_.Add(piece); }

 private:
  bool TakeLine(std::string_view line);

  LineReader lines_;
  const OnEvent on_event_;
  ServerEvent event_;
};

}  // namespace sisyphus::client

#endif  // SISYPHUS_CLIENT_EVENT_STREAM_H_
