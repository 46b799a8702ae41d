// CompletionQueue: how the node's actors hand answers to an io thread, one wake-up a batch.
#ifndef SISYPHUS_API_COMPLETION_QUEUE_H_
#define SISYPHUS_API_COMPLETION_QUEUE_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "api/exchange.h"
#include "base/mutex.h"

namespace sisyphus::api {

class CompletionQueue {
 public:
  struct Item {
    uint32_t slot = 0;
    uint64_t serial = 0;
    Resumer::Continuation then;
  };

  // `wake` makes the io thread call Take, once, soon; called from any thread, also after Close.
  explicit CompletionQueue(std::function<void()> wake) : wake_(std::move(wake)) {}

  // Any thread. Drops the item when closed. Bounded by the exchanges that wait: one item each.
  void Push(Item item) {
    bool was_empty = false;
    {
      MutexLock lock(mu_);
      if (closed_) return;
      was_empty = items_.empty();
      items_.push_back(std::move(item));
    }
    if (was_empty) wake_();
  }

  // Swaps what there is into `items`, which must be empty.
  void Take(std::vector<Item>* items) {
    MutexLock lock(mu_);
    items_.swap(*items);
  }

  void Close() {
    std::vector<Item> dropped;
    MutexLock lock(mu_);
    closed_ = true;
    dropped.swap(items_);
  }

 private:
  const std::function<void()> wake_;
  Mutex mu_;
  std::vector<Item> items_ SIS_GUARDED_BY(mu_);
  bool closed_ SIS_GUARDED_BY(mu_) = false;
};

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_COMPLETION_QUEUE_H_
