// GET /v1/watch: the changes of some keys, as server-sent events (WHATWG HTML, 9.2).
//
// A watch has no thread and, while nothing happens, no buffer: it is parked in the feed
// (kv/watch_feed.h). Woken, it reads a piece on the watcher actor and sends that; the next piece is
// read when the client has taken it. Only the last event of a revision has an id, so a client that
// resumes from the last id that it saw never begins in the middle of one.

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api/handlers.h"
#include "api/json.h"
#include "api/key_json.h"
#include "api/problem.h"
#include "api/range_query.h"
#include "kv/history.h"

namespace sisyphus::api {
namespace {

// Of events read at once; one more event may exceed it.
constexpr size_t kPieceBytes = 16 << 10;

struct WatchQuery {
  kv::KeyRange range;
  std::optional<Index> from;  // Nothing: behind what is acknowledged now.
  bool previous = false;
};

StatusOr<WatchQuery> ParseWatchQuery(const RequestHead& head, std::string_view text) {
  const auto invalid = [](std::string message) {
    return MakeStatus(StatusCode::kInvalidArgument, std::move(message));
  };
  SIS_ASSIGN_OR_RETURN(Parameters parameters, Parameters::Parse(text));
  WatchQuery query;
  SIS_ASSIGN_OR_RETURN(std::optional<kv::KeyRange> range, TakeRange(&parameters, true));
  if (!range) return invalid("give key, prefix, or start and end; an empty prefix is all keys");
  query.range = *std::move(range);
  SIS_ASSIGN_OR_RETURN(const std::optional<uint64_t> from, TakeNumber(&parameters, "from"));
  if (from == uint64_t{0}) return invalid("revisions begin at 1");
  if (from) query.from = Index(*from);
  SIS_ASSIGN_OR_RETURN(query.previous, parameters.TakeFlag("prev"));
  SIS_RETURN_IF_ERROR(parameters.Finish());
  // A client that resumes asks for the same address as at first, and says how far it came.
  if (const auto last = head.Find("Last-Event-ID"); last.has_value() && !last->empty()) {
    uint64_t revision = 0;
    if (!ParseNumber(*last, &revision) || revision >= kMaxSequence) {
      return invalid("Last-Event-ID is no revision");
    }
    query.from = Index(revision).Next();
  }
  if (query.from && query.from->value() > kMaxSequence) return invalid("from is no revision");
  return query;
}

void AppendEvent(std::string* out, const kv::WatchEvent& event, bool with_previous) {
  if (event.last_of_revision) {
    out->append("id: ");
    AppendNumber(out, event.revision.value());
    out->push_back('\n');
  }
  out->append(event.value ? "event: put\ndata: {\"revision\":"
                          : "event: delete\ndata: {\"revision\":");
  AppendNumber(out, event.revision.value());
  out->push_back(',');
  AppendJsonBytes(out, "key", event.key);
  if (event.value) {
    out->push_back(',');
    AppendJsonBytes(out, "value", event.value->value);
    AppendRevisions(out, *event.value);
  }
  if (with_previous) AppendPrevious(out, event.previous);
  out->append("}\n\n");
}

void AppendProgress(std::string* out, Index told) {
  if (told == Index()) {  // Waits for a revision that is still to come.
    out->append(":\n\n");
    return;
  }
  out->append("id: ");
  AppendNumber(out, told.value());
  out->append("\nevent: progress\ndata: {\"revision\":");
  AppendNumber(out, told.value());
  out->append("}\n\n");
}

// Owned by the watcher actor, but for `abandoned`.
struct WatchJob {
  WatchJob(Api* a, std::unique_ptr<kv::Watch> w, bool p)
      : api(a), watch(std::move(w)), with_previous(p) {}
  Api* const api;
  const std::unique_ptr<kv::Watch> watch;
  const bool with_previous;
  std::atomic<bool> abandoned{false};
  bool live = false;               // It has been told that it caught up.
  std::optional<Resumer> resumer;  // While parked.
};
using WatchJobPointer = std::shared_ptr<WatchJob>;

void PostWatch(WatchJobPointer job, Resumer resumer, bool progress);

// Waits for something to tell; true if that needs no waiting.
bool ParkWatch(const WatchJobPointer& job, Resumer resumer) {
  job->resumer.emplace(std::move(resumer));
  const bool parked = job->watch->Park([job](bool progress) {
    job->api->watcher().Post([job, progress] {
      Resumer waiting = *std::move(job->resumer);
      job->resumer.reset();
      PostWatch(job, std::move(waiting), progress);
    });
  });
  // The client may have gone since the last look, when there was nothing to cancel.
  if (parked && job->abandoned) job->watch->Cancel();
  return !parked;
}

void RunWatch(WatchJobPointer job, Resumer resumer, bool progress) {
  if (job->abandoned) return;
  StatusOr<kv::Watch::Piece> read = job->watch->Read(kPieceBytes);
  if (!read.ok()) {
    // What is below history cannot be told any more; the client learns why when it asks again.
    const bool compacted = kv::IsCompacted(read.status());
    resumer.Resume([compacted](Exchange& resumed) {
      return compacted ? resumed.EndStream() : resumed.AbortStream();
    });
    return;
  }
  std::string piece;
  for (const kv::WatchEvent& event : read->events) AppendEvent(&piece, event, job->with_previous);
  if (read->caught_up && (progress || !std::exchange(job->live, true))) {
    AppendProgress(&piece, job->watch->told());
  }
  if (!piece.empty()) {
    resumer.Resume([ready = std::move(piece)](Exchange& resumed) { resumed.SendPiece(ready); });
    return;
  }
  if (!read->caught_up) return PostWatch(std::move(job), std::move(resumer), progress);
  if (ParkWatch(job, std::move(resumer))) {
    Resumer again = *std::move(job->resumer);
    job->resumer.reset();
    PostWatch(std::move(job), std::move(again), false);
  }
}

void PostWatch(WatchJobPointer job, Resumer resumer, bool progress) {
  Api& api = *job->api;
  api.watcher().Post([next = std::move(job), wake = std::move(resumer), progress]() mutable {
    RunWatch(std::move(next), std::move(wake), progress);
  });
}

class WatchStream final : public AnswerStream {
 public:
  explicit WatchStream(WatchJobPointer job) : job_(std::move(job)) {}
  ~WatchStream() override {
    job_->abandoned = true;
    job_->watch->Cancel();
  }

