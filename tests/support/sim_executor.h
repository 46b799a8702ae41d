// SimExecutor: all actors of all simulated processes on one thread, in virtual time.
//
// Each step picks one task at random among the actors that can run at the present instant; when
// none can, time jumps to the next event. One seed decides everything: the same calls with the same
// seed give the same run (trace_hash() tells). Nothing is ordered by address or by a hash table.
//
// Time inside a task: Accrue(d) says "the task has been blocked for d". The process's clock shows
// it at once, what the task posts afterwards becomes visible only then, and its actor is busy until
// then. Besides, each task keeps its actor busy for a drawn moment, so that no ring of actors can
// stop time.
//
// A SimProcess is what one machine's server would see: an Executor, with a clock of its own, that
// can be killed or paused as a whole. A killed process never comes back: make a new one. While the
// task in which it was killed runs to its end (a simulated crash in the middle of a write), nothing
// that it posts, to whichever actor, arrives.
//
// Lifetimes: actors are destroyed before their process, processes before the executor. One thread.
#ifndef SISYPHUS_TESTS_SUPPORT_SIM_EXECUTOR_H_
#define SISYPHUS_TESTS_SUPPORT_SIM_EXECUTOR_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/rng.h"

namespace sisyphus::testing {

class SimProcess;

struct SimExecutorOptions {
  uint64_t seed = 1;
  // How long a task occupies its actor, beside what it accrues: uniform in [1 ns, this].
  Duration max_task_time = std::chrono::microseconds(10);
};

class SimExecutor {
 public:
  explicit SimExecutor(SimExecutorOptions options);
  ~SimExecutor();
  SimExecutor(const SimExecutor&) = delete;
  SimExecutor& operator=(const SimExecutor&) = delete;

  std::unique_ptr<SimProcess> CreateProcess(std::string name);

  // Runs one task, moving time to it if need be. False: none is due up to `limit` (time stays where
  // it is then, or at an event on the way that ran nothing).
  bool Step(MonotonicTime limit = MonotonicTime::max());

  // Steps as long as a task is due up to `now() + duration`; then that is the time.
  void RunFor(Duration duration);

  // Steps until `done` answers true (asked before each step). False: `limit` of virtual time
  // passed, or nothing was left to run, before that.
  template <typename Predicate>
  bool RunUntil(Duration limit, Predicate done) {
    const MonotonicTime end = now() + limit;
    while (!done()) {
      if (!Step(end)) return false;
    }
    return true;
  }

  // Runs `task` at now() + delay, outside of any process (the network, the fault injector).
  void After(Duration delay, Task task);

  // See the head of the file. Outside of an actor's task it does nothing.
  void Accrue(Duration duration);

  // True time, including what the running task has accrued.
  MonotonicTime now() const { return MonotonicTime(Duration(now_ns_ + accrued_ns_)); }

  // The process whose task runs now; null outside, and in tasks of After.
  const SimProcess* current() const { return current_; }

  // The process whose task ran last, likewise. Compare it only: it may be gone.
  const SimProcess* last() const { return last_; }

  uint64_t steps() const { return steps_; }

  // Of everything that has run, in order, and when.
  uint64_t trace_hash() const { return trace_hash_; }
  // Mixes a fact of the driver's own into it.
  void Trace(uint64_t fact) { trace_hash_ = (trace_hash_ ^ fact) * kTracePrime + (fact >> 32); }

 private:
  friend class SimProcess;
  class SimActor;

  static constexpr uint64_t kTracePrime = 0x100000001b3;
  static constexpr uint32_t kNone = UINT32_MAX;

