// GET /v1/kv: a range of keys, as one JSON object or streamed as lines of JSON.
//
// A walk happens on the scanner actor, in steps that are short enough for others to get their turn.
// An answer that is one object ends at its limit, its size or (a count with a limit) its time, with
// a cursor to the rest. A stream makes one piece at a time, when the client has taken the one
// before.

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "api/cursor.h"
#include "api/handlers.h"
#include "api/key_json.h"
#include "api/problem.h"
#include "api/range_query.h"
#include "api/read_terms.h"
#include "api/write_terms.h"
#include "kv/history.h"

namespace sisyphus::api {
namespace {

constexpr std::string_view kLinesType = "application/x-ndjson";
constexpr uint64_t kDefaultLimit = 1'000;
constexpr size_t kMaxAnswerBytes = 8 << 20;  // Of one object; one more entry may exceed it.
constexpr size_t kPieceBytes = 64 << 10;     // Of a stream.
constexpr size_t kEntriesPerStep = 4'096;

// One walk. On the scanner actor, but for its beginning and end.
class Scan {
 public:
  Scan(Api* api, RangeQuery query, Index revision)
      : api_(api),
        query_(std::move(query)),
        reader_(api->store().NewRangeReader(query_.range, revision, query_.reverse)) {}
  ~Scan() { api_->EndScan(); }
  Scan(const Scan&) = delete;
  Scan& operator=(const Scan&) = delete;

  Api& api() { return *api_; }
  const RangeQuery& query() const { return query_; }
  kv::RangeReader& reader() { return *reader_; }
  uint64_t count() const { return count_; }
  // Everything asked for has been read.
  bool finished() const { return reader_->done() || at_limit(); }

  // Takes entries, as JSON with `separator` between them (or behind them, if `lines`), until `out`
  // has `max_bytes`, the walk is finished, or it is others' turn.
  Status Step(size_t max_bytes, bool lines, std::string* out) {
    size_t steps = 0;
    Status bad;
    const Status read = reader_->Read([&](const kv::RangeReader::Entry& entry) {
      ++count_;
      ++steps;
      if (!query_.count_only) bad = Append(entry, lines, out);
      return bad.ok() && !at_limit() && out->size() < max_bytes && steps < kEntriesPerStep;
    });
    return bad.ok() ? read : bad;
  }

 private:
  bool at_limit() const { return query_.limit && count_ >= *query_.limit; }

  Status Append(const kv::RangeReader::Entry& entry, bool lines, std::string* out) {
    SIS_ASSIGN_OR_RETURN(const kv::VersionedValue value,
                         kv::DecodeTreeValue(entry.tree_value, entry.mod_revision));
    if (!lines && count_ > 1) out->push_back(',');
    AppendKeyValue(out, entry.key, value, query_.keys_only);
    if (lines) out->push_back('\n');
    return OkStatus();
  }

