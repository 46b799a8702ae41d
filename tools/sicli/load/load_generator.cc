#include "tools/sicli/load/load_generator.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <deque>
#include <memory>
#include <utility>

#include "base/rng.h"
#include "base/thread_executor.h"
#include "tools/sicli/load/closed_loop.h"

namespace sisyphus::sicli {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

constexpr Duration kSweep = milliseconds(10);
// A connection that could not be made is not tried again at once: a dead server would fail requests
// much faster than a live one answers them.
constexpr Duration kCooldown = milliseconds(100);
constexpr Duration kShortestSlot = milliseconds(50);
constexpr Duration kGoodbye = seconds(1);  // For requests in flight when it is interrupted.
constexpr uint64_t kKeysDeletedAtOnce = 10'000;
constexpr size_t kRandomBytes = 64 << 10;

MonotonicTime Now() { return RealClock().Now(); }

Duration ThreadTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return seconds(time.tv_sec) + Duration(time.tv_nsec);
}

// Room for every connection. kInvalidArgument: the system does not allow as many.
Status AllowDescriptors(uint64_t wanted) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return OkStatus();
  limit.rlim_cur = std::min<rlim_t>(wanted, limit.rlim_max);
  if (limit.rlim_cur == wanted && setrlimit(RLIMIT_NOFILE, &limit) == 0) return OkStatus();
  return MakeStatus(StatusCode::kInvalidArgument, "this system allows a process " +
                                                      std::to_string(limit.rlim_max) +
                                                      " open files: use fewer --connections");
}

// The text of requests for the keys of one run.
class RequestMaker {
 public:
  explicit RequestMaker(const LoadOptions& options)
      : options_(options), rng_(options.seed), random_(kRandomBytes + options.value_size, '\0') {
    for (char& c : random_) c = static_cast<char>(rng_.Below(256));
  }

  uint64_t AnyKey() { return rng_.Below(options_.keys); }
  bool IsGet() { return rng_.Below(100) < options_.gets_of_100; }

  HttpText Put(uint64_t key, const HttpServer& server) {
    HttpText text = {
        Head("PUT", "/v1/kv/" + Name(key), server,
             "Content-Length: " + std::to_string(options_.value_size) + "\r\n"),
        std::string_view(random_).substr(rng_.Below(kRandomBytes), options_.value_size)};
    return text;
  }

  HttpText Get(uint64_t key, const HttpServer& server) const {
    std::string target = "/v1/kv/" + Name(key);
    if (!options_.consistency.empty()) target += "?consistency=" + options_.consistency;
    return {Head("GET", target, server, ""), {}};
  }

  HttpText DeleteFrom(uint64_t key, const HttpServer& server) const {
    const std::string target =
        "/v1/kv?start=" + Name(key) + "&end=" + Name(key + kKeysDeletedAtOnce);
    return {Head("DELETE", target, server, ""), {}};
  }

 private:
  std::string Name(uint64_t key) const {
    char digits[16];
    std::snprintf(digits, sizeof(digits), "%08llu", static_cast<unsigned long long>(key));
    return options_.key_prefix + digits;
  }

  static std::string Head(const char* method, const std::string& target, const HttpServer& server,
                          const std::string& more) {
    return std::string(method) + " " + target + " HTTP/1.1\r\nHost: " + server.endpoint.ToString() +
           "\r\n" + more + "\r\n";
  }

  const LoadOptions& options_;
  Rng rng_;
  std::string random_;  // Values are pieces of it.
};

// The measured part of a run.
class OpenLoop {
 public:
  OpenLoop(asio::io_context& context, const HttpChannels& channels, const LoadOptions& options,
           RequestMaker& maker)
      : context_(context),
        channels_(channels),
        options_(options),
        maker_(maker),
        due_timer_(context),
        sweep_timer_(context),
        signals_(context, SIGINT, SIGTERM),
        total_(static_cast<uint64_t>(
            std::llround(options.rate * std::chrono::duration<double>(options.duration).count()))) {
    total_ = std::max<uint64_t>(total_, 1);
    const Duration fair = options.duration / LoadResult::kMostSlots;
    result_.slot_length = std::max({fair, kShortestSlot, Duration(1)});
    const auto slots = (options.duration + result_.slot_length - Duration(1)) / result_.slot_length;
    result_.slots.resize(static_cast<size_t>(std::max<int64_t>(slots, 1)));
  }

