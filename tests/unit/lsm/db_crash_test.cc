// Power loss, full disks, failing disks and decaying disks.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/lsm/store_model.h"

namespace sisyphus::lsm {
namespace {

using ::testing::HasSubstr;
using FileSystem = testing::SimFileSystem;

// Drives a store through writes, flushes and compactions, remembering all of it.
class Workload {
 public:
  Workload(FileSystem* fs, uint64_t seed) : rng_(seed), store_(fs, seed) {}

  // Answers the first error of Open or Write.
  absl::Status Run(int writes) {
    SIS_RETURN_IF_ERROR(store_.Open());
    store_.db().SetHistoryFloor(kMaxSequence);
    for (int i = 0; i < writes; ++i) {
      ++last_;
      const Position position{last_, 1 + last_ / 50};
      const WriteBatch batch = RandomBatch(rng_, 300);
      if (store_.db().WriteStalled()) store_.Settle();
      // Known before the store can flush it.
      model_.Write(batch, position);
      SIS_RETURN_IF_ERROR(store_.db().Write(batch, position));
      if (rng_.Chance(1, 60)) store_.db().ScheduleFlush();
      store_.Step(rng_.Below(4));
    }
    store_.db().ScheduleFlush();
    store_.Settle();
    return store_.db().Write({}, {++last_, 9});
  }

  SimStore& store() { return store_; }
  const StoreModel& model() const { return model_; }

