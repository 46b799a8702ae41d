// LruCache: a bounded map to shared values that forgets what was used longest ago.
//
// Split into shards, each with a lock of its own that is held for a few instructions. A value that
// somebody holds lives on after the cache forgot it. Any thread.
#ifndef SISYPHUS_LSM_LRU_CACHE_H_
#define SISYPHUS_LSM_LRU_CACHE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"

namespace sisyphus::lsm {

// Which part of which file a value came from. File numbers are never used twice.
struct CacheKey {
  uint64_t file = 0;
  uint64_t offset = 0;
  bool operator==(const CacheKey&) const = default;

  // Offsets and numbers are far from random in their low bits: mix (a Fibonacci multiplication).
  uint64_t Hash() const { return (file * 0x9e3779b97f4a7c15 ^ offset) * 0xff51afd7ed558ccd; }
};

template <typename Value>
class LruCache {
 public:
  using Pointer = std::shared_ptr<Value>;

  // `capacity` in the unit of the costs that Insert is given.
  explicit LruCache(uint64_t capacity) : shard_capacity_(capacity / kShards + 1) {}

  // Null if it is not there.
  Pointer Find(const CacheKey& key) {
    Shard& shard = ShardOf(key);
    MutexLock lock(shard.mu);
    const auto it = shard.index.find(key);
    if (it == shard.index.end()) {
      misses_.fetch_add(1, std::memory_order_relaxed);
      return nullptr;
    }
    hits_.fetch_add(1, std::memory_order_relaxed);
    shard.entries.splice(shard.entries.begin(), shard.entries, it->second);
    return it->second->value;
  }

  // Answers the value to use: the one that is there already, if another thread was faster.
  Pointer Insert(const CacheKey& key, Pointer value, uint64_t cost) {
    std::list<Entry> evicted;  // Destroyed without the lock.
    Shard& shard = ShardOf(key);
    MutexLock lock(shard.mu);
    if (const auto it = shard.index.find(key); it != shard.index.end()) return it->second->value;
    shard.entries.push_front({key, value, cost});
    shard.index.emplace(key, shard.entries.begin());
    shard.cost += cost;
    while (shard.cost > shard_capacity_ && shard.entries.size() > 1) {
      Remove(shard, std::prev(shard.entries.end()), &evicted);
    }
    return value;
  }

  void Erase(const CacheKey& key) {
    std::list<Entry> erased;
    Shard& shard = ShardOf(key);
    MutexLock lock(shard.mu);
    if (const auto it = shard.index.find(key); it != shard.index.end()) {
      Remove(shard, it->second, &erased);
    }
  }

  uint64_t hits() const { return hits_.load(std::memory_order_relaxed); }
  uint64_t misses() const { return misses_.load(std::memory_order_relaxed); }
  uint64_t cost() const {
    uint64_t sum = 0;
    for (const Shard& shard : shards_) {
      MutexLock lock(shard.mu);
      sum += shard.cost;
    }
    return sum;
  }

 private:
  static constexpr size_t kShards = 16;

  struct Entry {
    CacheKey key;
    Pointer value;
    uint64_t cost;
  };
  struct Hasher {
    size_t operator()(const CacheKey& key) const { return key.Hash(); }
  };
  struct Shard {
    mutable Mutex mu;
    std::list<Entry> entries SIS_GUARDED_BY(mu);  // Used last first.
    std::unordered_map<CacheKey, typename std::list<Entry>::iterator, Hasher> index
        SIS_GUARDED_BY(mu);
    uint64_t cost SIS_GUARDED_BY(mu) = 0;
  };

  Shard& ShardOf(const CacheKey& key) { return shards_[key.Hash() >> 60]; }
  static_assert(kShards == 1 << (64 - 60));

  static void Remove(Shard& shard, typename std::list<Entry>::iterator entry,
                     std::list<Entry>* into) SIS_REQUIRES(shard.mu) {
    shard.cost -= entry->cost;
    shard.index.erase(entry->key);
    into->splice(into->begin(), shard.entries, entry);
  }

  const uint64_t shard_capacity_;
  std::array<Shard, kShards> shards_;
  std::atomic<uint64_t> hits_{0};
  std::atomic<uint64_t> misses_{0};
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_LRU_CACHE_H_