  LoadResult Run();

 private:
  MonotonicTime DueAt(uint64_t i) const {
    return start_ + Duration(std::llround(static_cast<double>(i) * 1e9 / options_.rate));
  }
  bool HasDue(MonotonicTime now) const { return next_ < total_ && DueAt(next_) <= now; }
  void Dispatch(MonotonicTime now);
  void Begin(HttpChannel& channel, MonotonicTime now);
  void Complete(HttpChannel& channel, uint64_t i, bool get, const HttpReply& reply);
  void CountFailure(uint64_t i, const HttpReply& reply);
  void Free(HttpChannel& channel, const HttpReply& reply, MonotonicTime now);
  LoadSlot& SlotOf(uint64_t i);
  void WaitForDue();
  void Sweep();
  void Report(MonotonicTime now);
  void AwaitSignal();
  void Interrupt(MonotonicTime now);
  bool Finished() const { return next_ >= total_ && in_flight_ == 0; }

  asio::io_context& context_;
  const HttpChannels& channels_;
  const LoadOptions& options_;
  RequestMaker& maker_;
  asio::steady_timer due_timer_;
  asio::steady_timer sweep_timer_;
  asio::signal_set signals_;

  uint64_t total_;     // Requests of the whole run.
  uint64_t next_ = 0;  // The first one that is not sent.
  uint64_t in_flight_ = 0;
  MonotonicTime start_{};
  MonotonicTime last_{};           // Nothing is sent, and no answer waited for, from here on.
  std::deque<HttpChannel*> free_;  // Taken in turn, so that none of them stays idle for long.
  std::deque<std::pair<MonotonicTime, HttpChannel*>> cooling_;
  MonotonicTime timer_set_{};
  bool timer_pending_ = false;
  MonotonicTime reported_{};
  LatencyHistogram since_report_;
  bool stopped_ = false;
  LoadResult result_;
};

LoadResult OpenLoop::Run() {
  prctl(PR_SET_TIMERSLACK, 1000UL);  // Nanoseconds; by default the kernel adds up to 50 us.
  context_.restart();
  const Duration thread_time = ThreadTime();
  start_ = Now();
  reported_ = start_;
  last_ = DueAt(total_) + options_.timeout;
  for (const auto& channel : channels_) free_.push_back(channel.get());
  AwaitSignal();
  Sweep();
  Dispatch(start_);
  while (!stopped_ && !Finished()) context_.run_one();
  const MonotonicTime end = Now();
  stopped_ = true;
  due_timer_.cancel();
  sweep_timer_.cancel();
  signals_.cancel();
  context_.poll();  // What has been queued for this object, while it lives.
  result_.duration = end - start_;
  result_.processor_share =
      std::chrono::duration<double>(ThreadTime() - thread_time) / (end - start_);
  return std::move(result_);
}

void OpenLoop::Dispatch(MonotonicTime now) {
  if (stopped_) return;
  if (now >= last_ && next_ < total_) {
    // The schedule has been over for a whole timeout: these will not be sent.
    result_.unsent += total_ - next_;
    result_.due += total_ - next_;
    for (; next_ < total_; ++next_) ++SlotOf(next_).failed;
  }
  while (!free_.empty() && HasDue(now)) {
    HttpChannel* const channel = free_.front();
    free_.pop_front();
    Begin(*channel, now);
  }
  WaitForDue();
}