  Api* const api_;
  const RangeQuery query_;
  const std::unique_ptr<kv::RangeReader> reader_;
  uint64_t count_ = 0;
};

void RespondScanProblem(Api& api, Exchange& exchange, const Status& status) {
  if (kv::IsCompacted(status)) return RespondCompacted(api, exchange);
  exchange.RespondProblem(ProblemOf(status, false));
}

// --- One object ---

// A walk whose answer is one object: gathers it, then resumes the exchange.
struct ObjectScan {
  std::unique_ptr<Scan> scan;
  Resumer resumer;
  MonotonicTime deadline;
  // Then it ends with a cursor, whatever is there. Only who gives a count a limit knows of cursors.
  MonotonicTime end_of_part;
  std::string kvs = {};
};

void RespondObject(Exchange& exchange, ObjectScan& done) {
  Scan& scan = *done.scan;
  const Index revision = scan.reader().revision();
  std::string body = scan.query().count_only ? "{" : "{\"kvs\":[" + done.kvs + "],";
  body.append("\"count\":");
  AppendNumber(&body, scan.count());
  body.append(",\"revision\":");
  AppendNumber(&body, revision.value());
  if (!scan.reader().done()) {
    body.append(",\"cursor\":\"");
    body.append(EncodeCursor({revision, scan.query().reverse, scan.reader().rest()}));
    body.push_back('"');
  }
  body.push_back('}');
  exchange.Respond({.content_type = "application/json",
                    .owned_body = std::move(body),
                    .revision = revision.value()});
}

void RunObjectScan(std::unique_ptr<ObjectScan> object) {
  Api& api = object->scan->api();
  Status status = object->scan->Step(kMaxAnswerBytes, /*lines=*/false, &object->kvs);
  const MonotonicTime now = api.options().clock->Now();
  const bool done = object->scan->finished() || object->kvs.size() >= kMaxAnswerBytes ||
                    now >= object->end_of_part;
  if (status.ok() && !done) {
    if (now < object->deadline) {
      api.scanner().Post([next = std::move(object)]() mutable { RunObjectScan(std::move(next)); });
      return;
    }
    status = MakeStatus(StatusCode::kDeadlineExceeded, "the range is too large for one answer");
  }
  Resumer resumer = std::move(object->resumer);
  resumer.Resume([status, ready = std::move(object)](Exchange& resumed) {
    if (!status.ok()) return RespondScanProblem(ready->scan->api(), resumed, status);
    RespondObject(resumed, *ready);
  });
}

// --- A stream of lines ---

struct LineScan {
  explicit LineScan(std::unique_ptr<Scan> s) : scan(std::move(s)) {}
  std::unique_ptr<Scan> scan;
  std::atomic<bool> abandoned{false};
  bool release_planned = false;  // Owned by the scanner actor.
};

// What is pinned is let go of in time, also when the client takes nothing.
void PlanRelease(const std::shared_ptr<LineScan>& lines) {
  if (std::exchange(lines->release_planned, true)) return;
  Api& api = lines->scan->api();
  const Duration age = api.options().limits.max_reader_age;
  api.scanner().PostAfter(age, [&api, age, weak = std::weak_ptr<LineScan>(lines)] {
    const std::shared_ptr<LineScan> still = weak.lock();
    if (still == nullptr) return;
    still->release_planned = false;
    still->scan->reader().ReleaseOlderThan(age, api.options().clock->Now());
    if (!still->scan->finished()) PlanRelease(still);
  });
}

void RunLineScan(std::shared_ptr<LineScan> lines, Resumer resumer, std::string piece) {
  if (lines->abandoned) return;
  Scan& scan = *lines->scan;
  const Status status = scan.Step(kPieceBytes, /*lines=*/true, &piece);
  if (!scan.finished()) PlanRelease(lines);
  if (!status.ok()) {
    resumer.Resume([](Exchange& resumed) { resumed.AbortStream(); });
  } else if (!piece.empty() && (piece.size() >= kPieceBytes || scan.finished())) {
    resumer.Resume([ready = std::move(piece)](Exchange& resumed) { resumed.SendPiece(ready); });
  } else if (scan.finished()) {
    resumer.Resume([](Exchange& resumed) { resumed.EndStream(); });
  } else {
    Api& api = scan.api();
    api.scanner().Post(
        [next = std::move(lines), wake = std::move(resumer), begun = std::move(piece)]() mutable {
          RunLineScan(std::move(next), std::move(wake), std::move(begun));
        });
  }
}

class LineStream final : public AnswerStream {
 public:
  explicit LineStream(std::unique_ptr<Scan> scan)
      : lines_(std::make_shared<LineScan>(std::move(scan))) {}
  ~LineStream() override { lines_->abandoned = true; }

  void Produce(Resumer resumer) override {
    lines_->scan->api().scanner().Post([lines = lines_, wake = std::move(resumer)]() mutable {
      RunLineScan(std::move(lines), std::move(wake), {});
    });
  }

