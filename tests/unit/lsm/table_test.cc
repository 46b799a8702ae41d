// Blocks, filters, tables, caches.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/checksum.h"
#include "lsm/bloom_filter.h"
#include "lsm/file_names.h"
#include "lsm/table_builder.h"
#include "lsm/table_cache.h"
#include "lsm/version_edit.h"
#include "tests/unit/lsm/store_model.h"

namespace sisyphus::lsm {
namespace {

using ::testing::HasSubstr;

struct ByInternalKey {
  bool operator()(const std::string& a, const std::string& b) const {
    return Compare(DecodeKey(a), DecodeKey(b)) < 0;
  }
};
using Entries = std::map<std::string, std::string, ByInternalKey>;

Entries RandomEntries(uint64_t seed, int n) {
  Entries entries;
  Rng rng(seed);
  for (int i = 0; i < n; ++i) {
    std::string key;
    AppendEncoded(&key, {"user" + std::to_string(rng.Below(static_cast<uint64_t>(n))),
                         PackTrailer(rng.Between(1, 1000), Kind::kPut)});
    entries[key] = std::string(rng.Below(100), static_cast<char>('a' + rng.Below(3)));
  }
  return entries;
}

// Walks `iterator` at random beside a map that holds the same.
void CompareWalks(InternalIterator& iterator, const Entries& entries, uint64_t seed) {
  Rng rng(seed);
  auto expected = entries.end();
  for (int i = 0; i < 2000; ++i) {
    const uint64_t dice = expected == entries.end() ? rng.Below(3) : rng.Below(10);
    if (dice == 0) {
      iterator.SeekToFirst();
      expected = entries.begin();
    } else if (dice == 1) {
      iterator.SeekToLast();
      expected = std::prev(entries.end());
    } else if (dice == 2) {
      std::string target;
      AppendEncoded(&target, {"user" + std::to_string(rng.Below(entries.size())),
                              PackTrailer(rng.Between(1, 1000), Kind::kPut)});
      iterator.Seek(DecodeKey(target));
      expected = entries.lower_bound(target);
    } else if (dice < 7) {
      iterator.Next();
      ++expected;
    } else {
      iterator.Prev();
      expected = expected == entries.begin() ? entries.end() : std::prev(expected);
    }
    ASSERT_EQ(iterator.Valid(), expected != entries.end()) << iterator.status();
    if (!iterator.Valid()) continue;
    ASSERT_EQ(Compare(iterator.key(), DecodeKey(expected->first)), 0);
    ASSERT_EQ(iterator.value(), expected->second);
  }
}

TEST(BlockTest, WalksLikeAMap) {
  for (const int interval : {1, 2, 16, 1000}) {
    const Entries entries = RandomEntries(static_cast<uint64_t>(interval), 200);
    BlockBuilder builder(interval);
    for (const auto& [key, value] : entries) builder.Add(DecodeKey(key), value);
    const size_t size = builder.size_bytes();
    std::string bytes = builder.Finish();
    EXPECT_EQ(bytes.size(), size);
    BlockIterator iterator(*Block::Make(std::move(bytes)));
    CompareWalks(iterator, entries, 1);
  }
}

TEST(BlockTest, GarbageIsDamageAndNothingWorse) {
  Rng rng(4);
  const Entries entries = RandomEntries(1, 40);
  BlockBuilder builder(4);
  for (const auto& [key, value] : entries) builder.Add(DecodeKey(key), value);
  const std::string good = builder.Finish();
  int damaged = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string bytes = good;
    for (uint64_t n = rng.Between(1, 4); n > 0; --n) {
      bytes[rng.Below(bytes.size())] = static_cast<char>(rng.Next());
    }
    if (rng.Chance(1, 4)) bytes.resize(rng.Below(bytes.size()));
    const auto block = Block::Make(bytes);
    if (!block.ok()) {
      ++damaged;
      continue;
    }
    BlockIterator iterator(*block);
    for (iterator.SeekToFirst(); iterator.Valid(); iterator.Next()) {
    }
    iterator.SeekToLast();
    for (int steps = 0; iterator.Valid() && steps < 1000; ++steps) iterator.Prev();
    iterator.Seek(SeekKey("user3", 5));
    if (!iterator.status().ok()) ++damaged;
  }
  EXPECT_GT(damaged, 500);
}

TEST(BloomFilterTest, NeverForgetsAndSeldomGuesses) {
  for (const uint64_t n : {1, 10, 1000, 20000}) {
    BloomFilterBuilder builder(10);
    for (uint64_t i = 0; i < n; ++i) builder.Add("key" + std::to_string(i));
    const std::string filter = builder.Finish();
    EXPECT_LE(filter.size(), n * 10 / 8 + 16);
    for (uint64_t i = 0; i < n; ++i) {
      ASSERT_TRUE(BloomMayContain(filter, "key" + std::to_string(i)));
    }
    int wrong = 0;
    for (int i = 0; i < 20000; ++i) wrong += BloomMayContain(filter, "other" + std::to_string(i));
    EXPECT_LT(wrong, 20000 * 15 / 1000) << n;
  }
  EXPECT_TRUE(BloomMayContain("", "a"));
}

class TableTest : public ::testing::Test {
 protected:
  TableMeta Build(const Entries& entries, uint64_t number = 1) {
    auto builder = TableBuilder::Create(fs_, options_, "", number);
    EXPECT_TRUE(builder.ok());
    for (const auto& [key, value] : entries) {
      EXPECT_TRUE((*builder)->Add(DecodeKey(key), value).ok());
    }
    EXPECT_TRUE((*builder)->Finish().ok());
    return {(*builder)->size_bytes(), (*builder)->properties()};
  }

