#include "tests/support/sim_executor.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sisyphus::testing {
namespace {

constexpr int64_t kMillion = 1'000'000;

int64_t Nanoseconds(MonotonicTime time) { return time.time_since_epoch().count(); }

// value * numerator / denominator without overflow in between.
int64_t Scale(int64_t value, int64_t numerator, int64_t denominator) {
  return static_cast<int64_t>(static_cast<__int128>(value) * numerator / denominator);
}

}  // namespace

// The handle that a process's code holds.
class SimExecutor::SimActor final : public Actor {
 public:
  SimActor(SimExecutor* executor, SimProcess* process, size_t capacity)
      : executor_(executor),
        process_(process),
        capacity_(capacity),
        id_(executor->NewActor(process, capacity)) {}

  ~SimActor() override {
    executor_->DestroyActor(id_);
    std::erase(process_->actors_, id_);
  }

  bool TryPost(Task task) override {
    return executor_->Submit(id_, Nanoseconds(executor_->now()), &task, capacity_, false) != kNone;
  }

  void Post(Task task) override {
    executor_->Submit(id_, Nanoseconds(executor_->now()), &task, SIZE_MAX, false);
  }

  TimerId PostAfter(Duration delay, Task task) override {
    const int64_t true_delay =
        Scale(std::max<int64_t>(delay.count(), 0), kMillion, process_->clock_ppm_);
    const int64_t time = Nanoseconds(executor_->now()) + true_delay;
    const uint32_t job = executor_->Submit(id_, time, &task, SIZE_MAX, true);
    return TimerId{job == kNone ? 0 : executor_->IdOf(job)};
  }

  void Cancel(TimerId timer) override { executor_->CancelJob(static_cast<uint64_t>(timer)); }

  size_t queued() override { return executor_->actors_[id_].jobs.size(); }

  void Stop() override { executor_->StopActor(id_); }

  uint32_t id() const { return id_; }

 private:
  SimExecutor* const executor_;
  SimProcess* const process_;
  const size_t capacity_;
  const uint32_t id_;
};

SimExecutor::SimExecutor(SimExecutorOptions options)
    : max_task_ns_(options.max_task_time.count()), rng_(options.seed) {
  SIS_CHECK(max_task_ns_ > 0, "a task must take some time");
  environment_ = NewActor(nullptr, SIZE_MAX);
}

SimExecutor::~SimExecutor() = default;

std::unique_ptr<SimProcess> SimExecutor::CreateProcess(std::string name) {
  return std::unique_ptr<SimProcess>(new SimProcess(this, std::move(name)));
}

void SimExecutor::After(Duration delay, Task task) {
  Submit(environment_, Nanoseconds(now()) + std::max<int64_t>(delay.count(), 0), &task, SIZE_MAX,
         true);
}

void SimExecutor::Accrue(Duration duration) {
  if (current_ != nullptr) accrued_ns_ += std::max<int64_t>(duration.count(), 0);
}

uint32_t SimExecutor::NewActor(SimProcess* process, size_t capacity) {
  uint32_t id;
  if (free_actors_.empty()) {
    id = static_cast<uint32_t>(actors_.size());
    actors_.emplace_back();
  } else {
    id = free_actors_.back();
    free_actors_.pop_back();
  }
  ActorState& actor = actors_[id];
  actor.process = process;
  actor.capacity = capacity;
  actor.pending = 0;
  actor.stopped = false;
  actor.busy = false;
  return id;
}

// Empties the mailbox. The tasks are destroyed last, since their destructors may come back here.
void SimExecutor::StopActor(uint32_t id) {
  ActorState& actor = actors_[id];
  actor.stopped = true;
  std::vector<Task> dropped;
  for (const uint32_t job : actor.jobs) dropped.push_back(FreeJob(job));
  actor.jobs.clear();
  // Tasks under way and timers find a new generation when they arrive; what they hold goes now.
  for (Job& job : jobs_) {
    if (job.state == JobState::kScheduled && job.actor == id &&
        job.actor_generation == actor.generation) {
      dropped.push_back(std::move(job.task));
      job.task = nullptr;
    }
  }
  if (actor.ready) {
    actor.ready = false;
    std::erase(ready_, id);
  }
}

