#include "client/caller.h"

#include <algorithm>
#include <utility>

#include "base/entropy.h"
#include "base/thread_executor.h"

namespace sisyphus::client {
namespace {

constexpr int kMaxRedirects = 5;
constexpr Duration kFirstPause = std::chrono::milliseconds(5);
constexpr Duration kLongestPause = std::chrono::milliseconds(200);
// Of the time for a call, what is kept for the answer to a write: a fifth, at most a second.
constexpr int kShareForAnAnswer = 5;
constexpr Duration kTimeForAnAnswer = std::chrono::seconds(1);

std::string NewSession(Rng* rng) {
  constexpr char kAlphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
  std::string session = "c-";
  for (int i = 0; i < 26; ++i) session.push_back(kAlphabet[rng->Between(0, 31)]);
  return session;
}

Status CancelledError() { return MakeStatus(StatusCode::kCancelled, "cancelled"); }

Status OutcomeUnknown(const Status& status) {
  constexpr std::string_view kSays = "the outcome of the write is unknown: ";
  std::string message(MessageOf(status));
  if (!message.starts_with(kSays)) message.insert(0, kSays);
  return MakeStatus(StatusCode::kDeadlineExceeded, message);
}

}  // namespace

Caller::Caller(ClientOptions options, const std::vector<Endpoint>& endpoints)
    : options_(std::move(options)), configured_(endpoints.size()), rng_(OsEntropy()) {
  for (const Endpoint& endpoint : endpoints) {
    connections_.push_back(std::make_unique<Connection>(endpoint, &cancellation_));
  }
  if (options_.safe_retries) session_ = NewSession(&rng_);
}

void Caller::BeginCall() {
  elsewhere_ = nullptr;
  failures_ = 0;
  redirects_ = 0;
  longest_pause_ = kFirstPause;
}

StatusOr<HttpResponse> Caller::Call(HttpRequest request, CallKind kind) {
  bool repeatable = kind == CallKind::kRead;
  if (kind == CallKind::kWrite && !session_.empty()) {
    repeatable = true;
    request.headers.emplace_back("Idempotency-Key", session_ + ":" + std::to_string(++sequence_));
  }
  if (options_.instead_of_sending) return ShowInstead(request, false);
  const MonotonicTime deadline = RealClock().Now() + Duration(options_.timeout);
  BeginCall();
  bool lost = false;  // An attempt may have been applied, and nobody said so.
  // A write that was refused is not begun again with so little time left that its answer might not
  // come: its outcome would be unknown, where now it is known.
  const MonotonicTime last_begin =
      kind == CallKind::kRead
          ? deadline
          : deadline - std::min<Duration>(options_.timeout / kShareForAnAnswer, kTimeForAnAnswer);
  while (true) {
    HttpResponse response = SendOnce(request, kind, repeatable, deadline);
    const bool no_answer = response.outcome == HttpResponse::Outcome::kNoAnswer;
    SIS_RETURN_IF_ERROR(CheckCancelled(response, lost || (kind != CallKind::kRead && no_answer)));
    Verdict verdict = Judge(response, kind != CallKind::kRead);
    const bool unknown = verdict.status.code() == StatusCode::kDeadlineExceeded;
    if (unknown && repeatable) {
      lost = true;
      verdict.next = Next::kRetry;
    }
    if (verdict.next == Next::kDone) {
      if (verdict.status.ok()) return response;
      // The cluster knows this write, but not any more what it answered.
      if (lost && verdict.status.code() == StatusCode::kAborted) {
        return OutcomeUnknown(verdict.status);
      }
      return verdict.status;
    }
    const Status end = MoveOn(response, verdict, lost ? deadline : last_begin);
    if (!end.ok()) return lost ? OutcomeUnknown(end) : end;
  }
}

Status Caller::Stream(StreamReader& reader, Duration silence, bool endless) {
  if (options_.instead_of_sending) return ShowInstead(reader.Request(), endless);
  MonotonicTime deadline = RealClock().Now() + Duration(options_.timeout);
  BeginCall();
  while (true) {
    const MonotonicTime connect =
        std::min(deadline, RealClock().Now() + Duration(options_.attempt_timeout));
    bool stopped = false;
    const HttpResponse response =
        Current().Stream(reader.Request(), connect, silence,
                         {.begin = [&](const HttpResponse& head) { reader.Begin(head); },
                          .add =
                              [&](std::string_view piece) {
                                deadline = RealClock().Now() + Duration(options_.timeout);
                                stopped = !reader.Add(piece);
                                return !stopped && !cancellation_.cancelled();
                              }});
    if (stopped || !reader.status().ok()) return reader.status();
    if (cancellation_.cancelled()) return CancelledError();
    Verdict verdict = Judge(response, /*write=*/false);
    if (verdict.next == Next::kDone) {
      if (!verdict.status.ok()) return verdict.status;
      if (reader.End()) return reader.status();
      verdict = {Next::kRetry, MakeStatus(StatusCode::kUnavailable, "the stream ended early")};
    }
    SIS_RETURN_IF_ERROR(MoveOn(response, verdict, deadline));
  }
}

StatusOr<HttpResponse> Caller::AskAround(const HttpRequest& request) {
  if (options_.instead_of_sending) return ShowInstead(request, false);
  const MonotonicTime deadline = RealClock().Now() + options_.timeout;
  BeginCall();
  HttpResponse response;
  for (current_ = 0; current_ < configured_; ++current_) {
    response = SendOnce(request, CallKind::kRead, true, deadline);
    SIS_RETURN_IF_ERROR(CheckCancelled(response, /*maybe_applied=*/false));
    if (Judge(response, false).status.ok()) break;
  }
  current_ %= configured_;
  return response;
}

Status Caller::ShowInstead(const HttpRequest& request, bool endless) {
  options_.instead_of_sending(
      {.method = request.method,
       .url = "http://" + connections_[current_]->endpoint().ToString() + request.target,
       .headers = request.headers,
       .body = request.body,
       .endless = endless});
  return MakeStatus(StatusCode::kCancelled, "shown, not sent");
}

HttpResponse Caller::SendOnce(const HttpRequest& request, CallKind kind, bool repeatable,
                              MonotonicTime deadline) {
  const MonotonicTime attempt =
      std::min(deadline, RealClock().Now() + Duration(options_.attempt_timeout));
  // What cannot be asked for again is waited for as long as there is time.
  const bool patient = kind != CallKind::kRead && !repeatable;
  return Current().Send(request, attempt, patient ? deadline : attempt);
}

Status Caller::MoveOn(const HttpResponse& response, const Verdict& verdict,
                      MonotonicTime deadline) {
  if (RealClock().Now() >= deadline) return verdict.status;
  if (verdict.next == Next::kRedirect && ++redirects_ <= kMaxRedirects) {
    // Another server is asked for the same: the path in the URL is not used, since httplib decodes
    // header values and so cannot tell a%2Fb from a/b.
    SIS_ASSIGN_OR_RETURN(const Endpoint endpoint, EndpointOfUrl(response.location));
    elsewhere_ = &ConnectionTo(endpoint);
    return OkStatus();
  }
  elsewhere_ = nullptr;
  redirects_ = 0;
  current_ = (current_ + 1) % configured_;
  if (++failures_ % configured_ == 0) {
    // Twice as long each time, with jitter so that many clients of a cluster without leader do not
    // come back together.
    const auto most = static_cast<uint64_t>(longest_pause_.count());
    cancellation_.PauseUntil(
        std::min(deadline, RealClock().Now() + Duration(rng_.Between(most / 2, most))));
    longest_pause_ = std::min(longest_pause_ * 2, kLongestPause);
  }
  return RealClock().Now() >= deadline ? verdict.status : OkStatus();
}

Status Caller::CheckCancelled(const HttpResponse& response, bool maybe_applied) const {
  if (response.outcome == HttpResponse::Outcome::kAnswered || !cancellation_.cancelled()) {
    return OkStatus();
  }
  return maybe_applied
             ? MakeStatus(StatusCode::kCancelled, "cancelled; the outcome of the write is unknown")
             : CancelledError();
}

Connection& Caller::ConnectionTo(const Endpoint& endpoint) {
  for (const auto& connection : connections_) {
    if (connection->endpoint() == endpoint) return *connection;
  }
  // Room for one server that nobody configured: a cluster has few, and one leader.
  connections_.resize(configured_);
  connections_.push_back(std::make_unique<Connection>(endpoint, &cancellation_));
  return *connections_.back();
}

}  // namespace sisyphus::client
