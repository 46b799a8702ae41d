#include "lsm/skip_list.h"

#include <cstring>
#include <limits>
#include <new>

#include "base/check.h"

namespace sisyphus::lsm {
namespace {

// Heights need to be spread, not unpredictable: a fixed seed keeps every run the same.
constexpr uint64_t kHeightSeed = 0x51f15eed;

bool SameVersion(const KeyView& a, const KeyView& b) {
  return a.sequence() == b.sequence() && a.user_key == b.user_key;
}

}  // namespace

SkipList::SkipList(Arena* arena)
    : arena_(arena), head_(NewNode({}, {}, kMaxHeight)), rng_(kHeightSeed) {}

SkipList::Node* SkipList::NewNode(const KeyView& key, std::string_view value, int height) {
  constexpr size_t kMaxBytes = std::numeric_limits<uint32_t>::max();
  SIS_CHECK(key.user_key.size() <= kMaxBytes && value.size() <= kMaxBytes, "entry too large");
  static_assert(sizeof(Node) % alignof(Node::Pointer) == 0);
  const size_t links = sizeof(Node::Pointer) * static_cast<size_t>(height);
  char* memory = arena_->Allocate(sizeof(Node) + links + key.user_key.size() + value.size());
  Node* node = new (memory) Node;
  node->trailer_ = key.trailer;
  node->key_size_ = static_cast<uint32_t>(key.user_key.size());
  node->value_size_ = static_cast<uint32_t>(value.size());
  node->height_ = height;
  for (int level = 0; level < height; ++level) new (node->Link(level)) Node::Pointer(nullptr);
  char* bytes = memory + sizeof(Node) + links;
  if (!key.user_key.empty()) std::memcpy(bytes, key.user_key.data(), key.user_key.size());
  if (!value.empty()) std::memcpy(bytes + key.user_key.size(), value.data(), value.size());
  return node;
}

int SkipList::RandomHeight() {
  uint64_t bits = rng_.Next();
  int height = 1;
  while (height < kMaxHeight && (bits & 3) == 0) {
    ++height;
    bits >>= 2;
  }
  return height;
}

SkipList::Node* SkipList::FindBefore(const KeyView& target, Node** previous) const {
  Node* node = head_;
  const Node* known_not_before = nullptr;  // Spares comparing a node again one level down.
  for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0; --level) {
    for (;;) {
      Node* next = node->Link(level)->load(std::memory_order_acquire);
      if (next == nullptr || next == known_not_before) break;
      if (Compare(next->key(), target) >= 0) {
        known_not_before = next;
        break;
      }
      node = next;
    }
    if (previous != nullptr) previous[level] = node;
  }
  return node;
}

bool SkipList::Insert(const KeyView& key, std::string_view value) {
  Node* previous[kMaxHeight];
  const Node* before = FindBefore(key, previous);
  if (before != head_ && SameVersion(before->key(), key)) return false;
  const Node* after = before->next();
  if (after != nullptr && SameVersion(after->key(), key)) return false;

  const int height = RandomHeight();
  const int old_height = height_.load(std::memory_order_relaxed);
  for (int level = old_height; level < height; ++level) previous[level] = head_;
  if (height > old_height) height_.store(height, std::memory_order_relaxed);

  Node* node = NewNode(key, value, height);
  for (int level = 0; level < height; ++level) {
    Node* next = previous[level]->Link(level)->load(std::memory_order_relaxed);
    node->Link(level)->store(next, std::memory_order_relaxed);
    previous[level]->Link(level)->store(node, std::memory_order_release);
  }
  return true;
}

const SkipList::Node* SkipList::Last() const {
  const Node* node = head_;
  for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0; --level) {
    while (const Node* next = node->Link(level)->load(std::memory_order_acquire)) node = next;
  }
  return node == head_ ? nullptr : node;
}

const SkipList::Node* SkipList::AtOrAfter(const KeyView& target) const {
  const Node* node = FindBefore(target, nullptr)->next();
  // The writer may have inserted a smaller node since the search stopped.
  while (node != nullptr && Compare(node->key(), target) < 0) node = node->next();
  return node;
}

const SkipList::Node* SkipList::Before(const KeyView& target) const {
  const Node* node = FindBefore(target, nullptr);
  return node == head_ ? nullptr : node;
}

}  // namespace sisyphus::lsm
