// The store on real threads.

#include "sisyphus/db.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "base/thread_executor.h"
#include "tests/unit/lsm/store_model.h"

namespace sisyphus::lsm {
namespace {

class DbTest : public ::testing::Test {
 protected:
  DbTest() {
    options_ = TinyOptions();
    options_.file_system = &fs_;
    Open();
  }
  void Open() {
    db_ = nullptr;
    auto db = DB::Open(options_, "/db");
    ASSERT_TRUE(db.ok()) << db.status();
    db_ = *std::move(db);
  }
  void Put(const std::string& key, const std::string& value) {
    WriteBatch batch;
    batch.Put(key, value);
    ASSERT_EQ(db_->Write(batch, {++last_, 1}), absl::OkStatus());
  }
  void Delete(const std::string& key) {
    WriteBatch batch;
    batch.Delete(key);
    ASSERT_EQ(db_->Write(batch, {++last_, 1}), absl::OkStatus());
  }
  std::string Get(const std::string& key, uint64_t sequence = kMaxSequence) {
    ReadResult result;
    const auto found = db_->Get({.sequence = sequence}, key, &result);
    EXPECT_TRUE(found.ok()) << found.status();
    return found.ok() && *found ? result.value : "(none)";
  }

  testing::SimFileSystem fs_;
  Options options_;
  uint64_t last_ = 0;
  std::unique_ptr<DB> db_;
};

TEST_F(DbTest, SequenceNumbersOnlyGrow) {
  Put("a", "1");
  EXPECT_EQ(db_->Write({}, {1, 1}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(db_->Write({}, {0, 1}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(db_->Write({}, {kMaxSequence, 1}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(db_->Write({}, {5, 2}), absl::OkStatus());
  EXPECT_EQ(db_->last_written(), (Position{5, 2}));
}

TEST_F(DbTest, AnEmptyBatchMovesTheFlushedPosition) {
  EXPECT_EQ(db_->Flush(), absl::OkStatus());
  EXPECT_EQ(db_->flushed(), Position{});
  const Position position{7, 3, 0xfedcba9876543210};
  ASSERT_EQ(db_->Write({}, position), absl::OkStatus());
  EXPECT_EQ(db_->Flush(), absl::OkStatus());
  EXPECT_EQ(db_->flushed(), position);
  EXPECT_EQ(db_->stats().levels[0].files, 0u);
  ASSERT_TRUE(db_->Checkpoint("/copy").ok());
  Open();
  EXPECT_EQ(db_->flushed(), position);
  EXPECT_EQ(db_->last_written(), position);
  EXPECT_EQ((*DB::Open(options_, "/copy"))->flushed(), position);
}

TEST_F(DbTest, CompactAllLeavesOnlyWhatCanBeRead) {
  db_->SetHistoryFloor(0);
  for (int i = 0; i < 300; ++i) Put(KeyOf(static_cast<uint64_t>(i)), "value");
  const uint64_t before = last_;
  for (int i = 0; i < 300; ++i) Delete(KeyOf(static_cast<uint64_t>(i)));
  ASSERT_EQ(db_->CompactAll(), absl::OkStatus());
  EXPECT_EQ(ReadAll(*db_, kMaxSequence).size(), 0u);
  EXPECT_EQ(ReadAll(*db_, before).size(), 300u);
  DbStats stats = db_->stats();
  EXPECT_GT(stats.levels[kLevels - 1].files, 1u);
  for (int i = 0; i + 1 < kLevels; ++i) EXPECT_EQ(stats.levels[static_cast<size_t>(i)].files, 0u);

  const auto snapshot = db_->NewSnapshot();
  Put("later", "1");
  db_->SetHistoryFloor(kMaxSequence);
  ASSERT_EQ(db_->CompactAll(), absl::OkStatus());
  EXPECT_EQ(db_->stats().levels[kLevels - 1].files, 1u);
  EXPECT_EQ(ReadAll(*db_, snapshot->sequence()).size(), 0u);
  EXPECT_EQ(Get("later"), "1");
}

TEST_F(DbTest, AnOpenIteratorKeepsItsTables) {
  for (int i = 0; i < 200; ++i) Put(KeyOf(static_cast<uint64_t>(i)), "old");
  ASSERT_EQ(db_->Flush(), absl::OkStatus());
  auto iterator = db_->NewIterator({.fill_cache = false});
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 200; ++i) Put(KeyOf(static_cast<uint64_t>(i)), "new");
    ASSERT_EQ(db_->CompactAll(), absl::OkStatus());
  }
  int seen = 0;
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next(), ++seen) {
    ASSERT_EQ(iterator->value(), "old");
  }
  EXPECT_EQ(iterator->status(), absl::OkStatus());
  EXPECT_EQ(seen, 200);
  iterator = nullptr;
  // Files that nobody needs go away.
  ASSERT_EQ(db_->CompactAll(), absl::OkStatus());
  Open();
  size_t tables = 0;
  const std::vector<std::string> names = *fs_.List("/db");
  for (const std::string& name : names) tables += name.ends_with(".sst") ? 1 : 0;
  uint64_t named = 0;
  for (const DbStats::Level& level : db_->stats().levels) named += level.files;
  EXPECT_EQ(tables, named);
}

TEST_F(DbTest, FiltersSaveReads) {
  for (int i = 0; i < 500; ++i) Put(KeyOf(static_cast<uint64_t>(i)), "value");
  ASSERT_EQ(db_->CompactAll(), absl::OkStatus());
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(Get("key/" + std::to_string(i) + "x"), "(none)");
  const DbStats stats = db_->stats();
  EXPECT_GT(stats.bloom_checks, 900u);
  EXPECT_GT(stats.bloom_skips, stats.bloom_checks * 97 / 100);
}

TEST_F(DbTest, OptionsThatMakeNoSenseAreRefused) {
  Options bad = options_;
  bad.block_restart_interval = 0;
  EXPECT_EQ(DB::Open(bad, "/other").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DB::Open(options_, "/no/such/parent").status().code(), absl::StatusCode::kNotFound);
}

// One writer with flushes and compactions behind it; readers that check that what they see is one
// state: each batch sets all keys to one value.
TEST_F(DbTest, ReadersSeeWholeBatchesWhileTheStoreWorks) {
  constexpr int kBatchKeys = 8;
  constexpr int kWrites = 1500;
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::atomic<uint64_t> acknowledged{0};
  const auto read = [&](uint64_t seed) {
    Rng rng(seed);
    while (!done) {
      const uint64_t floor = acknowledged.load(std::memory_order_acquire);
      if (rng.Chance(1, 2)) {
        const auto snapshot = db_->NewSnapshot();
        ReadResult result;
        std::string first;
        for (int i = 0; i < kBatchKeys; ++i) {
          const auto found =
              db_->Get({.sequence = snapshot->sequence()}, "k" + std::to_string(i), &result);
          const bool there = found.ok() && *found;
          if (!found.ok() || there != (snapshot->sequence() > 0)) ++wrong;
          if (i == 0) first = result.value;
          if (there && (result.value != first || result.sequence != snapshot->sequence())) ++wrong;
        }
        if (snapshot->sequence() < floor) ++wrong;
      } else {
        const auto iterator = db_->NewIterator({});
        const bool forward = rng.Chance(1, 2);
        int seen = 0;
        uint64_t sequence = 0;
        for (forward ? iterator->SeekToFirst() : iterator->SeekToLast(); iterator->Valid();
             forward ? iterator->Next() : iterator->Prev()) {
          if (seen++ == 0) sequence = iterator->sequence();
          if (iterator->sequence() != sequence) ++wrong;
        }
        if (!iterator->status().ok() || (floor > 0 && seen != kBatchKeys)) ++wrong;
        if (sequence < floor) ++wrong;
      }
    }
  };
  ThreadExecutor executor;
  const auto reader_a = executor.CreateActor({.name = "reader-a"});
  const auto reader_b = executor.CreateActor({.name = "reader-b"});
  reader_a->Post([&] { read(1); });
  reader_b->Post([&] { read(2); });
  for (int n = 1; n <= kWrites; ++n) {
    WriteBatch batch;
    for (int i = 0; i < kBatchKeys; ++i) batch.Put("k" + std::to_string(i), std::to_string(n));
    ASSERT_EQ(db_->Write(batch, {++last_, 1}), absl::OkStatus());
    acknowledged.store(last_, std::memory_order_release);
    if (db_->WriteStalled()) {
      ASSERT_EQ(db_->Flush(), absl::OkStatus());
    }
  }
  // However little the background got to do so far: the readers see a compaction of everything.
  ASSERT_EQ(db_->CompactAll(), absl::OkStatus());
  done = true;
  reader_a->Stop();
  reader_b->Stop();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(db_->stats().flushes, 0u);
  EXPECT_GT(db_->stats().compactions, 0u);
}

TEST(PosixDbTest, WorksOnTheRealFileSystem) {
  const std::string path = ::testing::TempDir() + "/lsm_posix_db";
  Options options = TinyOptions();
  {
    auto db = DB::Open(options, path);
    ASSERT_TRUE(db.ok()) << db.status();
    Rng rng(1);
    StoreModel model;
    const uint64_t begin = (*db)->last_written().sequence;
    WriteBatch clear;
    for (uint64_t i = 0; i < 1000; ++i) clear.Delete(KeyOf(i));
    ASSERT_EQ((*db)->Write(clear, {begin + 1, 1}), absl::OkStatus());
    for (uint64_t i = 2; i < 300; ++i) {
      const WriteBatch batch = RandomBatch(rng, 100);
      model.Write(batch, {begin + i, 1});
      ASSERT_EQ((*db)->Write(batch, {begin + i, 1}), absl::OkStatus());
    }
    ASSERT_EQ((*db)->Flush(), absl::OkStatus());
    EXPECT_EQ(ReadAll(**db, kMaxSequence), model.At(kMaxSequence));
    *db = nullptr;
    db = DB::Open(options, path);
    ASSERT_TRUE(db.ok()) << db.status();
    EXPECT_EQ(ReadAll(**db, kMaxSequence), model.At(kMaxSequence));
  }
}

}  // namespace
}  // namespace sisyphus::lsm
