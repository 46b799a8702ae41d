// Arena, skip list, memtable and write batch.

#include "lsm/memtable.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>

#include "base/thread_executor.h"

namespace sisyphus::lsm {
namespace {

TEST(ArenaTest, PiecesAreApartAndAligned) {
  Arena arena;
  Rng rng(1);
  struct Piece {
    char* at;
    size_t size;
  };
  std::vector<Piece> pieces;
  size_t asked = 0;
  for (int i = 0; i < 2000; ++i) {
    const size_t size =
        rng.Chance(1, 50) ? rng.Between(1, 3 * Arena::kBlockBytes) : rng.Between(1, 300);
    char* at = arena.Allocate(size);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(at) % alignof(void*), 0u);
    std::memset(at, i & 0xff, size);
    pieces.push_back({at, size});
    asked += size;
    ASSERT_GE(arena.bytes_used(), asked);
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    for (size_t j = 0; j < pieces[i].size; ++j) {
      ASSERT_EQ(static_cast<unsigned char>(pieces[i].at[j]), i & 0xff) << "piece " << i;
    }
  }
}

TEST(SkipListTest, HoldsWhatASetHolds) {
  Arena arena;
  SkipList list(&arena);
  EXPECT_EQ(list.First(), nullptr);
  EXPECT_EQ(list.Last(), nullptr);
  EXPECT_EQ(list.AtOrAfter(SeekKey("a", 1)), nullptr);
  EXPECT_EQ(list.Before(SeekKey("a", 1)), nullptr);

  // By user key, then by descending sequence number.
  std::set<std::pair<std::string, uint64_t>> expected;
  Rng rng(2);
  for (int i = 0; i < 3000; ++i) {
    const std::string key = std::to_string(rng.Below(300));
    const uint64_t sequence = rng.Between(1, 50);
    const bool fresh = expected.emplace(key, ~sequence).second;
    const Kind kind = rng.Chance(1, 2) ? Kind::kPut : Kind::kDelete;
    ASSERT_EQ(list.Insert({key, PackTrailer(sequence, kind)}, key), fresh);
  }
  auto it = expected.begin();
  for (const SkipList::Node* node = list.First(); node != nullptr; node = node->next(), ++it) {
    ASSERT_EQ(node->key().user_key, it->first);
    ASSERT_EQ(node->key().sequence(), ~it->second);
    ASSERT_EQ(node->value(), it->first);
  }
  EXPECT_EQ(it, expected.end());
  EXPECT_EQ(list.Last()->key().user_key, expected.rbegin()->first);

  for (int i = 0; i < 1000; ++i) {
    const std::string key = std::to_string(rng.Below(320));
    const uint64_t sequence = rng.Between(1, 55);
    const auto at = expected.lower_bound({key, ~sequence});
    const SkipList::Node* node = list.AtOrAfter(SeekKey(key, sequence));
    ASSERT_EQ(node == nullptr, at == expected.end());
    if (node != nullptr) {
      ASSERT_EQ(node->key().sequence(), ~at->second);
    }
    const SkipList::Node* before = list.Before(SeekKey(key, sequence));
    ASSERT_EQ(before == nullptr, at == expected.begin());
    if (before != nullptr) {
      ASSERT_EQ(before->key().user_key, std::prev(at)->first);
    }
  }
}

TEST(MemtableTest, TheLastOperationOnAKeyInABatchCounts) {
  Memtable memtable;
  WriteBatch batch;
  batch.Put("a", "1");
  batch.Delete("a");
  batch.Put("b", "1");
  batch.Put("b", "2");
  batch.Delete("c");
  batch.Put("c", "3");
  memtable.Add(batch, 5);
  EXPECT_EQ(memtable.Get("a", 5)->kind, Kind::kDelete);
  EXPECT_EQ(memtable.Get("b", 5)->value, "2");
  EXPECT_EQ(memtable.Get("c", 9)->value, "3");
  EXPECT_EQ(memtable.Get("c", 9)->sequence, 5u);
  EXPECT_FALSE(memtable.Get("c", 4).has_value());
  EXPECT_FALSE(memtable.Get("", 9).has_value());
  const auto iterator = memtable.NewIterator();
  int entries = 0;
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) ++entries;
  EXPECT_EQ(entries, 3);
}

TEST(MemtableTest, KeysAndValuesAreAnyBytes) {
  Memtable memtable;
  WriteBatch batch;
  const std::string zero(1, '\0');
  batch.Put("", "empty");
  batch.Put(zero, "zero");
  batch.Put(zero + zero, std::string(200'000, '\xff'));
  batch.Put("\xff", "");
  memtable.Add(batch, 1);
  EXPECT_EQ(memtable.Get("", 1)->value, "empty");
  EXPECT_EQ(memtable.Get(zero, 1)->value, "zero");
  EXPECT_EQ(memtable.Get(zero + zero, 1)->value.size(), 200'000u);
  EXPECT_EQ(memtable.Get("\xff", 1)->kind, Kind::kPut);
}

// Whatever a reader meets while the writer inserts is whole and in order.
TEST(SkipListTest, ReadersSeeWholeNodesInOrder) {
  Memtable memtable;
  std::atomic<uint64_t> written{0};
  std::atomic<bool> failed{false};
  ThreadExecutor executor;
  const auto reader = executor.CreateActor({.name = "reader"});
  constexpr uint64_t kWrites = 4000;
  std::atomic<bool> done{false};
  reader->Post([&] {
    const auto iterator = memtable.NewIterator();
    Rng rng(3);
    while (!done) {
      const uint64_t upto = written.load(std::memory_order_acquire);
      std::string last;
      uint64_t seen = 0;
      for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
        const std::string key(iterator->key().user_key);
        if (key <= last || iterator->value() != key) failed = true;
        last = key;
        if (iterator->key().sequence() <= upto) ++seen;
      }
      if (seen != upto) failed = true;
      if (upto > 0) {
        const uint64_t pick = rng.Between(1, upto);
        const auto found = memtable.Get(std::to_string(pick * 7919 % 10007), upto);
        if (!found || found->sequence != pick) failed = true;
      }
    }
  });
  for (uint64_t i = 1; i <= kWrites; ++i) {
    WriteBatch batch;
    const std::string key = std::to_string(i * 7919 % 10007);
    batch.Put(key, key);
    memtable.Add(batch, i);
    written.store(i, std::memory_order_release);
  }
  done = true;
  reader->Stop();
  EXPECT_FALSE(failed);
}

}  // namespace
}  // namespace sisyphus::lsm
