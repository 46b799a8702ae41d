// Cancellation: how one thread ends what another one waits for. One for each client.
//
// Threads: Cancel and cancelled any, at any time; everything else the one whose call it is.
#ifndef SISYPHUS_CLIENT_CANCELLATION_H_
#define SISYPHUS_CLIENT_CANCELLATION_H_

#include <atomic>
#include <functional>
#include <utility>

#include "base/clock.h"
#include "base/mutex.h"

namespace sisyphus::client {

class Cancellation {
 public:
  // For good. Runs what ends the wait under way, on this thread; may block while a connection is
  // being made.
  void Cancel();
  // Takes no lock: a `stop` that is running may wait for whoever asks this.
  bool cancelled() const { return cancelled_.load(); }

  // A wait that `stop` ends, for as long as this object lives. `cancellation` null: nothing does.
  class Wait {
   public:
    Wait(Cancellation* cancellation, std::function<void()> stop);
    ~Wait();
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

    bool cancelled() const { return cancelled_; }  // Before it began: there is nothing to wait for.

   private:
    Cancellation* const cancellation_;
    bool cancelled_ = false;
  };

  // Waits until then, or until it is cancelled.
  void PauseUntil(MonotonicTime until);

 private:
  std::atomic<bool> cancelled_ = false;  // Set under mu_.
  Mutex mu_;
  CondVar changed_;
  std::function<void()> stop_ SIS_GUARDED_BY(mu_);  // Empty: nothing is waited for.
};

}  // namespace sisyphus::client

#endif  // SISYPHUS_CLIENT_CANCELLATION_H_
