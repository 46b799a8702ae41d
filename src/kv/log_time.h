// Log time: how a leader makes it pass.
//
// A leader counts milliseconds on its own clock from the moment at which it has applied the first
// entry of its term, beginning with the log time that it finds in the state: so log time goes on
// where the last leader's entries left it, and no two clocks are ever compared. It counts only
// while something waits for a deadline. A pause of the process counts kMaxStep at the most: who
// could not be served is not to lose a lease for it. So a change of leaders, or a pause, makes a
// lease live longer, never shorter.
//
// Commands:
//   at a time    7 | time, 8 bytes | command    The leader puts its time in as it proposes.
//   time passed  8 | term varint | time varint  Proposed by the leader of that term; in an entry of
//                another one it is nothing. Ends the leases and sessions that are due.
#ifndef SISYPHUS_KV_LOG_TIME_H_
#define SISYPHUS_KV_LOG_TIME_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/types.h"

namespace sisyphus::kv {

inline constexpr uint8_t kTimedCommand = 7;
inline constexpr uint8_t kTimePassedCommand = 8;

// Wraps `command`; its time is to be filled in.
std::string EncodeTimed(std::string_view command);
// The same with the time; `bytes` unchanged if it is no such command.
bool IsTimed(std::string_view bytes);
std::string WithTime(std::string_view timed, uint64_t time_ms);

struct TimedCommand {
  uint64_t time_ms = 0;  // 0: the leader knew none.
  std::string_view command;
};
StatusOr<TimedCommand> DecodeTimed(std::string_view bytes);  // kDataLoss: malformed.

struct TimePassed {
  Term term;
  uint64_t time_ms = 0;
};
std::string EncodeTimePassed(const TimePassed& passed);
StatusOr<TimePassed> DecodeTimePassed(std::string_view bytes);  // kDataLoss: malformed.

// The leader's running count. Any thread.
class LogClock {
 public:
  static constexpr Duration kMaxStep = std::chrono::seconds(2);

  // Counts from `log_time_ms` on, unless it counts in `term` already; answers the time. To be
  // called again before kMaxStep has passed.
  uint64_t Run(Term term, uint64_t log_time_ms, MonotonicTime now);
  void Stop();
  // 0: it does not count in `term`.
  uint64_t Time(Term term, MonotonicTime now);

 private:
  uint64_t Observe(MonotonicTime now) SIS_REQUIRES(mu_);

  Mutex mu_;
  Term term_ SIS_GUARDED_BY(mu_);  // 0: stopped.
  Duration count_ SIS_GUARDED_BY(mu_){};
  MonotonicTime observed_ SIS_GUARDED_BY(mu_);
};

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_LOG_TIME_H_