 private:
  const std::shared_ptr<LineScan> lines_;
};

// --- The request ---

bool WantsLines(const RequestHead& head) {
  const auto accept = head.Find("Accept");
  return accept.has_value() && accept->find(kLinesType) != std::string_view::npos;
}

// The local state may be read. What the range holds can still be too old, or not be here yet.
void StartScan(Api& api, Exchange& exchange, RangeQuery query, bool lines) {
  const Index state = api.store().revision();
  const Index revision = query.revision.value_or(state);
  if (revision > state) {
    return query.terms.consistency == kv::Consistency::kStale
               ? exchange.RespondProblem(
                     MakeProblem(503, "this node has not come to that revision yet"))
               : exchange.RespondProblem(MakeProblem(400, "that revision lies in the future"));
  }
  if (revision < api.store().history_floor()) return RespondCompacted(api, exchange);
  if (!api.BeginScan()) {
    return exchange.RespondProblem(MakeProblem(429, "too many ranges are being read"));
  }
  auto scan = std::make_unique<Scan>(&api, std::move(query), revision);
  if (lines) {
    return exchange.RespondStream({.content_type = kLinesType, .revision = revision.value()},
                                  StreamKind::kFinite,
                                  std::make_unique<LineStream>(std::move(scan)));
  }
  const bool in_parts = scan->query().count_only && scan->query().limit;
  const MonotonicTime end_of_part =
      in_parts ? api.options().clock->Now() + api.options().limits.max_count_time
               : MonotonicTime::max();
  auto object = std::make_unique<ObjectScan>(
      ObjectScan{std::move(scan), exchange.Suspend(), api.ReadDeadlineOf(exchange), end_of_part});
  api.scanner().Post([next = std::move(object)]() mutable { RunObjectScan(std::move(next)); });
}

// --- Deleting ---

void RespondDeleted(Exchange& exchange, const kv::DeleteRangeResult& result) {
  std::string& body = exchange.body_scratch();
  body.append("{\"deleted\":");
  AppendNumber(&body, result.deleted);
  body.append(",\"revision\":");
  AppendNumber(&body, result.revision.value());
  body.push_back('}');
  std::string& headers = exchange.header_scratch();
  AppendReplayed(&headers, result.replayed);
  exchange.Respond({.content_type = "application/json",
                    .headers = headers,
                    .body = body,
                    .revision = result.revision.value()});
}

StatusOr<kv::KeyRange> ParseDeleteRange(std::string_view query) {
  SIS_ASSIGN_OR_RETURN(Parameters parameters, Parameters::Parse(query));
  SIS_ASSIGN_OR_RETURN(std::optional<kv::KeyRange> range, TakeRange(&parameters, false));
  SIS_RETURN_IF_ERROR(parameters.Finish());
  if (range) return *std::move(range);
  return MakeStatus(StatusCode::kInvalidArgument,
                    "give prefix, or start and end; an empty prefix is all keys");
}

}  // namespace

void HandleDeleteRange(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckOrRespond(exchange, CheckUnservedHeaders(exchange.head()))) return;
  for (const char* condition : {"If-Match", "If-None-Match"}) {
    if (!exchange.head().Find(condition).has_value()) continue;
    return exchange.RespondProblem(
        MakeProblem(400, "a range is deleted without conditions; a transaction has them"));
  }
  StatusOr<kv::KeyRange> range = ParseDeleteRange(match.query);
  if (!CheckOrRespond(exchange, range.status())) return;
  StatusOr<kv::Retry> retry = RetryOf(exchange.head());
  if (!CheckOrRespond(exchange, retry.status())) return;
  if (!api.AcceptLeaderRequest(exchange, match)) return;
  api.store().DeleteRange(
      {.start = std::move(range->start), .end = std::move(range->end), .retry = *std::move(retry)},
      api.DeadlineOf(exchange),
      [resumer = exchange.Suspend()](StatusOr<kv::DeleteRangeResult> result) mutable {
        resumer.Resume([deleted = std::move(result)](Exchange& resumed) {
          if (!deleted.ok()) return resumed.RespondProblem(ProblemOf(deleted.status(), true));
          RespondDeleted(resumed, *deleted);
        });
      });
}

void HandleRange(Api& api, Exchange& exchange, const Match& match) {
  StatusOr<RangeQuery> query = ParseRangeQuery(match.query);
  if (!CheckOrRespond(exchange, query.status())) return;
  const bool lines = WantsLines(exchange.head()) && !query->count_only;
  if (!lines && !query->count_only && !query->limit) query->limit = kDefaultLimit;
  const kv::ReadTerms terms = query->terms;
  const bool local = terms.consistency == kv::Consistency::kStale;
  if (!local && !api.AcceptLeaderRequest(exchange, match)) return;
  AwaitReadable(api, exchange, terms,
                [&api, lines, asked = *std::move(query)](Exchange& resumed) mutable {
                  StartScan(api, resumed, std::move(asked), lines);
                });
}

}  // namespace sisyphus::api
