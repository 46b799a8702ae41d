// InFlight: counts what is under way, so that a stop can refuse new work and wait for the rest.
#ifndef SISYPHUS_TRANSPORT_IN_FLIGHT_H_
#define SISYPHUS_TRANSPORT_IN_FLIGHT_H_

#include <cstddef>

#include "base/check.h"
#include "base/mutex.h"

namespace sisyphus::transport {

class InFlight {
 public:
  // False once closed. Every true is followed by one Exit.
  [[nodiscard]] bool Enter() {
    MutexLock lock(mu_);
    if (closed_) return false;
    ++count_;
    return true;
  }

  // The caller touches nothing that the closer owns once this has been called.
  void Exit() {
    MutexLock lock(mu_);
    SIS_CHECK(count_ > 0, "Exit without Enter");
    if (--count_ == 0) zero_.SignalAll();
  }

  void CloseAndWait() {
    MutexLock lock(mu_);
    closed_ = true;
    while (count_ > 0) zero_.Wait(mu_);
  }

 private:
  Mutex mu_;
  CondVar zero_;
  size_t count_ SIS_GUARDED_BY(mu_) = 0;
  bool closed_ SIS_GUARDED_BY(mu_) = false;
};

}  // namespace sisyphus::transport

#endif  // SISYPHUS_TRANSPORT_IN_FLIGHT_H_