void SimExecutor::DestroyActor(uint32_t id) {
  StopActor(id);
  ActorState& actor = actors_[id];
  ++actor.generation;
  actor.process = nullptr;
  free_actors_.push_back(id);
}

// True if what is sent to `actor` now can never run.
bool SimExecutor::Deaf(const ActorState& actor) const {
  if (actor.stopped) return true;
  if (actor.process != nullptr && !actor.process->alive()) return true;
  return current_ != nullptr && !current_->alive();
}

uint32_t SimExecutor::Submit(uint32_t id, int64_t time_ns, Task* task, size_t capacity,
                             bool timer) {
  ActorState& actor = actors_[id];
  if (Deaf(actor) || actor.pending >= capacity) return kNone;
  const uint32_t job = NewJob(id, std::move(*task));
  jobs_[job].counted = !timer;
  if (!timer) ++actor.pending;
  if (time_ns > now_ns_ || timer) {
    jobs_[job].state = JobState::kScheduled;
    Schedule(time_ns, job);
  } else {
    Enqueue(job);
  }
  return job;
}

uint64_t SimExecutor::IdOf(uint32_t job) const {
  return (static_cast<uint64_t>(jobs_[job].generation) << 32) | (job + 1);
}

void SimExecutor::CancelJob(uint64_t id) {
  const auto low = static_cast<uint32_t>(id);
  if (low == 0 || low > jobs_.size()) return;
  Job& job = jobs_[low - 1];
  if (job.generation != id >> 32 || job.state == JobState::kFree) return;
  Task cancelled = std::move(job.task);  // Destroyed when nothing here is half changed.
  job.task = nullptr;
}

uint32_t SimExecutor::NewJob(uint32_t actor, Task task) {
  uint32_t id;
  if (free_jobs_.empty()) {
    id = static_cast<uint32_t>(jobs_.size());
    jobs_.emplace_back();
  } else {
    id = free_jobs_.back();
    free_jobs_.pop_back();
  }
  Job& job = jobs_[id];
  job.actor = actor;
  job.actor_generation = actors_[actor].generation;
  job.counted = false;
  job.task = std::move(task);
  return id;
}

Task SimExecutor::FreeJob(uint32_t id) {
  Job& job = jobs_[id];
  Task task = std::move(job.task);
  job.task = nullptr;
  ActorState& actor = actors_[job.actor];
  if (job.counted && job.actor_generation == actor.generation) --actor.pending;
  job.state = JobState::kFree;
  ++job.generation;
  free_jobs_.push_back(id);
  return task;
}

void SimExecutor::Schedule(int64_t time_ns, uint32_t id, uint32_t frees_generation) {
  events_.push_back(Event{time_ns, ++sequence_, id, frees_generation});
  std::push_heap(events_.begin(), events_.end());
}

void SimExecutor::Enqueue(uint32_t id) {
  Job& job = jobs_[id];
  job.state = JobState::kQueued;
  actors_[job.actor].jobs.push_back(id);
  MarkReady(job.actor);
}

void SimExecutor::MarkReady(uint32_t id) {
  ActorState& actor = actors_[id];
  if (actor.ready || actor.busy || actor.stopped || actor.jobs.empty()) return;
  if (actor.process != nullptr && (actor.process->paused() || !actor.process->alive())) return;
  actor.ready = true;
  ready_.push_back(id);
}

void SimExecutor::DeliverDue() {
  while (!events_.empty() && events_.front().time_ns <= now_ns_) {
    std::pop_heap(events_.begin(), events_.end());
    const Event event = events_.back();
    events_.pop_back();
    if (event.frees_generation != 0) {
      ActorState& actor = actors_[event.id];
      if (actor.generation + 1 == event.frees_generation) {
        actor.busy = false;
        MarkReady(event.id);
      }
      continue;
    }
    const Job& job = jobs_[event.id];
    const ActorState& actor = actors_[job.actor];
    if (job.actor_generation == actor.generation && !actor.stopped && job.task) {
      Enqueue(event.id);
    } else {
      FreeJob(event.id);
    }
  }
}

// Moves time, at most to `limit_ns`, to where something can run.
bool SimExecutor::FindWork(int64_t limit_ns) {
  DeliverDue();
  while (ready_.empty()) {
    if (events_.empty() || events_.front().time_ns > limit_ns) return false;
    now_ns_ = events_.front().time_ns;
    DeliverDue();
  }
  return true;
}