 private:
  Rng rng_;
  StoreModel model_;
  SimStore store_;
  uint64_t last_ = 0;
};

// Whether what `fs` holds is a state that `workload` may be found in, which had reported
// `reported` as flushed.
void CheckRecovered(FileSystem* fs, const Workload& workload, const Position& reported) {
  SimStore store(fs, 7);
  const absl::Status status = store.Open();
  ASSERT_EQ(status, absl::OkStatus());
  const Position flushed = store.db().flushed();
  ASSERT_GE(flushed.sequence, reported.sequence) << "a flush that was reported is lost";
  ASSERT_TRUE(workload.model().HasPosition(flushed)) << flushed.sequence;
  ASSERT_EQ(store.db().last_written(), flushed);
  const StoreModel::Content content = workload.model().At(flushed.sequence);
  ASSERT_EQ(ReadAll(store.db(), kMaxSequence), content);
  // It must work, too: the rest is written again and compacted.
  for (const StoreModel::LogEntry& entry : workload.model().log()) {
    if (entry.position.sequence <= flushed.sequence) continue;
    ASSERT_EQ(store.db().Write(entry.batch, entry.position), absl::OkStatus());
  }
  store.db().ScheduleFlush();
  store.Settle();
  ASSERT_EQ(store.listener().errors, 0) << store.listener().error;
  ASSERT_EQ(ReadAll(store.db(), kMaxSequence), workload.model().At(kMaxSequence));
}

class DbCrashTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(DbCrashTest, PowerLossAtEveryOperationLosesNothingThatWasFlushed) {
  FileSystem fs;
  Rng rng(GetParam());
  Workload workload(&fs, GetParam());
  int crashes = 0;
  fs.SetObserver([&](const testing::FileOperation& operation) {
    if (!operation.mutates() || HasFatalFailure()) return;
    ++crashes;
    const std::unique_ptr<FileSystem> after = fs.CrashClone(rng);
    CheckRecovered(after.get(), workload, workload.store().listener().flushed);
  });
  EXPECT_EQ(workload.Run(500), absl::OkStatus());
  fs.SetObserver(nullptr);
  EXPECT_GT(crashes, 200);
  EXPECT_GT(workload.store().db().stats().compactions, 8u);
}

TEST_P(DbCrashTest, PowerLossDuringRecoveryLosesNothing) {
  FileSystem fs;
  Rng rng(GetParam());
  Workload workload(&fs, GetParam());
  ASSERT_EQ(workload.Run(120), absl::OkStatus());
  const Position flushed = workload.store().db().flushed();
  workload.store().Close();
  // An unfinished table, and a manifest that never counted.
  ASSERT_TRUE((*fs.NewWritableFile("/db/900.sst"))->Append("half a tab").ok());
  ASSERT_TRUE((*fs.NewWritableFile("/db/MANIFEST-901"))->Append("?").ok());
  fs.SetObserver([&](const testing::FileOperation& operation) {
    if (!operation.mutates() || HasFatalFailure()) return;
    const std::unique_ptr<FileSystem> after = fs.CrashClone(rng);
    CheckRecovered(after.get(), workload, flushed);
  });
  SimStore store(&fs, 3);
  ASSERT_EQ(store.Open(), absl::OkStatus());
  fs.SetObserver(nullptr);
  EXPECT_FALSE(*fs.Exists("/db/900.sst"));
  EXPECT_FALSE(*fs.Exists("/db/MANIFEST-901"));
  EXPECT_FALSE(*fs.Exists("/db/900.sst"));
  store.Close();
  CheckRecovered(&fs, workload, flushed);
}

TEST_P(DbCrashTest, EveryFailedOperationStopsWritesAndLosesNothing) {
  const absl::Status errors[] = {
      absl::InternalError("I/O error"),
      absl::ResourceExhaustedError("No space left on device"),
  };
  FileSystem sound;
  Workload undisturbed(&sound, GetParam());
  ASSERT_EQ(undisturbed.Run(250), absl::OkStatus());
  const uint64_t mutations = sound.mutations();
  ASSERT_GT(mutations, 100u);
  for (const absl::Status& error : errors) {
    // The seeds share the operations between them.
    for (uint64_t n = GetParam(); n <= mutations && !HasFatalFailure(); n += 3) {
      FileSystem fs;
      fs.AddFault({.countdown = n, .status = error});
      Workload workload(&fs, GetParam());
      const absl::Status status = workload.Run(250);
      fs.ClearFaults();
      if (workload.store().is_open()) {
        // A failed deletion of a file that nobody needs is no reason to stop.
        ASSERT_EQ(workload.store().listener().errors, status.ok() ? 0 : 1) << n;
        if (!status.ok()) {
          EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
          EXPECT_EQ(workload.store().listener().error.code(), error.code());
        }
      } else {
        EXPECT_EQ(status.code(), error.code());
      }
      const Position reported = workload.store().listener().flushed;
      Rng rng(n);
      const std::unique_ptr<FileSystem> crashed = fs.CrashClone(rng);
      CheckRecovered(crashed.get(), workload, reported);
      workload.store().Close();
      CheckRecovered(&fs, workload, reported);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, DbCrashTest, ::testing::Range<uint64_t>(1, 4));

TEST(DbDamageTest, EveryFlippedBitOfATableIsFoundByReads) {
  FileSystem fs;
  Workload workload(&fs, 11);
  ASSERT_EQ(workload.Run(600), absl::OkStatus());
  workload.store().Close();
  Rng rng(5);
  std::vector<std::string> tables;
  const std::vector<std::string> names = *fs.List("/db");
  for (const std::string& name : names) {
    if (name.ends_with(".sst")) tables.push_back("/db/" + name);
  }
  ASSERT_GE(tables.size(), 2u);
  for (int i = 0; i < 300; ++i) {
    const std::string& path = tables[rng.Below(tables.size())];
    const uint64_t offset = rng.Below(*fs.FileSize(path));
    const auto bit = static_cast<unsigned>(rng.Below(8));
    ASSERT_TRUE(fs.FlipBit(path, offset, bit).ok());
    SimStore store(&fs, 1);
    ASSERT_EQ(store.Open(), absl::OkStatus());
    const auto iterator = store.db().NewIterator({});
    iterator->SeekToFirst();
    while (iterator->Valid()) iterator->Next();
    const absl::Status status = iterator->status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << path << " " << offset;
    EXPECT_THAT(status.ToString(), HasSubstr(path + ": offset "));
    // Nor does it travel.
    const absl::Status checkpoint = store.db().Checkpoint("/checkpoint").status();
    EXPECT_EQ(checkpoint.code(), absl::StatusCode::kDataLoss) << checkpoint;
    EXPECT_FALSE(*fs.Exists("/checkpoint"));
    ASSERT_TRUE(fs.FlipBit(path, offset, bit).ok());
  }
  CheckRecovered(&fs, workload, {});
}

TEST(DbDamageTest, DamageOfManifestOrCurrentIsNeverReadAsSomethingElse) {
  FileSystem fs;
  Workload workload(&fs, 12);
  ASSERT_EQ(workload.Run(60), absl::OkStatus());
  workload.store().Close();
  const std::vector<std::string> names = *fs.List("/db");
  int found = 0;
  for (const std::string& name : names) {
    if (name.ends_with(".sst")) continue;
    const std::string path = "/db/" + name;
    const uint64_t size = *fs.FileSize(path);
    for (uint64_t offset = 0; offset < size; offset += 1 + size / 100) {
      Rng rng(offset);
      // Nothing is unsynced: the clone is an exact copy.
      const std::unique_ptr<FileSystem> copy = fs.CrashClone(rng);
      ASSERT_TRUE(copy->FlipBit(path, offset, offset % 8).ok());
      SimStore store(copy.get(), 1);
      const absl::Status status = store.Open();
      if (status.ok()) {
        // Only the last edit can be taken for one that was being written. What it replaced is gone
        // or still there, and holds a state that the store once had.
        EXPECT_EQ(ReadAll(store.db(), kMaxSequence),
                  workload.model().At(store.db().flushed().sequence));
        continue;
      }
      ++found;
      EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
      EXPECT_THAT(status.ToString(), HasSubstr("/db/"));
    }
  }
  EXPECT_GT(found, 50);
}

TEST(DbDamageTest, AMissingTableOrCurrentIsDataLoss) {
  FileSystem fs;
  Workload workload(&fs, 13);
  ASSERT_EQ(workload.Run(100), absl::OkStatus());
  workload.store().Close();
  const std::vector<std::string> names = *fs.List("/db");
  for (const std::string& name : names) {
    Rng rng(1);
    const std::unique_ptr<FileSystem> copy = fs.CrashClone(rng);
    ASSERT_TRUE(copy->Delete("/db/" + name).ok());
    SimStore store(copy.get(), 1);
    EXPECT_EQ(store.Open().code(), absl::StatusCode::kDataLoss) << name;
  }
}

TEST(DbDamageTest, ATableCutShortIsDataLoss) {
  FileSystem fs;
  Workload workload(&fs, 14);
  ASSERT_EQ(workload.Run(100), absl::OkStatus());
  workload.store().Close();
  const std::vector<std::string> names = *fs.List("/db");
  for (const std::string& name : names) {
    if (!name.ends_with(".sst")) continue;
    const std::string path = "/db/" + name;
    ASSERT_TRUE(fs.OpenForAppend(path, *fs.FileSize(path) / 2).ok());
    break;
  }
  SimStore store(&fs, 1);
  EXPECT_EQ(store.Open().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace sisyphus::lsm
