// Timekeeper: makes log time pass where this node leads, and proposes what is due.
//
// It sleeps while nothing waits for a deadline. Otherwise it wakes for the earliest deadline, and
// once a second so that a pause is told from time that passed; what it proposes is one small entry
// when something is due, and every kEntryInterval, so that a new leader knows roughly how late it
// is. Threads: an actor of its own. Lives shorter than node and machine.
#ifndef SISYPHUS_KV_TIMEKEEPER_H_
#define SISYPHUS_KV_TIMEKEEPER_H_

#include <memory>
#include <optional>

#include "base/executor.h"
#include "kv/machine.h"
#include "node/node.h"

namespace sisyphus::kv {

class Timekeeper {
 public:
  static constexpr Duration kEntryInterval = std::chrono::seconds(5);

  Timekeeper(node::Node* node, Machine* machine);
  ~Timekeeper();

 private:
  // What callbacks of node and machine hold on to: they may come when the keeper is gone.
  struct Door;

  void Review();
  void Propose(const TimePassed& passed);
  void OnProposed(bool applied);
  void ReviewAfter(Duration delay);

  node::Node* const node_;
  Machine* const machine_;
  const std::shared_ptr<Door> door_;

  // Owned by the actor.
  bool proposing_ = false;
  std::optional<Actor::TimerId> timer_;

  std::unique_ptr<Actor> actor_;
};

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_TIMEKEEPER_H_
