#include "client/scan.h"

#include <charconv>
#include <utility>

#include "client/json.h"
#include "client/target.h"

namespace sisyphus::client {

ScanReader::ScanReader(KeyRange range, RangeOptions options, std::function<bool(KeyValue)> each)
    : range_(std::move(range)), options_(options), each_(std::move(each)) {}

HttpRequest ScanReader::Request() {
  Target target("/v1/kv");
  target.AddRange(range_).AddRead(options_.read);
  if (options_.limit != 0) target.AddNumber("limit", options_.limit);
  if (options_.keys_only) target.AddFlag("keys_only");
  if (options_.reverse) target.AddFlag("reverse");
  return {.method = "GET",
          .target = target.text(),
          .headers = {{"Accept", "application/x-ndjson"}},
          .body = {}};
}

void ScanReader::Begin(const HttpResponse& head) {
  lines_.emplace([this](std::string_view line) { return TakeLine(line); });
  if (options_.read.revision) return;
  // From here on, wherever it goes on, all is of this revision.
  uint64_t revision = 0;
  const std::string& text = head.revision;
  std::from_chars(text.data(), text.data() + text.size(), revision);
  if (revision != 0) options_.read.revision = revision;
}

bool ScanReader::TakeLine(std::string_view line) {
  KeyValue kv;
  if (!ReadKeyValue(ObjectOf(line), &kv)) {
    status_ = MakeStatus(StatusCode::kUnknown, "not an answer of SisyphusDB: a line is no key");
    return false;
  }
  if (options_.reverse) {
    range_.end = kv.key;
  } else {
    range_.start = kv.key + '\0';
  }
  const bool last = options_.limit != 0 && --options_.limit == 0;
  return each_(std::move(kv)) && !last;
}

}  // namespace sisyphus::client