  void Produce(Resumer resumer) override { PostWatch(job_, std::move(resumer), false); }

 private:
  const WatchJobPointer job_;
};

void StartWatch(Api& api, Exchange& exchange, WatchQuery query, Index from) {
  StatusOr<std::unique_ptr<kv::Watch>> watch = api.store().OpenWatch(
      {.range = std::move(query.range), .from = from, .previous = query.previous});
  if (kv::IsCompacted(watch.status())) return RespondCompacted(api, exchange);
  if (!CheckOrRespond(exchange, watch.status())) return;
  auto job = std::make_shared<WatchJob>(&api, *std::move(watch), query.previous);
  exchange.RespondStream(
      {.content_type = "text/event-stream", .headers = "Cache-Control: no-store\r\n"},
      StreamKind::kEndless, std::make_unique<WatchStream>(std::move(job)));
}

}  // namespace

void HandleWatch(Api& api, Exchange& exchange, const Match& match) {
  StatusOr<WatchQuery> query = ParseWatchQuery(exchange.head(), match.query);
  if (!CheckOrRespond(exchange, query.status())) return;
  if (query->from) {
    const Index from = *query->from;
    return StartWatch(api, exchange, *std::move(query), from);
  }
  api.store().WaitReadable(
      kv::ReadTerms{}, api.ReadDeadlineOf(exchange),
      [&api, resumer = exchange.Suspend(),
       asked = *std::move(query)](const Status& status) mutable {
        resumer.Resume([&api, status, waited = std::move(asked)](Exchange& resumed) mutable {
          if (!status.ok()) return resumed.RespondProblem(ProblemOf(status, false));
          StartWatch(api, resumed, std::move(waited), api.store().revision().Next());
        });
      });
}

}  // namespace sisyphus::api
