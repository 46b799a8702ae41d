// The power fails before every operation of a run, and again before every operation of the
// recovery. Acknowledged records must be there, in order, and nothing may look like damage.
#include <gtest/gtest.h>

#include <vector>

#include "tests/support/sim_file_system.h"
#include "tests/unit/wal/log_fixture.h"

namespace sisyphus::wal {
namespace {

using testing::FileOperation;
using testing::SimFileSystem;

constexpr uint64_t kSegmentBytes = 6000;
constexpr uint64_t kMaxBody = 1500;  // Records span sectors.

// What a recovery must find: a run of numbers that begins at or before `needed`, and ends at least
// at `acked` and at most at `proposed`.
struct Expected {
  uint64_t needed = 1;
  uint64_t acked = 0;
  uint64_t proposed = 0;
};

void CheckFound(const Opened& opened, const Expected& expected) {
  uint64_t segment = 0;
  for (const SeenRecord& record : opened.seen) {
    if (record.location.segment != segment) {
      ASSERT_EQ(record.type, kPreambleType);
    }
    segment = record.location.segment;
    if (record.type != kUserType) continue;
    ASSERT_EQ(record.bytes, BytesOf(DecodeFixed64(record.bytes.data()), kMaxBody));
  }
  const std::vector<uint64_t> numbers = opened.Numbers();
  if (numbers.empty()) {
    ASSERT_LT(expected.acked, expected.needed);
    return;
  }
  ASSERT_LE(numbers.front(), expected.needed);
  ASSERT_GE(numbers.back(), expected.acked);
  ASSERT_LE(numbers.back(), expected.proposed);
  ASSERT_EQ(numbers, Range(numbers.front(), numbers.back()));
}

// Recovers on `disk`, crashing before each of its operations down to `depth` crashes in a row.
void CheckRecovery(SimFileSystem& disk, Expected expected, Rng& rng, int depth) {
  std::vector<std::unique_ptr<SimFileSystem>> crashes;
  disk.SetObserver([&](const FileOperation& operation) {
    if (operation.mutates() && depth > 0) crashes.push_back(disk.CrashClone(rng));
  });
  StatusOr<Opened> opened = OpenLog(disk, "log", kSegmentBytes);
  ASSERT_TRUE(opened.ok()) << opened.status();
  disk.SetObserver(nullptr);
  CheckFound(*opened, expected);
  for (const auto& crash : crashes) CheckRecovery(*crash, expected, rng, depth - 1);

  // What Open has shown is as good as acknowledged, and the log goes on.
  const std::vector<uint64_t> numbers = opened->Numbers();
  const uint64_t last = numbers.empty() ? expected.needed - 1 : numbers.back();
  ASSERT_TRUE(AppendNumbers(*opened->log, last + 1, last + 2, kMaxBody).ok());
  auto crash = disk.CrashClone(rng);
  StatusOr<Opened> again = OpenLog(*crash, "log", kSegmentBytes);
  ASSERT_TRUE(again.ok()) << again.status();
  CheckFound(*again, {expected.needed, last + 2, last + 2});
}

class CrashTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(CrashTest, BeforeEveryOperation) {
  Rng rng(GetParam());
  SimFileSystem fs;
  Expected expected;
  uint64_t crashes = 0;
  fs.SetObserver([&](const FileOperation& operation) {
    if (!operation.mutates() || HasFatalFailure()) return;
    ++crashes;
    CheckRecovery(*fs.CrashClone(rng), expected, rng, /*depth=*/2);
  });
  std::vector<uint64_t> segment_of;  // Of record 1, 2, ...
  for (int lives = 0; lives < 3; ++lives) {
    StatusOr<Opened> opened = OpenLog(fs, "log", kSegmentBytes);
    ASSERT_TRUE(opened.ok()) << opened.status();
    for (int batch = 0; batch < 5; ++batch) {
      const uint64_t first = expected.acked + 1;
      expected.proposed = expected.acked + rng.Between(1, 4);
      auto locations = AppendNumbers(*opened->log, first, expected.proposed, kMaxBody);
      ASSERT_TRUE(locations.ok()) << locations.status();
      expected.acked = expected.proposed;
      for (const RecordLocation& location : *locations) segment_of.push_back(location.segment);
    }
    if (rng.Chance(1, 2)) {
      const uint64_t keep = rng.Between(opened->log->first_segment(), segment_of.back());
      while (segment_of[expected.needed - 1] < keep) ++expected.needed;
      ASSERT_TRUE(opened->log->DropSegmentsBefore(keep).ok());
    }
    ASSERT_FALSE(HasFatalFailure());
  }
  EXPECT_GT(crashes, 40u);
}

// The process dies between a write and its sync, the machine goes on; what the next process has
// replayed from the page cache must then survive a power loss.
TEST_P(CrashTest, WhatWasReplayedFromThePageCacheIsDurable) {
  Rng rng(GetParam());
  SimFileSystem fs;
  StatusOr<Opened> opened = OpenLog(fs, "log", kSegmentBytes);
  ASSERT_TRUE(opened.ok()) << opened.status();
  ASSERT_TRUE(AppendNumbers(*opened->log, 1, 2, 100).ok());
  fs.SetObserver([&fs](const FileOperation& operation) {
    if (operation.kind == FileOperation::Kind::kSync) fs.Halt();
  });
  ASSERT_FALSE(AppendNumbers(*opened->log, 3, 4, 100).ok());
  fs.SetObserver(nullptr);
  opened->log.reset();
  fs.Revive();
  opened = OpenLog(fs, "log", kSegmentBytes);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->Numbers(), Range(1, 4));
  StatusOr<Opened> again = OpenLog(*fs.CrashClone(rng), "log", kSegmentBytes);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->Numbers(), Range(1, 4));
}

INSTANTIATE_TEST_SUITE_P(Seeds, CrashTest, ::testing::Range(uint64_t{1}, uint64_t{7}));

}  // namespace
}  // namespace sisyphus::wal