void OpenLoop::Begin(HttpChannel& channel, MonotonicTime now) {
  const uint64_t i = next_++;
  ++in_flight_;
  const bool get = maker_.IsGet();
  const uint64_t key = maker_.AnyKey();
  HttpText text = get ? maker_.Get(key, channel.server()) : maker_.Put(key, channel.server());
  channel.Send(
      std::move(text.head), text.body, std::min(now + options_.timeout, last_),
      [this, &channel, i, get](const HttpReply& reply) { Complete(channel, i, get, reply); });
}

void OpenLoop::Complete(HttpChannel& channel, uint64_t i, bool get, const HttpReply& reply) {
  if (stopped_) return;
  const MonotonicTime now = Now();
  --in_flight_;
  ++result_.due;
  if (reply.outcome == HttpReply::Outcome::kAnswered && reply.status / 100 == 2) {
    const Duration latency = now - DueAt(i);
    (get ? result_.gets : result_.puts).Record(latency);
    SlotOf(i).latency.Record(latency);
    since_report_.Record(latency);
  } else {
    CountFailure(i, reply);
  }
  Free(channel, reply, now);
  Dispatch(now);
}

void OpenLoop::CountFailure(uint64_t i, const HttpReply& reply) {
  ++SlotOf(i).failed;
  std::string why;
  switch (reply.outcome) {
    case HttpReply::Outcome::kAnswered:
      why = std::to_string(reply.status);
      result_.an_error = "HTTP " + why + ": " + reply.body.substr(0, 200);
      break;
    case HttpReply::Outcome::kNotSent:
      why = "no connection";
      result_.an_error = reply.error;
      break;
    case HttpReply::Outcome::kNoAnswer:
      why = reply.timed_out ? "timeout" : "connection lost";
      result_.an_error = reply.error;
      break;
  }
  ++result_.failed[why];
}

void OpenLoop::Free(HttpChannel& channel, const HttpReply& reply, MonotonicTime now) {
  if (reply.outcome == HttpReply::Outcome::kNotSent) {
    const auto& servers = options_.servers;
    const auto here = std::find_if(servers.begin(), servers.end(), [&](const HttpServer& server) {
      return server.endpoint == channel.server().endpoint;
    });
    const size_t at = static_cast<size_t>(here - servers.begin());
    channel.MoveTo(servers[(at + 1) % servers.size()]);
    cooling_.emplace_back(now + kCooldown, &channel);
    return;
  }
  if (free_.empty() && HasDue(now)) ++result_.waited;
  free_.push_back(&channel);
}

LoadSlot& OpenLoop::SlotOf(uint64_t i) {
  const auto slot = static_cast<size_t>((DueAt(i) - start_) / result_.slot_length);
  return result_.slots[std::min(slot, result_.slots.size() - 1)];
}

void OpenLoop::WaitForDue() {
  // Without a free connection the next answer goes on, not the time.
  if (timer_pending_ || free_.empty() || next_ >= total_) return;
  timer_pending_ = true;
  timer_set_ = DueAt(next_);
  due_timer_.expires_at(timer_set_);
  due_timer_.async_wait([this](error_code error) {
    timer_pending_ = false;
    if (error || stopped_) return;
    const MonotonicTime now = Now();
    result_.lateness.Record(now - timer_set_);
    Dispatch(now);
  });
}

void OpenLoop::Sweep() {
  const MonotonicTime now = Now();
  for (const auto& channel : channels_) channel->CheckDeadline(now);
  while (!cooling_.empty() && cooling_.front().first <= now) {
    free_.push_back(cooling_.front().second);
    cooling_.pop_front();
  }
  Dispatch(now);
  if (now - reported_ >= seconds(1)) Report(now);
  const MonotonicTime next = now + kSweep;
  sweep_timer_.expires_at(next);
  sweep_timer_.async_wait([this, next](error_code error) {
    if (error || stopped_) return;
    result_.lateness.Record(Now() - next);
    Sweep();
  });
}

void OpenLoop::Report(MonotonicTime now) {
  reported_ = now;
  if (options_.progress) {
    const double due = std::chrono::duration<double>(now - start_).count() * options_.rate;
    const uint64_t reached = std::min(total_, static_cast<uint64_t>(due));
    options_.progress({.elapsed = now - start_,
                       .answered = since_report_.count(),
                       .failed = result_.failures(),
                       .waiting = reached > next_ ? reached - next_ : 0,
                       .latency = &since_report_});
  }
  since_report_.Clear();
}

