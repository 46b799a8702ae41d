// Time that only moves forward.
//
// Nothing that decides correctness may use the wall clock; leases, timeouts and deadlines are
// measured here.
#ifndef SISYPHUS_BASE_CLOCK_H_
#define SISYPHUS_BASE_CLOCK_H_

#include <chrono>

namespace sisyphus {

using Duration = std::chrono::nanoseconds;

// Nanoseconds since an arbitrary start (the boot, or the simulation's begin). Never compared
// between machines.
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;

class Clock {
 public:
  virtual ~Clock() = default;

  // Callable from any thread. Never runs backwards.
  virtual MonotonicTime Now() = 0;
};

}  // namespace sisyphus

#endif  // SISYPHUS_BASE_CLOCK_H_
