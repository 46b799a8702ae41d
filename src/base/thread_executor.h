// The executor of production: one thread an actor, woken by an event, never polling.
#ifndef SISYPHUS_BASE_THREAD_EXECUTOR_H_
#define SISYPHUS_BASE_THREAD_EXECUTOR_H_

#include <memory>

#include "base/executor.h"

namespace sisyphus {

// std::chrono::steady_clock.
Clock& RealClock();

class ThreadExecutor final : public Executor {
 public:
  std::unique_ptr<Actor> CreateActor(ActorOptions options) override;
  Clock& clock() override { return RealClock(); }
};

}  // namespace sisyphus

#endif  // SISYPHUS_BASE_THREAD_EXECUTOR_H_
