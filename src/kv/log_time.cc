#include "kv/log_time.h"

#include <algorithm>

#include "base/coding.h"

namespace sisyphus::kv {

namespace {

constexpr size_t kTimedHeadBytes = 9;

}  // namespace

std::string EncodeTimed(std::string_view command) {
  std::string bytes(kTimedHeadBytes, '\0');
  bytes[0] = static_cast<char>(kTimedCommand);
  bytes += command;
  return bytes;
}

bool IsTimed(std::string_view bytes) {
  return bytes.size() >= kTimedHeadBytes && static_cast<uint8_t>(bytes[0]) == kTimedCommand;
}

std::string WithTime(std::string_view timed, uint64_t time_ms) {
  std::string bytes(timed);
  EncodeFixed64(bytes.data() + 1, time_ms);
  return bytes;
}

StatusOr<TimedCommand> DecodeTimed(std::string_view bytes) {
  Decoder in(bytes);
  in.Byte();
  TimedCommand timed;
  timed.time_ms = in.Fixed64();
  timed.command = in.rest();
  if (!in.ok() || timed.command.empty())
    return MakeStatus(StatusCode::kDataLoss, "malformed command with a time");
  return timed;
}

std::string EncodeTimePassed(const TimePassed& passed) {
  std::string bytes(1, static_cast<char>(kTimePassedCommand));
  PutVarint64(&bytes, passed.term.value());
  PutVarint64(&bytes, passed.time_ms);
  return bytes;
}

StatusOr<TimePassed> DecodeTimePassed(std::string_view bytes) {
  Decoder in(bytes);
  in.Byte();
  TimePassed passed;
  passed.term = Term(in.Varint64());
  passed.time_ms = in.Varint64();
  if (!in.Done()) return MakeStatus(StatusCode::kDataLoss, "malformed passing of time");
  return passed;
}

uint64_t LogClock::Run(Term term, uint64_t log_time_ms, MonotonicTime now) {
  MutexLock lock(mu_);
  if (term_ != term) {
    term_ = term;
    count_ = std::chrono::milliseconds(log_time_ms);
    observed_ = now;
  }
  return Observe(now);
}

void LogClock::Stop() {
  MutexLock lock(mu_);
  term_ = Term();
}

uint64_t LogClock::Time(Term term, MonotonicTime now) {
  MutexLock lock(mu_);
  return term_ == term && term != Term() ? Observe(now) : 0;
}

uint64_t LogClock::Observe(MonotonicTime now) {
  if (now > observed_) {
    count_ += std::min<Duration>(now - observed_, kMaxStep);
    observed_ = now;
  }
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(count_).count());
}

}  // namespace sisyphus::kv