  testing::SimFileSystem fs_;
  Options options_ = TinyOptions();
  BlockCache cache_{8 << 10};
};

TEST_F(TableTest, WalksAndGetsLikeAMap) {
  for (const bool compress : {false, true}) {
    options_.compress = compress;
    const Entries entries = RandomEntries(9, 1500);
    const TableMeta meta = Build(entries, compress ? 2 : 1);
    EXPECT_EQ(meta.size_bytes, *fs_.FileSize(TablePath("", meta.number())));
    EXPECT_EQ(meta.properties.entries, entries.size());
    EXPECT_EQ(meta.properties.smallest, entries.begin()->first);
    EXPECT_EQ(meta.properties.largest, entries.rbegin()->first);
    const auto table = TableReader::Open(fs_, "", meta.number(), &cache_);
    ASSERT_TRUE(table.ok()) << table.status();
    EXPECT_EQ((*table)->properties().largest_sequence, meta.properties.largest_sequence);
    const auto iterator = (*table)->NewIterator(/*fill_cache=*/compress);
    CompareWalks(*iterator, entries, 5);
    Rng rng(6);
    for (int i = 0; i < 2000; ++i) {
      std::string target;
      const std::string user_key = "user" + std::to_string(rng.Below(1600));
      const uint64_t sequence = rng.Between(1, 1000);
      AppendEncoded(&target, SeekKey(user_key, sequence));
      const auto expected = entries.lower_bound(target);
      const bool there =
          expected != entries.end() && DecodeKey(expected->first).user_key == user_key;
      std::string value;
      const auto found = (*table)->Get(user_key, sequence, true, &value);
      ASSERT_TRUE(found.ok());
      ASSERT_EQ(found->has_value(), there);
      if (there) {
        ASSERT_EQ(value, expected->second);
      }
      if (there) {
        ASSERT_TRUE((*table)->MayContain(user_key));
      }
    }
  }
  EXPECT_GT(cache_.hits(), 0u);
  EXPECT_LT(cache_.cost(), (8 << 10) + 16 * 512u);
}

TEST_F(TableTest, CompressesOnlyWhatShrinks) {
  options_.compress = true;
  Entries repetitive;
  Entries random;
  Rng rng(8);
  for (int i = 0; i < 200; ++i) {
    std::string key;
    AppendEncoded(&key, {std::to_string(10000 + i), PackTrailer(1, Kind::kPut)});
    repetitive[key] = std::string(100, 'x');
    std::string& value = random[key];
    for (int j = 0; j < 100; ++j) value.push_back(static_cast<char>(rng.Next()));
  }
  EXPECT_LT(Build(repetitive, 1).size_bytes, Build(random, 2).size_bytes / 2);
  options_.compress = false;
  // Of the other table only the index shrinks.
  EXPECT_LE(*fs_.FileSize("/2.sst"), Build(random, 3).size_bytes);
  EXPECT_GT(*fs_.FileSize("/2.sst"), 200u * 100);
}

TEST_F(TableTest, AFutureFormatIsRefusedByName) {
  const TableMeta meta = Build(RandomEntries(1, 10));
  std::string bytes = *ReadWholeFile(fs_, "/1.sst");
  char* footer = bytes.data() + bytes.size() - kFooterBytes;
  EncodeFixed32(footer + 48, 9);
  EncodeFixed64(footer + 56, Checksum(std::string_view(footer, 56), kTableMagic));
  ASSERT_TRUE((*fs_.NewWritableFile("/1.sst"))->Append(bytes).ok());
  const auto table = TableReader::Open(fs_, "", meta.number(), &cache_);
  EXPECT_EQ(table.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(table.status().ToString(), HasSubstr("format 9"));
  EXPECT_THAT(table.status().ToString(), HasSubstr("format 1"));
}

TEST_F(TableTest, ATableByAnotherNameIsDamage) {
  Build(RandomEntries(1, 10));
  ASSERT_TRUE(fs_.Rename("/1.sst", "/2.sst").ok());
  EXPECT_EQ(TableReader::Open(fs_, "", 2, &cache_).status().code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE((*fs_.NewWritableFile("/3.sst"))->Append("short").ok());
  EXPECT_EQ(TableReader::Open(fs_, "", 3, &cache_).status().code(), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(fs_.NewWritableFile("/4.sst").ok());
  EXPECT_EQ(TableReader::Open(fs_, "", 4, &cache_).status().code(), absl::StatusCode::kDataLoss);
}

TEST(LruCacheTest, ForgetsTheOldestAndKeepsWhatIsHeld) {
  LruCache<const int> cache(16 * 3);
  const auto held = cache.Insert({0, 0}, std::make_shared<const int>(0), 1);
  for (uint64_t i = 1; i < 2000; ++i) {
    const auto value = std::make_shared<const int>(static_cast<int>(i));
    ASSERT_EQ(cache.Insert({i, i * 4096}, value, 1), value);
    ASSERT_EQ(cache.Find({i, i * 4096}), value);
    ASSERT_NE(cache.Insert({i, i * 4096}, std::make_shared<const int>(0), 1), nullptr);
    ASSERT_EQ(*cache.Find({i, i * 4096}), static_cast<int>(i));
  }
  EXPECT_LE(cache.cost(), 16 * 4u);
  EXPECT_EQ(*held, 0);
  EXPECT_EQ(cache.Find({0, 0}), nullptr);
  cache.Erase({1999, 1999 * 4096});
  EXPECT_EQ(cache.Find({1999, 1999 * 4096}), nullptr);
}

TEST(FileNamesTest, ParsesOnlyItsOwn) {
  EXPECT_EQ(ParseFileName("12.sst")->number, 12u);
  EXPECT_EQ(ParseFileName("MANIFEST-7")->number, 7u);
  for (const char* name : {"", ".sst", "x.sst", "1x.sst", "-1.sst", "MANIFEST-", "MANIFEST-1.tmp",
                           "CURRENT", "1.sst.tmp", "99999999999999999999999.sst"}) {
    EXPECT_FALSE(ParseFileName(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace sisyphus::lsm
