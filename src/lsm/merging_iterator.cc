#include "lsm/merging_iterator.h"

#include <algorithm>
#include <string>

namespace sisyphus::lsm {
namespace {

// A heap of the sources that are valid, ordered by their keys in the direction of the walk. Moving
// forward all sources stand at or after the current key; moving backward, at or before it.
class MergingIterator final : public InternalIterator {
 public:
  explicit MergingIterator(std::vector<std::unique_ptr<InternalIterator>> sources)
      : sources_(std::move(sources)) {
    heap_.reserve(sources_.size());
  }

  bool Valid() const override { return !heap_.empty() && status_.ok(); }

  void SeekToFirst() override {
    for (auto& source : sources_) source->SeekToFirst();
    Rebuild(/*forward=*/true);
  }

  void SeekToLast() override {
    for (auto& source : sources_) source->SeekToLast();
    Rebuild(/*forward=*/false);
  }

  void Seek(const KeyView& target) override {
    for (auto& source : sources_) source->Seek(target);
    Rebuild(/*forward=*/true);
  }

  void Next() override {
    if (!forward_) {
      Turn(/*forward=*/true);
      return;
    }
    heap_.front()->Next();
    SiftTop();
  }

  void Prev() override {
    if (forward_) {
      Turn(/*forward=*/false);
      return;
    }
    heap_.front()->Prev();
    SiftTop();
  }

  KeyView key() const override { return heap_.front()->key(); }
  std::string_view value() const override { return heap_.front()->value(); }
  Status status() const override { return status_; }

 private:
  // Whether `a` comes after `b` in the direction of the walk.
  bool After(const InternalIterator* a, const InternalIterator* b) const {
    const int order = Compare(a->key(), b->key());
    return forward_ ? order > 0 : order < 0;
  }

  void Rebuild(bool forward) {
    forward_ = forward;
    status_ = OkStatus();
    heap_.clear();
    for (auto& source : sources_) {
      if (source->Valid()) {
        heap_.push_back(source.get());
      } else if (Status status = source->status(); !status.ok()) {
        status_ = status;
        return;
      }
    }
    std::make_heap(heap_.begin(), heap_.end(),
                   [this](const auto* a, const auto* b) { return After(a, b); });
  }

  // Steps to the neighbour of the current key in the other direction: every other source is placed
  // anew, the current one just moves.
  void Turn(bool forward) {
    InternalIterator* current = heap_.front();
    std::string user_key(current->key().user_key);
    const KeyView at{user_key, current->key().trailer};
    for (auto& source : sources_) {
      if (source.get() == current) continue;
      source->Seek(at);
      if (forward) continue;  // It has no entry equal to `at`: it stands after it.
      if (!source->Valid() && source->status().ok()) source->SeekToLast();
      // More than one step only in a memtable that has grown around `at` since the seek.
      while (source->Valid() && Compare(source->key(), at) >= 0) source->Prev();
    }
    if (forward) {
      current->Next();
    } else {
      current->Prev();
    }
    Rebuild(forward);
  }

  // Restores the heap after its top has moved.
  void SiftTop() {
    InternalIterator* top = heap_.front();
    if (!top->Valid()) {
      if (Status status = top->status(); !status.ok()) {
        status_ = status;
        return;
      }
      heap_.front() = heap_.back();
      heap_.pop_back();
    }
    size_t at = 0;
    for (;;) {
      size_t child = 2 * at + 1;
      if (child >= heap_.size()) return;
      if (child + 1 < heap_.size() && After(heap_[child], heap_[child + 1])) ++child;
      if (!After(heap_[at], heap_[child])) return;
      std::swap(heap_[at], heap_[child]);
      at = child;
    }
  }

  const std::vector<std::unique_ptr<InternalIterator>> sources_;
  std::vector<InternalIterator*> heap_;
  bool forward_ = true;
  Status status_;
};

}  // namespace

std::unique_ptr<InternalIterator> NewMergingIterator(
    std::vector<std::unique_ptr<InternalIterator>> sources) {
  return std::make_unique<MergingIterator>(std::move(sources));
}

}  // namespace sisyphus::lsm
