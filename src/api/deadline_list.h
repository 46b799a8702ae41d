// DeadlineList: connections that wait for the same thing, equally long, in the order in which they
// began to: so the first to expire is always the front, and joining and leaving cost a few
// pointers.
#ifndef SISYPHUS_API_DEADLINE_LIST_H_
#define SISYPHUS_API_DEADLINE_LIST_H_

#include "base/clock.h"

namespace sisyphus::api {

class DeadlineList;

// A base of what can wait. In one list at a time.
class DeadlineNode {
 public:
  DeadlineNode() = default;
  DeadlineNode(const DeadlineNode&) = delete;
  DeadlineNode& operator=(const DeadlineNode&) = delete;
  ~DeadlineNode() { Unlink(); }

  void Unlink() {
    if (next_ == nullptr) return;
    next_->previous_ = previous_;
    previous_->next_ = next_;
    next_ = previous_ = nullptr;
    list_ = nullptr;
  }
  const DeadlineList* list() const { return list_; }
  MonotonicTime deadline() const { return deadline_; }

 private:
  friend class DeadlineList;
  DeadlineNode* next_ = nullptr;
  DeadlineNode* previous_ = nullptr;
  DeadlineList* list_ = nullptr;
  MonotonicTime deadline_;
};

class DeadlineList {
 public:
  explicit DeadlineList(Duration timeout) : timeout_(timeout) {
    ends_.next_ = ends_.previous_ = &ends_;
  }

  // Moves `node` to the end of this list, out of whichever it was in.
  void Append(DeadlineNode* node, MonotonicTime now) {
    node->Unlink();
    node->deadline_ = now + timeout_;
    node->list_ = this;
    node->previous_ = ends_.previous_;
    node->next_ = &ends_;
    ends_.previous_->next_ = node;
    ends_.previous_ = node;
  }

  DeadlineNode* front() { return ends_.next_ == &ends_ ? nullptr : ends_.next_; }

 private:
  const Duration timeout_;
  DeadlineNode ends_;  // The ring's fixed point.
};

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_DEADLINE_LIST_H_
