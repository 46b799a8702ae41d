// ScanReader: a range as lines of JSON, read over as many servers as it takes.
#ifndef SISYPHUS_CLIENT_SCAN_H_
#define SISYPHUS_CLIENT_SCAN_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "client/caller.h"
#include "client/event_stream.h"

namespace sisyphus::client {

class ScanReader final : public StreamReader {
 public:
  ScanReader(KeyRange range, RangeOptions options, std::function<bool(KeyValue)> each);

  HttpRequest Request() override;
  void Begin(const HttpResponse& head) override;
  bool Add(std::string_view piece) override { return lines_->Add(piece); }
  bool End() override { return true; }
  Status status() const override { return status_; }

  // That everything is of; 0: none was told.
  uint64_t revision() const { return options_.read.revision.value_or(0); }

 private:
  bool TakeLine(std::string_view line);

  KeyRange range_;        // What has not come yet.
  RangeOptions options_;  // Likewise the limit; the revision once it is known.
  const std::function<bool(KeyValue)> each_;
  std::optional<LineReader> lines_;
  Status status_;
};

}  // namespace sisyphus::client

#endif  // SISYPHUS_CLIENT_SCAN_H_
