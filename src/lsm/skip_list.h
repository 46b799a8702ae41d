// SkipList: the ordered index of a memtable, readable without locks while one thread inserts.
//
// Invariants
//   - A node is never changed after it was linked, except its links; it is never unlinked and lives
//     as long as the arena.
//   - A node is complete before a release store links it; readers follow links with acquire loads,
//     so whoever reaches a node sees all of it.
//   - Level 0 holds every node in order; each higher level holds a subset in the same order.
// Insert is for one thread at a time; everything else from any thread, concurrently with it.
#ifndef SISYPHUS_LSM_SKIP_LIST_H_
#define SISYPHUS_LSM_SKIP_LIST_H_

#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/rng.h"
#include "lsm/arena.h"
#include "lsm/internal_key.h"

namespace sisyphus::lsm {

class SkipList {
 public:
  // One allocation: this header, then `height` links, then the key's and the value's bytes.
  class Node {
   public:
    KeyView key() const { return {{bytes(), key_size_}, trailer_}; }
    std::string_view value() const { return {bytes() + key_size_, value_size_}; }
    const Node* next() const { return Link(0)->load(std::memory_order_acquire); }

   private:
    friend class SkipList;
    using Pointer = std::atomic<Node*>;

    Pointer* Link(int level) { return reinterpret_cast<Pointer*>(this + 1) + level; }
    const Pointer* Link(int level) const {
      return reinterpret_cast<const Pointer*>(this + 1) + level;
    }
    const char* bytes() const { return reinterpret_cast<const char*>(Link(height_)); }

    uint64_t trailer_;
    uint32_t key_size_;
    uint32_t value_size_;
    int32_t height_;
  };

  // `arena` is not owned and must outlive the list.
  explicit SkipList(Arena* arena);
  SkipList(const SkipList&) = delete;
  SkipList& operator=(const SkipList&) = delete;

  // Copies the bytes into the arena. Answers false, and inserts nothing, when a version of the same
  // user key with the same sequence number is there already. Requires: sizes below 4 GiB.
  bool Insert(const KeyView& key, std::string_view value);

  // Each answers null if there is none.
  const Node* First() const { return head_->next(); }
  const Node* Last() const;
  const Node* AtOrAfter(const KeyView& target) const;
  const Node* Before(const KeyView& target) const;

 private:
  // 4^12 entries are far more than a memtable holds.
  static constexpr int kMaxHeight = 12;

  Node* NewNode(const KeyView& key, std::string_view value, int height);
  int RandomHeight();
  // The last node before `target`, the head if there is none; with `previous`, for every level.
  Node* FindBefore(const KeyView& target, Node** previous) const;

  Arena* const arena_;
  Node* const head_;
  std::atomic<int> height_{1};  // Of the tallest node. Stale values only cost a few steps.
  Rng rng_;
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_SKIP_LIST_H_
