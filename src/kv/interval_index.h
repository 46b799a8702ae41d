// IntervalIndex: which of many key ranges hold a key.
//
// A sorted array that is read as a balanced tree: the root of a part is its middle element, and
// each element knows the largest end in its part. Built at once, in n log n; a lookup takes log n
// and one step for each hit. Used by one thread at a time.
#ifndef SISYPHUS_KV_INTERVAL_INDEX_H_
#define SISYPHUS_KV_INTERVAL_INDEX_H_

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"

namespace sisyphus::kv {

// [start, end); an empty end: to the last key.
struct KeyRange {
  std::string start;
  std::string end;
  bool Contains(std::string_view key) const { return key >= start && !EndsBefore(key); }
  bool EndsBefore(std::string_view key) const { return !end.empty() && key >= end; }
};

template <typename T>
class IntervalIndex {
 public:
  struct Element {
    const KeyRange* range;  // Not owned; lives as long as the index holds it.
    T* item;
  };

  void Build(std::vector<Element> elements) {
    elements_ = std::move(elements);
    std::sort(elements_.begin(), elements_.end(),
              [](const Element& a, const Element& b) { return a.range->start < b.range->start; });
    largest_ends_.assign(elements_.size(), nullptr);
    Measure(0, elements_.size());
  }

  void Find(std::string_view key, absl::FunctionRef<void(T*)> hit) const {
    FindIn(0, elements_.size(), key, hit);
  }

 private:
  static bool EndsLater(const KeyRange* a, const KeyRange* b) {
    return !b->end.empty() && (a->end.empty() || a->end > b->end);
  }

  const KeyRange* Measure(size_t begin, size_t end) {
    if (begin == end) return nullptr;
    const size_t root = begin + (end - begin) / 2;
    const KeyRange* largest = elements_[root].range;
    for (const KeyRange* part : {Measure(begin, root), Measure(root + 1, end)}) {
      if (part != nullptr && EndsLater(part, largest)) largest = part;
    }
    largest_ends_[root] = largest;
    return largest;
  }

  void FindIn(size_t begin, size_t end, std::string_view key,
              absl::FunctionRef<void(T*)> hit) const {
    while (begin < end) {
      const size_t root = begin + (end - begin) / 2;
      if (largest_ends_[root]->EndsBefore(key)) return;
      FindIn(begin, root, key, hit);
      if (key < elements_[root].range->start) return;
      if (!elements_[root].range->EndsBefore(key)) hit(elements_[root].item);
      begin = root + 1;
    }
  }

  std::vector<Element> elements_;              // By start.
  std::vector<const KeyRange*> largest_ends_;  // Of the part whose root the element is.
};

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_INTERVAL_INDEX_H_
