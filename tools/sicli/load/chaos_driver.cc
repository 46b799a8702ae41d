#include "tools/sicli/load/chaos_driver.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <memory>
#include <utility>

#include "base/rng.h"
#include "base/thread_executor.h"
#include "tools/sicli/load/chaos_requests.h"
#include "tools/sicli/load/closed_loop.h"

namespace sisyphus::sicli {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = verify::RegisterOperation::Kind;

namespace {

constexpr Duration kSweep = milliseconds(5);
constexpr Duration kPause = milliseconds(50);  // After a request that was refused or lost.
constexpr uint32_t kOperationsOfAKey = 400;
constexpr uint32_t kUnknownOfAKey = 6;
constexpr Duration kLongestRepeating = seconds(20);

MonotonicTime Now() { return RealClock().Now(); }

// One of the keys that are in use.
struct Slot {
  std::string key;
  uint32_t operations = 0;
  uint32_t unknown = 0;
  verify::RegisterState seen;  // What some worker last saw or wrote there.
};

struct Worker {
  std::unique_ptr<HttpChannel> channel;
  size_t server = 0;  // The channel's.
  uint64_t client = 0;
  uint64_t sequence = 0;    // Of the client's writes with an Idempotency-Key.
  MonotonicTime next{};     // It does nothing before.
  bool active = false;      // `operation` is under way, maybe between two attempts.
  bool in_the_end = false;  // It is a read of the end.

  verify::RegisterOperation operation;
  size_t slot = 0;
  std::string idempotency_key;  // Of the operation; empty: none.
  ChaosRequest request;         // Its last attempt.
  bool maybe_done = false;      // An earlier attempt may have had its effect.
  MonotonicTime repeat_until{};
};

class ChaosRun {
 public:
  ChaosRun(asio::io_context& context, const ChaosOptions& options)
      : options_(options),
        context_(context),
        sweep_timer_(context),
        signals_(context, SIGINT, SIGTERM),
        rng_(options.seed) {
    for (uint32_t i = 0; i < options.workers; ++i) {
      Worker& worker = workers_.emplace_back();
      worker.server = i % options.servers.size();
      worker.channel = std::make_unique<HttpChannel>(context, options.servers[worker.server]);
      worker.client = ++clients_;
    }
    slots_.resize(options.keys);
    for (Slot& slot : slots_) Renew(slot);
  }

  ChaosResult Run();

 private:
  enum class Phase { kWriting, kReading, kOver };

  int64_t Stamp() { return last_stamp_ = std::max(last_stamp_ + 1, (Now() - start_).count()); }
  // Between two requests of a worker.
  Duration Pace() const {
    return std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(options_.workers / options_.rate));
  }
  void Renew(Slot& slot);
  void Sweep();
  void EnterReading(MonotonicTime now);
  void StartNext(Worker& worker, MonotonicTime now);
  bool ChooseOperation(Worker& worker);
  bool ChooseFinalRead(Worker& worker);
  void Attempt(Worker& worker, MonotonicTime now);
  void Complete(Worker& worker, const HttpReply& reply);
  void Answered(Worker& worker, MonotonicTime now);
  void NotAnswered(Worker& worker, Fate fate, MonotonicTime now);
  void Record(const Worker& worker, int64_t returned);
  void EndOperation(Worker& worker, MonotonicTime now);
  void WriteAcknowledged(MonotonicTime now);
  void EndGap(MonotonicTime now);
  void Report(MonotonicTime now);
  void AwaitSignal();

  const ChaosOptions& options_;
  asio::io_context& context_;
  asio::steady_timer sweep_timer_;
  asio::signal_set signals_;
  Rng rng_;
  Phase phase_ = Phase::kWriting;
  MonotonicTime start_{};
  MonotonicTime end_{};  // Of the phase.
  int64_t last_stamp_ = 0;
  std::vector<Worker> workers_;
  std::vector<Slot> slots_;
  std::vector<std::string> keys_;  // All that were ever used.
  size_t next_read_ = 0;           // Of keys_, in the end.
  std::vector<std::string> to_read_again_;
  uint64_t clients_ = 0;
  uint64_t values_ = 0;
  MonotonicTime last_write_{};  // Acknowledged.
  MonotonicTime reported_{};
  ChaosResult result_;
};

void ChaosRun::Renew(Slot& slot) {
  slot = Slot{};
  slot.key = options_.key_prefix + "k" + std::to_string(keys_.size());
  keys_.push_back(slot.key);
}

ChaosResult ChaosRun::Run() {
  start_ = Now();
  last_write_ = start_;
  reported_ = start_;
  end_ = start_ + options_.duration;
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i].next = start_ + Pace() * static_cast<int64_t>(i) / options_.workers;
  }
  context_.restart();
  AwaitSignal();
  Sweep();
  while (phase_ != Phase::kOver) context_.run_one();
  sweep_timer_.cancel();
  signals_.cancel();
  context_.poll();  // What has been queued for this object, while it lives.
  for (const Worker& worker : workers_) {
    // Whatever is under way may still happen.
    if (worker.active && worker.operation.kind != Kind::kGet) {
      Record(worker, verify::RegisterOperation::kNever);
      ++result_.counts.unknown;
    }
  }
  result_.counts.keys = keys_.size();
  std::sort(result_.gaps.begin(), result_.gaps.end(),
            [](const WriteGap& a, const WriteGap& b) { return a.length > b.length; });
  return std::move(result_);
}

