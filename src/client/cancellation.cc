#include "client/cancellation.h"

#include "base/thread_executor.h"

namespace sisyphus::client {

// `stop` runs under the lock: what it stops lives until the wait has ended, which needs the lock.
void Cancellation::Cancel() {
  MutexLock lock(mu_);
  cancelled_ = true;
  if (stop_) stop_();
  changed_.SignalAll();
}

Cancellation::Wait::Wait(Cancellation* cancellation, std::function<void()> stop)
    : cancellation_(cancellation) {
  if (cancellation_ == nullptr) return;
  MutexLock lock(cancellation_->mu_);
  cancelled_ = cancellation_->cancelled_;
  cancellation_->stop_ = std::move(stop);
}

Cancellation::Wait::~Wait() {
  if (cancellation_ == nullptr) return;
  MutexLock lock(cancellation_->mu_);
  cancellation_->stop_ = nullptr;
}

void Cancellation::PauseUntil(MonotonicTime until) {
  MutexLock lock(mu_);
  while (!cancelled_ && RealClock().Now() < until) changed_.WaitUntil(mu_, until);
}

}  // namespace sisyphus::client
