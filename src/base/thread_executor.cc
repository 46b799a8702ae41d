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

// Batches that a borrowed thread runs after its own task: what the task posted, and what that
// posted. The rest is for the actor's thread: the caller has work of its own.
constexpr int kBorrowedBatches = 2;

constexpr size_t kMaxThreadName = 15;  // pthread_setname_np(3), without the terminating zero.

class SteadyClock final : public Clock {
 public:
  MonotonicTime Now() override { return std::chrono::steady_clock::now(); }
};

// The runner, one at a time, takes the whole queue and runs it without the lock: the actor's own
// thread, or a caller of RunOrPost who found nobody running and nothing queued. A poster signals
// only when nobody runs and the thread sleeps, and only the first one does, so that posting to a
// busy actor costs one uncontended lock and no system call.
class ThreadActor final : public Actor {
 public:
  ThreadActor(ActorOptions options, Clock& clock)
      : capacity_(options.capacity), clock_(clock), thread_([this, name = options.name] {
          pthread_setname_np(pthread_self(), name.c_str());
          Run();
        }) {}

  ~ThreadActor() override {
    SIS_CHECK(!RunsHere(), "an actor must not be destroyed by a task of its own");
    Stop();
    thread_.join();
  }

  bool TryPost(Task task) override { return Enqueue(task, capacity_); }
  void Post(Task task) override { Enqueue(task, SIZE_MAX); }
  bool TryRunOrPost(Task task) override { return Borrow(task, capacity_); }
  void RunOrPost(Task task) override { Borrow(task, SIZE_MAX); }

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

  size_t queued() override {
    MutexLock lock(mu_);
    return queue_.size() + batch_left_.load(std::memory_order_relaxed);
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
    if (RunsHere()) return;
    MutexLock lock(mu_);
    while (!finished_ || running_) finish_.Wait(mu_);
  }

 private:
  struct Timer {
    MonotonicTime deadline;
    Task task;
  };

  // Called by a task of this actor.
  bool RunsHere() {
    MutexLock lock(mu_);
    return running_ && runner_ == std::this_thread::get_id();
  }

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
      if (!running_) wake = Sleeper();
    }
    if (wake) wake->Signal();
    return true;
  }

  // Runs `task` here when the actor is idle.
  bool Borrow(Task& task, size_t limit) {
    bool idle = false;
    {
      MutexLock lock(mu_);
      idle = !running_ && queue_.empty() && !stopped_.load(std::memory_order_relaxed);
      if (idle) StartRunning();
    }
    if (!idle) return Enqueue(task, limit);
    task();
    task = nullptr;
    std::vector<Task> batch;
    for (int i = 0; i < kBorrowedBatches && NextBatch(&batch); ++i) RunBatch(&batch);
    std::shared_ptr<CondVar> wake;
    {
      MutexLock lock(mu_);
      running_ = false;
      if (!queue_.empty()) wake = Sleeper();
      if (stopped_.load(std::memory_order_relaxed)) finish_.SignalAll();
    }
    if (wake) wake->Signal();
    return true;
  }

  void StartRunning() SIS_REQUIRES(mu_) {
    running_ = true;
    runner_ = std::this_thread::get_id();
  }

  bool NextBatch(std::vector<Task>* batch) {
    MutexLock lock(mu_);
    return TakeQueue(batch);
  }

  bool TakeQueue(std::vector<Task>* batch) SIS_REQUIRES(mu_) {
    if (queue_.empty()) return false;
    batch->swap(queue_);
    batch_left_.store(batch->size(), std::memory_order_relaxed);
    return true;
  }

  // Requires: this thread is the runner.
  void RunBatch(std::vector<Task>* batch) {
    size_t left = batch->size();
    for (Task& task : *batch) {
      if (stopped_.load(std::memory_order_relaxed)) break;
      batch_left_.store(--left, std::memory_order_relaxed);
      task();
      task = nullptr;  // Releases what it holds now, not when the batch is through.
    }
    batch->clear();
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

  // Sleeps until there is something to do that nobody else does. False when stopped.
  bool WaitForBatch(std::vector<Task>* batch) {
    MutexLock lock(mu_);
    if (runner_ == std::this_thread::get_id()) running_ = false;  // A borrower may be running.
    while (!stopped_.load(std::memory_order_relaxed)) {
      QueueDueTimers();
      if (!running_ && TakeQueue(batch)) {
        StartRunning();
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
    while (WaitForBatch(&batch)) RunBatch(&batch);
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
  bool asleep_ SIS_GUARDED_BY(mu_) = false;   // And nobody has signalled yet.
  bool running_ SIS_GUARDED_BY(mu_) = false;  // Somebody runs tasks:
  std::thread::id runner_ SIS_GUARDED_BY(mu_);
  bool finished_ SIS_GUARDED_BY(mu_) = false;  // The thread has ended.

  // Written under mu_; the thread looks at it between two tasks without the lock.
  std::atomic<bool> stopped_ = false;
  // Tasks of the running batch that have not started; written by the runner only.
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
