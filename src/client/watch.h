// WatchReader: the changes of a range, told once and in order, over as many servers as it takes.
#ifndef SISYPHUS_CLIENT_WATCH_H_
#define SISYPHUS_CLIENT_WATCH_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "client/caller.h"
#include "client/event_stream.h"

namespace sisyphus::client {

class WatchReader final : public StreamReader {
 public:
  WatchReader(const KeyRange& range, const WatchOptions& options,
              std::function<bool(const WatchEvent&)> each);

  HttpRequest Request() override;
  void Begin(const HttpResponse& head) override;
  bool Add(std::string_view piece) override { return events_->Add(piece); }
  // A watch that fell behind history ends: who asks again is told so.
  bool End() override { return false; }
  Status status() const override { return status_; }

 private:
  bool TakeEvent(const ServerEvent& event);
  // This was told before the last server broke off in the middle of a revision.
  bool IsRepeat(const WatchEvent& event) const;

  const KeyRange range_;
  const bool previous_;
  const std::function<bool(const WatchEvent&)> each_;
  std::optional<uint64_t> from_;  // The first revision that has not been told whole.
  // How far the revision that has been told in part has come: keys ascend in it.
  uint64_t partial_revision_ = 0;
  std::string partial_key_;
  std::optional<EventReader> events_;
  Status status_;
};

}  // namespace sisyphus::client

#endif  // SISYPHUS_CLIENT_WATCH_H_