  enum class JobState : uint8_t { kFree, kScheduled, kQueued };
  struct Job {
    JobState state = JobState::kFree;
    uint32_t generation = 0;  // Of the slot, so that an old TimerId finds nothing.
    uint32_t actor = kNone;
    uint32_t actor_generation = 0;
    bool counted = false;  // In its actor's `pending`.
    Task task;             // Empty: cancelled.
  };
  struct ActorState {
    uint32_t generation = 0;
    SimProcess* process = nullptr;  // Null: the environment.
    size_t capacity = 0;
    size_t pending = 0;         // Queued tasks and those on their way, timers excluded.
    std::deque<uint32_t> jobs;  // The mailbox.
    bool stopped = true;
    bool busy = false;
    bool ready = false;  // Listed in ready_.
  };
  struct Event {
    int64_t time_ns;
    uint64_t sequence;
    uint32_t id;                // Of a job, or of the actor that is not busy any more.
    uint32_t frees_generation;  // Of that actor, plus 1; 0: it is a job.
    bool operator<(const Event& other) const {  // A max-heap's order: the earliest on top.
      if (time_ns != other.time_ns) return time_ns > other.time_ns;
      return sequence > other.sequence;
    }
  };

  uint32_t NewActor(SimProcess* process, size_t capacity);
  void StopActor(uint32_t actor);
  void DestroyActor(uint32_t actor);
  // Answers the job, or kNone if it was refused or dropped.
  uint32_t Submit(uint32_t actor, int64_t time_ns, Task* task, size_t capacity, bool timer);
  void CancelJob(uint64_t id);
  uint64_t IdOf(uint32_t job) const;
  uint32_t NewJob(uint32_t actor, Task task);
  Task FreeJob(uint32_t job);
  void Schedule(int64_t time_ns, uint32_t id, uint32_t frees_generation = 0);
  void Enqueue(uint32_t job);
  void MarkReady(uint32_t actor);
  void DeliverDue();
  bool FindWork(int64_t limit_ns);
  void RunNext(uint32_t actor);
  bool Deaf(const ActorState& actor) const;
  void DropDead();

  const int64_t max_task_ns_;
  Rng rng_;
  int64_t now_ns_ = 0;
  int64_t accrued_ns_ = 0;  // By the running task.
  bool running_ = false;
  const SimProcess* current_ = nullptr;
  const SimProcess* last_ = nullptr;
  uint64_t sequence_ = 0;
  uint64_t steps_ = 0;
  uint64_t trace_hash_ = 0xcbf29ce484222325;

  std::deque<ActorState> actors_;
  std::vector<uint32_t> free_actors_;
  std::vector<Job> jobs_;
  std::vector<uint32_t> free_jobs_;
  std::vector<Event> events_;    // A heap.
  std::vector<uint32_t> ready_;  // Actors with something to run and nothing in the way.
  struct DeadActor {
    uint32_t actor;
    uint32_t generation;
  };
  std::vector<DeadActor> dead_;  // Killed, mailboxes not yet emptied.
  uint32_t environment_ = kNone;
};

class SimProcess final : public Executor {
 public:
  ~SimProcess() override;  // Its actors must be gone.

  // Executor.
  std::unique_ptr<Actor> CreateActor(ActorOptions options) override;
  Clock& clock() override { return clock_; }

  // Every queued task and timer is dropped, and whatever it would post from now on.
  void Kill();
  bool alive() const { return alive_; }

  // Its tasks wait (a stopped or starved machine); time and mail go on.
  void SetPaused(bool paused);
  bool paused() const { return paused_; }

  // Its clock and timers run at `ppm` millionths of true speed from now on.
  void SetClockRate(uint32_t ppm);

  const std::string& name() const { return name_; }

 private:
  friend class SimExecutor;
  class SimClock final : public Clock {
   public:
    explicit SimClock(SimProcess* process) : process_(process) {}
    MonotonicTime Now() override;

   private:
    SimProcess* const process_;
  };

  SimProcess(SimExecutor* executor, std::string name);

  SimExecutor* const executor_;
  const std::string name_;
  SimClock clock_{this};
  bool alive_ = true;
  bool paused_ = false;
  // The clock showed anchor_local_ at true time anchor_true_.
  uint32_t clock_ppm_ = 1'000'000;
  int64_t anchor_true_ns_ = 0;
  int64_t anchor_local_ns_ = 0;
  std::vector<uint32_t> actors_;
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SUPPORT_SIM_EXECUTOR_H_
