// std::mutex with thread-safety annotations (checked when built with Clang) that TSan can see.
//
// At most one Mutex is held at a time, never across a system call, a network call or a callback.
#ifndef SISYPHUS_BASE_MUTEX_H_
#define SISYPHUS_BASE_MUTEX_H_

#include <condition_variable>
#include <mutex>

#include "base/clock.h"

#if defined(__clang__)
#define SIS_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define SIS_THREAD_ANNOTATION(x)
#endif

#define SIS_CAPABILITY(x) SIS_THREAD_ANNOTATION(capability(x))
#define SIS_SCOPED_CAPABILITY SIS_THREAD_ANNOTATION(scoped_lockable)
#define SIS_GUARDED_BY(x) SIS_THREAD_ANNOTATION(guarded_by(x))
#define SIS_REQUIRES(...) SIS_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define SIS_ACQUIRE(...) SIS_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define SIS_RELEASE(...) SIS_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define SIS_EXCLUDES(...) SIS_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace sisyphus {

class SIS_CAPABILITY("mutex") Mutex {
 public:
  void Lock() SIS_ACQUIRE() { mu_.lock(); }
  void Unlock() SIS_RELEASE() { mu_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mu_;
};

class SIS_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mu) SIS_ACQUIRE(mu) : mu_(mu) { mu_.Lock(); }
  ~MutexLock() SIS_RELEASE() { mu_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mu_;
};

class CondVar {
 public:
  // Both may wake without a signal: call them in a loop that tests the condition.
  void Wait(Mutex& mu) SIS_REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    cv_.wait(lock);
    lock.release();
  }
  void WaitUntil(Mutex& mu, MonotonicTime deadline) SIS_REQUIRES(mu) {
    std::unique_lock<std::mutex> lock(mu.mu_, std::adopt_lock);
    cv_.wait_until(lock, deadline);
    lock.release();
  }
  void Signal() { cv_.notify_one(); }
  void SignalAll() { cv_.notify_all(); }

 private:
  std::condition_variable cv_;
};

}  // namespace sisyphus

#endif  // SISYPHUS_BASE_MUTEX_H_