void OpenLoop::AwaitSignal() {
  signals_.async_wait([this](error_code error, int) {
    if (error || stopped_) return;
    Interrupt(Now());
    AwaitSignal();
  });
}

void OpenLoop::Interrupt(MonotonicTime now) {
  if (result_.interrupted) {
    stopped_ = true;  // The second time: at once.
    return;
  }
  result_.interrupted = true;
  uint64_t reached = next_;
  while (reached < total_ && DueAt(reached) <= now) ++reached;
  result_.unsent += reached - next_;
  result_.due += reached - next_;
  total_ = next_;
  last_ = now;
  due_timer_.cancel();
  sweep_timer_.expires_at(now + kGoodbye);
  sweep_timer_.async_wait([this](error_code failed) {
    if (!failed) stopped_ = true;
  });
}

HttpChannels MakeChannels(asio::io_context& context, const LoadOptions& options, uint32_t count) {
  HttpChannels channels;
  for (uint32_t i = 0; i < count; ++i) {
    channels.push_back(
        std::make_unique<HttpChannel>(context, options.servers[i % options.servers.size()]));
  }
  return channels;
}

}  // namespace

LatencyHistogram LoadResult::all() const {
  LatencyHistogram all = puts;
  all.Add(gets);
  return all;
}

uint64_t LoadResult::failures() const {
  uint64_t failures = unsent;
  for (const auto& [why, count] : failed) failures += count;
  return failures;
}

std::string LoadResult::bottleneck() const {
  constexpr double kBusy = 0.85;
  constexpr Duration kLate = milliseconds(1);
  char text[160];
  if (processor_share >= kBusy) {
    std::snprintf(text, sizeof(text), "it used %.0f%% of a processor", processor_share * 100);
    return text;
  }
  const Duration late = lateness.Quantile(0.99);
  if (late > kLate && late * 5 > all().Quantile(0.99)) {
    std::snprintf(text, sizeof(text), "its own timer was late by up to %s (99 of 100 times)",
                  ShowDuration(late).c_str());
    return text;
  }
  return "";
}

StatusOr<LoadResult> RunLoad(const LoadOptions& options) {
  SIS_RETURN_IF_ERROR(AllowDescriptors(options.connections + 64));
  // The channels go before the context: it drops their handlers without a call.
  asio::io_context context(1);
  HttpChannels channels = MakeChannels(context, options, options.connections);
  SIS_RETURN_IF_ERROR(ConnectAll(context, channels, options.timeout));
  RequestMaker maker(options);
  if (options.gets_of_100 > 0) {
    const ClosedLoopOptions preload{
        .requests = options.keys,
        .make = [&](uint64_t i, const HttpServer& server) { return maker.Put(i, server); },
        .timeout = options.timeout,
        .patience = options.timeout};
    const Status status = RunClosedLoop(context, channels, preload);
    if (!status.ok()) return WithContext(status, "writing the keys to be read");
  }
  return OpenLoop(context, channels, options, maker).Run();
}

Status DeleteLoadKeys(const LoadOptions& options) {
  asio::io_context context(1);
  const HttpChannels channels = MakeChannels(context, options, 1);
  SIS_RETURN_IF_ERROR(ConnectAll(context, channels, options.timeout));
  const RequestMaker maker(options);
  const ClosedLoopOptions deletes{
      .requests = (options.keys + kKeysDeletedAtOnce - 1) / kKeysDeletedAtOnce,
      .make =
          [&](uint64_t i, const HttpServer& server) {
            return maker.DeleteFrom(i * kKeysDeletedAtOnce, server);
          },
      .timeout = options.timeout,
      .patience = options.timeout};
  return RunClosedLoop(context, channels, deletes);
}

}  // namespace sisyphus::sicli