void ChaosRun::Sweep() {
  const MonotonicTime now = Now();
  for (Worker& worker : workers_) worker.channel->CheckDeadline(now);
  if (phase_ == Phase::kWriting &&
      (now >= end_ || result_.interrupted || result_.history.size() >= kMostOperations)) {
    EnterReading(now);
  }
  size_t idle = 0;
  for (Worker& worker : workers_) {
    if (worker.channel->busy() || now < worker.next) continue;
    StartNext(worker, now);
    if (!worker.active) ++idle;
  }
  if (phase_ == Phase::kReading && (idle == workers_.size() || now >= end_)) {
    const size_t done = next_read_ - to_read_again_.size();
    size_t under_way = 0;
    for (const Worker& worker : workers_) {
      if (worker.active && worker.in_the_end) ++under_way;
    }
    result_.unread = keys_.size() - done + under_way;
    phase_ = Phase::kOver;
    return;
  }
  if (now - reported_ >= seconds(1)) Report(now);
  sweep_timer_.expires_at(now + kSweep);
  sweep_timer_.async_wait([this](error_code error) {
    if (!error && phase_ != Phase::kOver) Sweep();
  });
}

void ChaosRun::EnterReading(MonotonicTime now) {
  EndGap(now);
  result_.duration = now - start_;
  phase_ = Phase::kReading;
  end_ = now + options_.recovery;
  for (Worker& worker : workers_) worker.next = now;
}

void ChaosRun::StartNext(Worker& worker, MonotonicTime now) {
  if (!worker.active) {
    const bool chosen =
        phase_ == Phase::kWriting ? ChooseOperation(worker) : ChooseFinalRead(worker);
    if (!chosen) return;
    worker.active = true;
    worker.in_the_end = phase_ == Phase::kReading;
    worker.maybe_done = false;
    worker.next = now;
    worker.repeat_until = now + kLongestRepeating;
    worker.operation.client = worker.client;
    worker.operation.called = Stamp();
  } else {
    ++result_.counts.repeated;
  }
  Attempt(worker, now);
}

