// The store against a model, through random histories.

#include <gtest/gtest.h>

#include "tests/unit/lsm/store_model.h"

namespace sisyphus::lsm {
namespace {

constexpr uint64_t kKeys = 60;

class ModelRun {
 public:
  explicit ModelRun(uint64_t seed) : rng_(seed), store_(&fs_, seed) {}

  void Run(int operations) {
    Reopen();
    for (int i = 0; i < operations && !::testing::Test::HasFailure(); ++i) {
      Operation();
      store_.Step(rng_.Below(4));
    }
    EXPECT_EQ(store_.listener().errors, 0) << store_.listener().error;
    EXPECT_GT(compactions_ + store_.db().stats().compactions, 10u);
  }

 private:
  void Operation() {
    const uint64_t dice = rng_.Below(1000);
    if (dice < 700) {
      Write();
    } else if (dice < 850) {
      CheckGet();
    } else if (dice < 900) {
      CheckWalk();
    } else if (dice < 930) {
      snapshots_.push_back(store_.db().NewSnapshot());
    } else if (dice < 960 && !snapshots_.empty()) {
      snapshots_.erase(snapshots_.begin() + static_cast<long>(rng_.Below(snapshots_.size())));
    } else if (dice < 970) {
      floor_ = rng_.Between(floor_, last_);
      store_.db().SetHistoryFloor(floor_);
    } else if (dice < 985) {
      store_.db().ScheduleFlush();
    } else if (dice < 990) {
      CheckCheckpoint();
    } else if (dice < 994) {
      store_.Settle();
    } else if (dice < 997) {
      Reopen();
    }
  }

  void Write() {
    if (store_.db().WriteStalled()) {
      const int before = store_.listener().writable;
      store_.Settle();
      ASSERT_FALSE(store_.db().WriteStalled());
      ASSERT_GT(store_.listener().writable, before);
    }
    last_ += rng_.Between(1, 3);
    const WriteBatch batch = RandomBatch(rng_, kKeys);
    const Position position{last_, last_ / 100};
    model_.Write(batch, position);
    ASSERT_EQ(store_.db().Write(batch, position), absl::OkStatus());
    ASSERT_EQ(store_.db().last_written(), position);
  }

  // Somewhere that must be readable: now, a snapshot, or the kept history.
  uint64_t SomeSequence() {
    const uint64_t dice = rng_.Below(3);
    if (dice == 0 && !snapshots_.empty()) {
      return snapshots_[rng_.Below(snapshots_.size())]->sequence();
    }
    return dice == 1 ? rng_.Between(floor_, last_) : kMaxSequence;
  }

  void CheckGet() {
    const std::string key = KeyOf(rng_.Below(kKeys + 5));
    const uint64_t sequence = SomeSequence();
    ReadResult result;
    const auto found = store_.db().Get({.sequence = sequence}, key, &result);
    ASSERT_TRUE(found.ok()) << found.status();
    const auto expected = model_.Get(key, sequence);
    ASSERT_EQ(*found, expected.has_value()) << key << " at " << sequence;
    if (*found) {
      EXPECT_EQ(result.value, expected->value);
      EXPECT_EQ(result.sequence, expected->sequence);
    }
  }

  void CheckWalk() {
    const uint64_t sequence = SomeSequence();
    const StoreModel::Content content = model_.At(sequence);
    ASSERT_EQ(ReadAll(store_.db(), sequence), content) << "at " << sequence;
    const auto iterator = store_.db().NewIterator({.sequence = sequence});
    auto expected = content.end();
    for (int i = 0; i < 40; ++i) {
      const std::string target = KeyOf(rng_.Below(kKeys + 5));
      switch (expected == content.end() ? rng_.Below(4) : rng_.Below(9)) {
        case 0:
          iterator->SeekToFirst();
          expected = content.begin();
          break;
        case 1:
          iterator->SeekToLast();
          expected = content.empty() ? content.end() : std::prev(content.end());
          break;
        case 2:
          iterator->Seek(target);
          expected = content.lower_bound(target);
          break;
        case 3:
          iterator->SeekForPrev(target);
          expected = content.upper_bound(target);
          expected = expected == content.begin() ? content.end() : std::prev(expected);
          break;
        case 4:
        case 5:
        case 6:
          iterator->Next();
          ++expected;
          break;
        default:
          iterator->Prev();
          expected = expected == content.begin() ? content.end() : std::prev(expected);
      }
      ASSERT_EQ(iterator->Valid(), expected != content.end()) << iterator->status();
      if (iterator->Valid()) {
        ASSERT_EQ(iterator->key(), expected->first);
        ASSERT_EQ(iterator->value(), expected->second.value);
        ASSERT_EQ(iterator->sequence(), expected->second.sequence);
      }
      // What is written, flushed and compacted meanwhile does not show.
      if (rng_.Chance(1, 4)) Write();
      store_.Step(rng_.Below(3));
    }
  }

  void CheckCheckpoint() {
    const std::string path = "/checkpoint" + std::to_string(last_);
    const bool fresh = !*fs_.Exists(path);
    const auto position = store_.db().Checkpoint(path);
    if (!fresh) {
      EXPECT_EQ(position.status().code(), absl::StatusCode::kAlreadyExists);
      return;
    }
    ASSERT_TRUE(position.ok()) << position.status();
    SimStore copy(&fs_, rng_.Next());
    ASSERT_EQ(copy.Open(path), absl::OkStatus());
    EXPECT_EQ(copy.db().flushed(), *position);
    EXPECT_EQ(ReadAll(copy.db(), kMaxSequence), model_.At(position->sequence));
  }

  void Reopen() {
    Position flushed;
    snapshots_.clear();
    if (store_.is_open()) {
      flushed = store_.db().flushed();
      compactions_ += store_.db().stats().compactions;
      store_.Close();
    }
    ASSERT_EQ(store_.Open(), absl::OkStatus());
    ASSERT_EQ(store_.db().flushed(), flushed);
    ASSERT_EQ(store_.db().last_written(), flushed);
    ASSERT_EQ(ReadAll(store_.db(), kMaxSequence), model_.At(flushed.sequence));
    store_.db().SetHistoryFloor(floor_);
    for (const StoreModel::LogEntry& entry : model_.log()) {
      const absl::Status status = store_.db().Write(entry.batch, entry.position);
      ASSERT_EQ(status.ok(), entry.position.sequence > flushed.sequence) << status;
      if (store_.db().WriteStalled()) store_.Settle();
    }
  }

  Rng rng_;
  testing::SimFileSystem fs_;
  StoreModel model_;
  SimStore store_;
  std::vector<std::unique_ptr<Snapshot>> snapshots_;
  uint64_t last_ = 0;
  uint64_t floor_ = 0;
  uint64_t compactions_ = 0;
};

class DbModelTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(DbModelTest, HoldsWhatTheModelHolds) {
  ModelRun run(GetParam());
  run.Run(3000);
}

INSTANTIATE_TEST_SUITE_P(Seeds, DbModelTest, ::testing::Range<uint64_t>(1, 9));

}  // namespace
}  // namespace sisyphus::lsm
