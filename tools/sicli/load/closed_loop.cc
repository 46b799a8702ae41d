#include "tools/sicli/load/closed_loop.h"

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <utility>

#include "base/thread_executor.h"

namespace sisyphus::sicli {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

constexpr Duration kSweep = milliseconds(20);
constexpr Duration kPause = milliseconds(100);  // Before a failed request is repeated.

class ClosedLoop {
 public:
  ClosedLoop(asio::io_context& context, const HttpChannels& channels,
             const ClosedLoopOptions& options)
      : context_(context),
        channels_(channels),
        options_(options),
        sweep_(context),
        signals_(context, SIGINT, SIGTERM) {}

  Status Run() {
    signals_.async_wait([this](error_code error, int) {
      if (!error) End(MakeStatus(StatusCode::kCancelled, "interrupted"));
    });
    Sweep();
    for (const auto& channel : channels_) Next(*channel);
    context_.restart();
    while (!ended_) context_.run_one();
    sweep_.cancel();
    signals_.cancel();
    context_.poll();  // What has been queued for this object, while it lives.
    return status_;
  }

 private:
  struct Repeat {
    HttpChannel* channel;
    uint64_t request;
    MonotonicTime since;
    MonotonicTime at;
  };

  void Next(HttpChannel& channel) {
    if (ended_) return;
    if (next_ < options_.requests) {
      ++under_way_;
      Try(channel, next_++, RealClock().Now());
    } else if (under_way_ == 0) {
      End(OkStatus());
    }
  }

  void Try(HttpChannel& channel, uint64_t request, MonotonicTime since) {
    HttpText text = options_.make(request, channel.server());
    channel.Send(std::move(text.head), text.body, RealClock().Now() + options_.timeout,
                 [this, &channel, request, since](const HttpReply& reply) {
                   Done(channel, request, since, reply);
                 });
  }

  void Done(HttpChannel& channel, uint64_t request, MonotonicTime since, const HttpReply& reply) {
    if (ended_) return;
    if (reply.outcome == HttpReply::Outcome::kAnswered && reply.status / 100 == 2) {
      --under_way_;
      return Next(channel);
    }
    const MonotonicTime now = RealClock().Now();
    if (now - since >= options_.patience) {
      return End(MakeStatus(StatusCode::kUnavailable,
                            reply.outcome == HttpReply::Outcome::kAnswered
                                ? "HTTP " + std::to_string(reply.status) + ": " + reply.body
                                : reply.error));
    }
    repeats_.push_back({&channel, request, since, now + kPause});
  }

  void Sweep() {
    const MonotonicTime now = RealClock().Now();
    for (const auto& channel : channels_) channel->CheckDeadline(now);
    if (ended_) return;
    std::vector<Repeat> later;
    for (const Repeat& repeat : std::exchange(repeats_, {})) {
      if (repeat.at > now) {
        later.push_back(repeat);
      } else {
        Try(*repeat.channel, repeat.request, repeat.since);
      }
    }
    repeats_.insert(repeats_.end(), later.begin(), later.end());
    sweep_.expires_at(now + kSweep);
    sweep_.async_wait([this](error_code error) {
      if (!error && !ended_) Sweep();
    });
  }

  void End(Status status) {
    ended_ = true;
    status_ = std::move(status);
  }

  asio::io_context& context_;
  const HttpChannels& channels_;
  const ClosedLoopOptions& options_;
  asio::steady_timer sweep_;
  asio::signal_set signals_;
  std::vector<Repeat> repeats_;
  uint64_t next_ = 0;
  uint64_t under_way_ = 0;
  bool ended_ = false;
  Status status_;
};

// Connects those that are not; OK if all are then.
Status ConnectOnce(asio::io_context& context, const HttpChannels& channels, Duration timeout) {
  size_t open = 0;
  Status status;
  const MonotonicTime deadline = RealClock().Now() + timeout;
  for (const auto& channel : channels) {
    if (channel->connected()) continue;
    ++open;
    channel->Connect(deadline, [&](const HttpReply& reply) {
      --open;
      if (reply.outcome == HttpReply::Outcome::kAnswered) return;
      status = MakeStatus(StatusCode::kUnavailable, reply.error);
    });
  }
  context.restart();
  while (open > 0) {
    context.run_one_for(kSweep);
    const MonotonicTime now = RealClock().Now();
    for (const auto& channel : channels) channel->CheckDeadline(now);
  }
  return status;
}

}  // namespace

Status RunClosedLoop(asio::io_context& context, const HttpChannels& channels,
                     const ClosedLoopOptions& options) {
  return ClosedLoop(context, channels, options).Run();
}

Status ConnectAny(asio::io_context& context, HttpChannels& channels, Duration timeout) {
  Status status = ConnectOnce(context, channels, timeout);
  std::erase_if(channels, [](const auto& channel) { return !channel->connected(); });
  return channels.empty() ? status : OkStatus();
}

Status ConnectAll(asio::io_context& context, const HttpChannels& channels, Duration timeout) {
  Status status = ConnectOnce(context, channels, timeout);
  if (status.ok()) return status;
  // Those that failed try a server that answered another.
  std::vector<HttpServer> alive;
  for (const auto& channel : channels) {
    if (channel->connected()) alive.push_back(channel->server());
  }
  if (alive.empty()) return status;
  for (size_t i = 0; i < channels.size(); ++i) {
    if (!channels[i]->connected()) channels[i]->MoveTo(alive[i % alive.size()]);
  }
  return ConnectOnce(context, channels, timeout);
}

}  // namespace sisyphus::sicli