bool ChaosRun::ChooseOperation(Worker& worker) {
  worker.slot = static_cast<size_t>(rng_.Below(slots_.size()));
  Slot& slot = slots_[worker.slot];
  if (slot.operations >= kOperationsOfAKey || slot.unknown >= kUnknownOfAKey) Renew(slot);
  ++slot.operations;
  verify::RegisterOperation operation;
  operation.key = slot.key;
  worker.idempotency_key.clear();
  const uint64_t draw = rng_.Below(100);
  if (draw < 45) {
    operation.kind = Kind::kGet;
  } else {
    operation.kind = draw < 70 ? Kind::kPut : draw < 90 ? Kind::kCompareAndSet : Kind::kDelete;
    if (operation.kind != Kind::kDelete) operation.argument = "v" + std::to_string(++values_);
    // Mostly what is likely to be there: then it depends on whoever is faster.
    if (operation.kind == Kind::kCompareAndSet) operation.expected = slot.seen;
    if (rng_.Chance(1, 4)) {
      worker.idempotency_key = "chaos-" + std::to_string(options_.seed % 1'000'000'000) + "-" +
                               std::to_string(&worker - workers_.data()) + ":" +
                               std::to_string(++worker.sequence);
    }
  }
  worker.operation = std::move(operation);
  return true;
}

bool ChaosRun::ChooseFinalRead(Worker& worker) {
  verify::RegisterOperation operation;
  if (!to_read_again_.empty()) {
    operation.key = std::move(to_read_again_.back());
    to_read_again_.pop_back();
  } else if (next_read_ < keys_.size()) {
    operation.key = keys_[next_read_++];
  } else {
    return false;
  }
  worker.idempotency_key.clear();
  worker.operation = std::move(operation);
  return true;
}

void ChaosRun::Attempt(Worker& worker, MonotonicTime now) {
  worker.request = MakeChaosRequest(
      worker.operation, options_.servers[worker.server],
      {.consistency = options_.consistency, .idempotency_key = worker.idempotency_key});
  worker.channel->Send(worker.request.head, worker.request.body, now + options_.timeout,
                       [this, &worker](const HttpReply& reply) {
                         if (phase_ != Phase::kOver) Complete(worker, reply);
                       });
}

void ChaosRun::Complete(Worker& worker, const HttpReply& reply) {
  const MonotonicTime now = Now();
  std::string why;
  const Fate fate = JudgeChaosReply(reply, &worker.operation, &why);
  if (fate == Fate::kAnswered) {
    Answered(worker, now);
  } else {
    result_.an_error = std::move(why);
    NotAnswered(worker, fate, now);
  }
}

void ChaosRun::Answered(Worker& worker, MonotonicTime now) {
  Record(worker, Stamp());
  const verify::RegisterOperation& operation = worker.operation;
  if (operation.kind == Kind::kGet) {
    ++result_.counts.reads;
  } else {
    ++result_.counts.writes;
    WriteAcknowledged(now);
  }
  Slot& slot = slots_[worker.slot];
  if (slot.key == operation.key) {
    switch (operation.kind) {
      case Kind::kGet:
        slot.seen = operation.read;
        break;
      case Kind::kDelete:
        slot.seen.reset();
        break;
      default:
        if (operation.succeeded) slot.seen = operation.argument;
    }
  }
  EndOperation(worker, now);
}

void ChaosRun::NotAnswered(Worker& worker, Fate fate, MonotonicTime now) {
  worker.server = (worker.server + 1) % options_.servers.size();
  worker.channel->MoveTo(options_.servers[worker.server]);
  worker.maybe_done |= fate == Fate::kUnknown;
  worker.next = now + kPause;
  const bool write = worker.operation.kind != Kind::kGet;
  // Repeats go on while the cluster recovers, too.
  const bool repeats = write && !worker.idempotency_key.empty() && now < worker.repeat_until;
  if (repeats && worker.maybe_done) return;
  if (!write || !worker.maybe_done) {
    ++result_.counts.refused;
    if (worker.in_the_end) to_read_again_.push_back(worker.operation.key);
  } else {
    Record(worker, verify::RegisterOperation::kNever);
    ++result_.counts.unknown;
    Slot& slot = slots_[worker.slot];
    if (slot.key == worker.operation.key) ++slot.unknown;
    worker.client = ++clients_;  // The old one never learns what came of its write.
  }
  EndOperation(worker, now);
  worker.next = now + kPause;
}

void ChaosRun::Record(const Worker& worker, int64_t returned) {
  verify::RegisterOperation operation = worker.operation;
  operation.returned = returned;
  result_.history.push_back(std::move(operation));
}

void ChaosRun::EndOperation(Worker& worker, MonotonicTime now) {
  worker.active = false;
  if (phase_ != Phase::kWriting) {
    worker.next = now;
  } else {
    // At its own pace; who was held up does not catch up.
    worker.next = std::max(worker.next + Pace(), now);
  }
}

void ChaosRun::WriteAcknowledged(MonotonicTime now) {
  if (phase_ == Phase::kWriting) EndGap(now);
}

void ChaosRun::EndGap(MonotonicTime now) {
  const Duration length = now - last_write_;
  result_.longest_gap = std::max(result_.longest_gap, length);
  if (length >= kNotableGap) result_.gaps.push_back({last_write_ - start_, length});
  last_write_ = now;
}

void ChaosRun::Report(MonotonicTime now) {
  reported_ = now;
  if (!options_.progress) return;
  result_.counts.keys = keys_.size();
  options_.progress({.elapsed = now - start_,
                     .checking = phase_ == Phase::kReading,
                     .counts = result_.counts,
                     .since_write = now - last_write_});
}

void ChaosRun::AwaitSignal() {
  signals_.async_wait([this](error_code error, int) {
    if (error || phase_ == Phase::kOver) return;
    if (result_.interrupted) end_ = Now();
    result_.interrupted = true;
    AwaitSignal();
  });
}

}  // namespace

StatusOr<ChaosResult> RunChaos(const ChaosOptions& options) {
  asio::io_context context(1);
  {
    HttpChannels probe;
    for (const HttpServer& server : options.servers) {
      probe.push_back(std::make_unique<HttpChannel>(context, server));
    }
    // One that answers will do: the others may be what is broken.
    SIS_RETURN_IF_ERROR(ConnectAny(context, probe, options.timeout));
  }
  asio::io_context own(1);
  return ChaosRun(own, options).Run();
}

Status DeleteChaosKeys(const ChaosOptions& options) {
  asio::io_context context(1);
  HttpChannels channels;
  for (const HttpServer& server : options.servers) {
    channels.push_back(std::make_unique<HttpChannel>(context, server));
  }
  SIS_RETURN_IF_ERROR(ConnectAny(context, channels, options.timeout));
  const ClosedLoopOptions one{
      .requests = 1,
      .make =
          [&](uint64_t, const HttpServer& server) {
            return HttpText{"DELETE /v1/kv?prefix=" + options.key_prefix +
                                " HTTP/1.1\r\nHost: " + server.endpoint.ToString() + "\r\n\r\n",
                            {}};
          },
      .timeout = options.timeout,
      .patience = options.timeout};
  return RunClosedLoop(context, channels, one);
}

}  // namespace sisyphus::sicli
