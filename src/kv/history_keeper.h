// HistoryKeeper: keeps history to its bound. Where this node leads, it proposes a new floor once
// enough has been applied; nothing else sets it going, and it keeps no clock.
//
// Threads: Attach once, from any; the rest happens on the node's actors. Lives longer than the
// node, and shorter than the machine.
#ifndef SISYPHUS_KV_HISTORY_KEEPER_H_
#define SISYPHUS_KV_HISTORY_KEEPER_H_

#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "kv/machine.h"
#include "node/node.h"

namespace sisyphus::kv {

struct HistoryOptions {
  // 0: no bound. It may grow a sixteenth beyond it before the floor is moved.
  uint64_t max_revisions = 1'000'000;
};

class HistoryKeeper {
 public:
  // Before the node starts to apply.
  HistoryKeeper(HistoryOptions options, Machine* machine, Clock* clock);
  void Attach(node::Node* node) { node_ = node; }

 private:
  void OnApplied(Index applied);

  const HistoryOptions options_;
  Machine* const machine_;
  Clock* const clock_;
  std::atomic<node::Node*> node_{nullptr};
  std::atomic<bool> proposing_{false};
};

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_HISTORY_KEEPER_H_
