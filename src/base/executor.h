// Actors: serial mailboxes that own their state, so that it needs no lock.
//
// In production an actor has a thread of its own, and may borrow its caller's (thread_executor.h).
// In the simulator all actors of all nodes run on one thread, in an order that one seed decides
// (tests/support/sim_executor.h). Code that runs on actors therefore never blocks on another actor:
// it posts and returns. Calls into the FileSystem are the only calls that may block.
#ifndef SISYPHUS_BASE_EXECUTOR_H_
#define SISYPHUS_BASE_EXECUTOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "base/clock.h"

namespace sisyphus {

using Task = absl::AnyInvocable<void()>;

// One mailbox. Tasks run one at a time, in the order in which they were posted. All methods but the
// destructor may be called from any thread.
class Actor {
 public:
  enum class TimerId : uint64_t {};

  virtual ~Actor() = default;  // Stops first.

  // Queues `task`. Returns false, and leaves `task` unrun, when the mailbox already holds
  // `capacity` tasks or is stopped. For everything that a client or a peer can send without limit.
  [[nodiscard]] virtual bool TryPost(Task task) = 0;

  // Queues `task` whatever the mailbox holds; drops it when stopped. Only for what the receiver
  // itself asked for (an answer to a request of its own, at most one "wake up" at a time), so that
  // the bound is the protocol's.
  virtual void Post(Task task) = 0;

  // As TryPost and Post; but an actor with nothing to do may run the task, and what the task posts
  // to this actor, on the caller's thread before the call returns. That saves waking a thread, the
  // dearest part of a short task. The caller holds no lock, and can bear to wait for what this
  // actor does.
  [[nodiscard]] virtual bool TryRunOrPost(Task task) { return TryPost(std::move(task)); }
  virtual void RunOrPost(Task task) { Post(std::move(task)); }

  // Queues `task` once `delay` has passed, never earlier. The answer can be given to Cancel, which
  // makes sure that a task that has not started will not start.
  virtual TimerId PostAfter(Duration delay, Task task) = 0;
  virtual void Cancel(TimerId timer) = 0;

  // Tasks that have not started, for metrics. Timers that are not due do not count.
  virtual size_t queued() = 0;

  // Waits for the task that runs now (unless called from it), drops the queued ones and the timers,
  // refuses new ones. A second call does nothing.
  virtual void Stop() = 0;
};

struct ActorOptions {
  std::string name;          // of the thread, at most 15 characters, e.g. "raft"
  size_t capacity = 65'536;  // tasks; TryPost refuses beyond
};

class Executor {
 public:
  virtual ~Executor() = default;
  virtual std::unique_ptr<Actor> CreateActor(ActorOptions options) = 0;
  virtual Clock& clock() = 0;
};

}  // namespace sisyphus

#endif  // SISYPHUS_BASE_EXECUTOR_H_
