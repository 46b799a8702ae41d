#include "client/watch.h"

#include <charconv>
#include <utility>

#include "client/json.h"
#include "client/target.h"

namespace sisyphus::client {
namespace {

bool ReadWatchEvent(const ServerEvent& event, WatchEvent* out) {
  const Json data = ObjectOf(event.data);
  const std::optional<uint64_t> revision = NumberIn(data, "revision");
  if (!revision) return false;
  out->revision = *revision;
  out->last_of_revision = !event.id.empty();
  if (event.type == "progress") {
    out->type = WatchEvent::Type::kProgress;
    return true;
  }
  if (!BytesIn(data, "key", &out->kv.key)) return false;
  if (const auto previous = data.find("prev"); previous != data.end() && previous->is_object()) {
    KeyValue& before = out->previous.emplace();
    if (!BytesIn(*previous, "value", &before.value)) return false;
    before.create_revision = NumberIn(*previous, "create_revision").value_or(0);
    before.mod_revision = NumberIn(*previous, "mod_revision").value_or(0);
    before.version = NumberIn(*previous, "version").value_or(0);
    before.lease = NumberIn(*previous, "lease").value_or(0);
  }
  if (event.type == "delete") {
    out->type = WatchEvent::Type::kDelete;
    return true;
  }
  out->type = WatchEvent::Type::kPut;
  return event.type == "put" && ReadKeyValue(data, &out->kv);
}

}  // namespace

WatchReader::WatchReader(const KeyRange& range, const WatchOptions& options,
                         std::function<bool(const WatchEvent&)> each)
    : range_(range), previous_(options.previous), each_(std::move(each)), from_(options.from) {}

HttpRequest WatchReader::Request() {
  Target target("/v1/watch");
  target.AddRange(range_);
  if (from_) target.AddNumber("from", *from_);
  if (previous_) target.AddFlag("prev");
  return {.method = "GET",
          .target = target.text(),
          .headers = {{"Accept", "text/event-stream"}},
          .body = {}};
}

void WatchReader::Begin(const HttpResponse&) {
  events_.emplace([this](const ServerEvent& event) { return TakeEvent(event); });
}

bool WatchReader::IsRepeat(const WatchEvent& event) const {
  return event.type != WatchEvent::Type::kProgress && event.revision == partial_revision_ &&
         event.kv.key <= partial_key_;
}

bool WatchReader::TakeEvent(const ServerEvent& event) {
  WatchEvent told;
  if (!ReadWatchEvent(event, &told)) {
    status_ = MakeStatus(StatusCode::kUnknown, "not an answer of SisyphusDB: a strange event");
    return false;
  }
  const bool repeat = IsRepeat(told);
  if (told.last_of_revision) {
    from_ = told.revision + 1;
    partial_revision_ = 0;
  } else if (!repeat) {
    partial_revision_ = told.revision;
    partial_key_ = told.kv.key;
  }
  return repeat || each_(told);
}

}  // namespace sisyphus::client
