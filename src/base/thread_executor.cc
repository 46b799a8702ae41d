#include "base/thread_executor.h"

#include <pthread.h>

#include <atomic>
#include <map>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/mutex.h"

namespace sisyphus {
namespace {

constexpr size_t kMaxThreadName = 15;  // pthread_setname_np(3), without the terminating zero.

class SteadyClock final : public Clock {
 public:
  MonotonicTime Now() override { return std::chrono::steady_clock::now(); }
};

// The thread takes the whole queue at a time and runs it without the lock. A poster signals only
// when the thread sleeps, and only the first one does, so that posting to a busy actor costs one
// uncontended lock and no system call.
class ThreadActor final : public Actor {
 public:
  ThreadActor(ActorOptions options, Clock& clock)
      : capacity_(options.capacity), clock_(clock), thread_([this, name = options.name] {
          pthread_setname_np(pthread_self(), name.c_str());
          Run();
        }) {}

  ~ThreadActor() override {
    SIS_CHECK(!OnOwnThread(), "an actor must not be destroyed by a task of its own");
    Stop();
    thread_.join();
  }

  bool TryPost(Task task) override { return Enqueue(task, capacity_); }
  void Post(Task task) override { Enqueue(task, SIZE_MAX); }

  TimerId PostAfter(Duration delay, Task task) override {
    const MonotonicTime deadline = clock_.Now() + delay;
    std::shared_ptr<CondVar> wake;
    uint64_t id = 0;
    {
      MutexLock lock(mu_);
      id = ++last_timer_;
      if (stopped_) return TimerId{id};
      timers_.emplace(id, Timer{deadline, std::move(task)});
      const auto place = deadlines_.emplace(deadline, id);
      // Only a new earliest deadline changes how long the thread may sleep.
      if (place == deadlines_.begin()) wake = Sleeper();
    }
    if (wake) wake->Signal();
    return TimerId{id};
  }

  void Cancel(TimerId timer) override {
    Task cancelled;  // Outlives the lock: its destructor is the caller's code.
    MutexLock lock(mu_);
    TakeTimer(static_cast<uint64_t>(timer), &cancelled);
  }

  void Stop() override {
    std::vector<Task> dropped;
    std::unordered_map<uint64_t, Timer> dropped_timers;
    std::shared_ptr<CondVar> wake;
    {
      MutexLock lock(mu_);
      stopped_.store(true, std::memory_order_relaxed);
      wake = Sleeper();
      dropped.swap(queue_);
      dropped_timers.swap(timers_);
      deadlines_.clear();
    }
    if (wake) wake->Signal();
    if (OnOwnThread()) return;
    MutexLock lock(mu_);
    while (!finished_) finish_.Wait(mu_);
  }

 private:
  struct Timer {
    MonotonicTime deadline;
    Task task;
  };

  bool OnOwnThread() const { return std::this_thread::get_id() == thread_.get_id(); }

  // What to signal once the lock is released; null when the thread is awake or somebody else has
  // taken it on. A reference of its own: the task just queued may already have run, and have led to
  // the end of this actor, before its poster signals.
  std::shared_ptr<CondVar> Sleeper() SIS_REQUIRES(mu_) {
    return std::exchange(asleep_, false) ? wake_ : nullptr;
  }

  // Takes `task` by reference so that a refused one is destroyed by the caller, without the lock.
  bool Enqueue(Task& task, size_t limit) {
    std::shared_ptr<CondVar> wake;
    {
      MutexLock lock(mu_);
      if (stopped_.load(std::memory_order_relaxed)) return false;
      if (queue_.size() + batch_left_.load(std::memory_order_relaxed) >= limit) return false;
      queue_.push_back(std::move(task));
      wake = Sleeper();
    }
    if (wake) wake->Signal();
    return true;
  }

  // Moves a timer that has neither started nor been cancelled into `task`.
  bool TakeTimer(uint64_t id, Task* task) SIS_REQUIRES(mu_) {
    const auto it = timers_.find(id);
    if (it == timers_.end()) return false;
    *task = std::move(it->second.task);
    const auto [first, last] = deadlines_.equal_range(it->second.deadline);
    for (auto place = first; place != last; ++place) {
      if (place->second == id) {
        deadlines_.erase(place);
        break;
      }
    }
    timers_.erase(it);
    return true;
  }

  // Queues the timers that are due. They stay in timers_ until they start: Cancel reaches them
  // even in the queue.
  void QueueDueTimers() SIS_REQUIRES(mu_) {
    if (deadlines_.empty()) return;
    const MonotonicTime now = clock_.Now();
    while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
      queue_.push_back([this, id = deadlines_.begin()->second] { RunTimer(id); });
      deadlines_.erase(deadlines_.begin());
    }
  }

  void RunTimer(uint64_t id) {
    Task task;
    {
      MutexLock lock(mu_);
      if (!TakeTimer(id, &task)) return;
    }
    task();
  }

  // Sleeps until there is something to do. False when stopped.
  bool TakeBatch(std::vector<Task>* batch) {
    MutexLock lock(mu_);
    while (!stopped_.load(std::memory_order_relaxed)) {
      QueueDueTimers();
      if (!queue_.empty()) {
        batch->swap(queue_);
        batch_left_.store(batch->size(), std::memory_order_relaxed);
        return true;
      }
      asleep_ = true;
      if (deadlines_.empty()) {
        wake_->Wait(mu_);
      } else {
        wake_->WaitUntil(mu_, deadlines_.begin()->first);
      }
      asleep_ = false;
    }
    return false;
  }

  void Run() {
    std::vector<Task> batch;
    while (TakeBatch(&batch)) {
      size_t left = batch.size();
      for (Task& task : batch) {
        if (stopped_.load(std::memory_order_relaxed)) break;
        batch_left_.store(--left, std::memory_order_relaxed);
        task();
        task = nullptr;  // Releases what it holds now, not when the batch is through.
      }
      batch.clear();
    }
    MutexLock lock(mu_);
    finished_ = true;
    finish_.SignalAll();
  }

  // Immutable.
  const size_t capacity_;
  Clock& clock_;

  Mutex mu_;
  CondVar finish_;                                                     // Of those who wait in Stop.
  const std::shared_ptr<CondVar> wake_ = std::make_shared<CondVar>();  // Of the thread.

  // Guarded by mu_.
  std::vector<Task> queue_ SIS_GUARDED_BY(mu_);
  std::unordered_map<uint64_t, Timer> timers_ SIS_GUARDED_BY(mu_);
  std::multimap<MonotonicTime, uint64_t> deadlines_ SIS_GUARDED_BY(mu_);  // Of those not yet due.
  uint64_t last_timer_ SIS_GUARDED_BY(mu_) = 0;
  bool asleep_ SIS_GUARDED_BY(mu_) = false;  // And nobody has signalled yet.
  bool finished_ SIS_GUARDED_BY(mu_) = false;

  // Written under mu_; the thread looks at it between two tasks without the lock.
  std::atomic<bool> stopped_ = false;
  // Tasks of the running batch that have not started; written by the thread only.
  std::atomic<size_t> batch_left_ = 0;

  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace

Clock& RealClock() {
  static SteadyClock clock;
  return clock;
}

std::unique_ptr<Actor> ThreadExecutor::CreateActor(ActorOptions options) {
  SIS_CHECK(options.name.size() <= kMaxThreadName, "a thread's name has at most 15 characters");
  return std::make_unique<ThreadActor>(std::move(options), clock());
}

}  // namespace sisyphus