bool SimExecutor::Step(MonotonicTime limit) {
  SIS_CHECK(!running_, "a task must not step the simulation");
  while (true) {
    if (!FindWork(Nanoseconds(limit))) return false;
    const size_t pick = ready_.size() == 1 ? 0 : rng_.Below(ready_.size());
    const uint32_t id = ready_[pick];
    ready_[pick] = ready_.back();
    ready_.pop_back();
    ActorState& actor = actors_[id];
    actor.ready = false;
    // Cancelled timers leave an empty place.
    while (!actor.jobs.empty() && !jobs_[actor.jobs.front()].task) {
      FreeJob(actor.jobs.front());
      actor.jobs.pop_front();
    }
    if (actor.jobs.empty()) continue;
    RunNext(id);
    return true;
  }
}

void SimExecutor::RunNext(uint32_t id) {
  ActorState& actor = actors_[id];
  const uint32_t generation = actor.generation;
  {
    Task task = FreeJob(actor.jobs.front());
    actor.jobs.pop_front();
    ++steps_;
    Trace(static_cast<uint64_t>(now_ns_) * 64 + id);
    current_ = actor.process;
    last_ = current_;
    running_ = true;
    task();
    // What the task holds is destroyed as part of it.
  }
  const bool occupies = current_ != nullptr;
  running_ = false;
  current_ = nullptr;
  const int64_t spent = std::exchange(accrued_ns_, 0);
  if (!dead_.empty()) DropDead();
  if (actor.generation != generation || actor.stopped) return;
  if (occupies) {
    actor.busy = true;
    const auto own = static_cast<int64_t>(rng_.Between(1, static_cast<uint64_t>(max_task_ns_)));
    Schedule(now_ns_ + spent + own, id, generation + 1);
  } else {
    MarkReady(id);
  }
}

void SimExecutor::DropDead() {
  for (const DeadActor& dead : std::exchange(dead_, {})) {
    if (actors_[dead.actor].generation == dead.generation) StopActor(dead.actor);
  }
}

void SimExecutor::RunFor(Duration duration) {
  const int64_t end = now_ns_ + duration.count();
  while (Step(MonotonicTime(Duration(end)))) {
  }
  now_ns_ = std::max(now_ns_, end);
}

SimProcess::SimProcess(SimExecutor* executor, std::string name)
    : executor_(executor), name_(std::move(name)) {}

SimProcess::~SimProcess() {
  SIS_CHECK(actors_.empty(), "process " + name_ + " is destroyed before its actors");
}

std::unique_ptr<Actor> SimProcess::CreateActor(ActorOptions options) {
  auto actor = std::make_unique<SimExecutor::SimActor>(executor_, this, options.capacity);
  actors_.push_back(actor->id());
  return actor;
}

void SimProcess::Kill() {
  if (!alive_) return;
  alive_ = false;
  // Within a task, the code on the stack may be using what the queued tasks hold.
  for (const uint32_t id : actors_) {
    executor_->dead_.push_back({id, executor_->actors_[id].generation});
    if (std::exchange(executor_->actors_[id].ready, false)) std::erase(executor_->ready_, id);
  }
  if (!executor_->running_) executor_->DropDead();
}

void SimProcess::SetPaused(bool paused) {
  if (paused_ == paused) return;
  paused_ = paused;
  for (const uint32_t id : actors_) {
    if (!paused) {
      executor_->MarkReady(id);
    } else if (std::exchange(executor_->actors_[id].ready, false)) {
      std::erase(executor_->ready_, id);
    }
  }
}

void SimProcess::SetClockRate(uint32_t ppm) {
  SIS_CHECK(ppm > 0, "a clock must run");
  anchor_local_ns_ = Nanoseconds(clock_.Now());
  anchor_true_ns_ = Nanoseconds(executor_->now());
  clock_ppm_ = ppm;
}

MonotonicTime SimProcess::SimClock::Now() {
  const int64_t since = Nanoseconds(process_->executor_->now()) - process_->anchor_true_ns_;
  return MonotonicTime(
      Duration(process_->anchor_local_ns_ + Scale(since, process_->clock_ppm_, kMillion)));
}

}  // namespace sisyphus::testing
