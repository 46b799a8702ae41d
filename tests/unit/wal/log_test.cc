#include "wal/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/posix_file_system.h"
#include "tests/support/sim_file_system.h"
#include "tests/unit/wal/log_fixture.h"
#include "wal/format.h"

namespace sisyphus::wal {
namespace {

using ::testing::ElementsAre;
using testing::FileOperation;
using ::testing::HasSubstr;
using testing::SimFileSystem;

constexpr uint64_t kSegmentBytes = 4096;

class LogTest : public ::testing::Test {
 protected:
  Opened Reopen() {
    StatusOr<Opened> opened = OpenLog(fs_, "log", kSegmentBytes);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return std::move(opened).value();
  }

  SimFileSystem fs_;
};

TEST_F(LogTest, FindsAgainWhatWasAppendedAndWhere) {
  std::vector<RecordLocation> locations;
  {
    Opened opened = Reopen();
    EXPECT_TRUE(opened.seen.empty());
    for (uint64_t first = 1; first <= 30; first += 3) {
      auto batch = AppendNumbers(*opened.log, first, first + 2, 300);
      ASSERT_TRUE(batch.ok()) << batch.status();
      locations.insert(locations.end(), batch->begin(), batch->end());
    }
    EXPECT_GT(opened.log->current_segment(), 1u);
  }
  Opened opened = Reopen();
  EXPECT_EQ(opened.Numbers(), Range(1, 30));
  std::vector<RecordLocation> replayed;
  for (const SeenRecord& record : opened.seen) {
    if (record.type != kUserType) continue;
    replayed.push_back(record.location);
    std::string bytes;
    ASSERT_TRUE(opened.log->Read(record.location, &bytes).ok());
    EXPECT_EQ(bytes, record.bytes);
    EXPECT_EQ(bytes, BytesOf(DecodeFixed64(bytes.data()), 300));
  }
  EXPECT_EQ(replayed, locations);
}

TEST_F(LogTest, EverySegmentBeginsWithThePreamble) {
  {
    Opened opened = Reopen();
    for (uint64_t number = 1; number <= 40; ++number) {
      ASSERT_TRUE(AppendNumbers(*opened.log, number, number, 600).ok());
    }
  }
  Opened opened = Reopen();
  uint64_t segment = 0;
  for (const SeenRecord& record : opened.seen) {
    const bool first = record.location.segment != segment;
    EXPECT_EQ(record.type == kPreambleType, first);
    if (first) {
      EXPECT_EQ(record.bytes, kPreambleText);
    }
    segment = record.location.segment;
  }
  EXPECT_EQ(segment + 1, opened.log->current_segment());  // Open begins a fresh one.
}

TEST_F(LogTest, TakesEmptyRecordsAndOnesLargerThanASegment) {
  const std::string large(3 * kSegmentBytes + 5, 'x');
  {
    Opened opened = Reopen();
    ASSERT_TRUE(opened.log->AppendBatch(std::vector<Record>{{1, {}, {}}}).ok());
    ASSERT_TRUE(opened.log->AppendBatch(std::vector<Record>{{2, large, {}}}).ok());
    ASSERT_TRUE(opened.log->AppendBatch(std::vector<Record>{{255, {}, "z"}}).ok());
    auto nothing = opened.log->AppendBatch({});
    ASSERT_TRUE(nothing.ok());
    EXPECT_TRUE(nothing->empty());
    EXPECT_EQ(opened.log->current_segment(), 3u);
  }
  std::vector<std::string> bytes;
  for (const SeenRecord& record : Reopen().seen) {
    if (record.type != kPreambleType) bytes.push_back(record.bytes);
  }
  EXPECT_THAT(bytes, ElementsAre("", large, "z"));
}

TEST_F(LogTest, DroppedSegmentsAreGoneAndTheRestStays) {
  Opened opened = Reopen();
  std::vector<RecordLocation> locations;
  for (uint64_t number = 1; number <= 40; ++number) {
    auto batch = AppendNumbers(*opened.log, number, number, 600);
    ASSERT_TRUE(batch.ok());
    locations.push_back(batch->front());
  }
  const uint64_t keep = opened.log->current_segment() - 1;
  const uint64_t size_before = opened.log->size_bytes();
  std::string bytes;
  ASSERT_TRUE(opened.log->Read(locations.front(), &bytes).ok());  // Its file is open now.
  ASSERT_TRUE(opened.log->DropSegmentsBefore(keep).ok());
  EXPECT_EQ(opened.log->first_segment(), keep);
  EXPECT_LT(opened.log->size_bytes(), size_before);
  EXPECT_EQ(opened.log->Read(locations.front(), &bytes).code(), StatusCode::kNotFound);
  EXPECT_EQ(fs_.List("log")->size(), 2u);

  uint64_t first_kept = 1;
  while (locations[first_kept - 1].segment < keep) ++first_kept;
  opened.log.reset();
  EXPECT_EQ(Reopen().Numbers(), Range(first_kept, 40));
}

// A disk may keep unsynced deletions in any order, and a gap in the numbers is damage.
TEST_F(LogTest, EachDeletionIsDurableBeforeTheNext) {
  Opened opened = Reopen();
  for (uint64_t number = 1; number <= 40; ++number) {
    ASSERT_TRUE(AppendNumbers(*opened.log, number, number, 600).ok());
  }
  const uint64_t current = opened.log->current_segment();
  ASSERT_GT(current, 3u);
  std::vector<std::string> steps;
  std::vector<std::string> expected;
  fs_.SetObserver([&steps](const FileOperation& operation) {
    const bool deletes = operation.kind == FileOperation::Kind::kDelete;
    if (deletes || operation.kind == FileOperation::Kind::kSyncDirectory) {
      steps.push_back((deletes ? "delete " : "sync ") + std::string(operation.path));
    }
  });
  ASSERT_TRUE(opened.log->DropSegmentsBefore(current).ok());
  fs_.SetObserver(nullptr);
  for (uint64_t segment = 1; segment < current; ++segment) {
    expected.push_back("delete " + SegmentPath("log", segment));
    expected.push_back("sync log");
  }
  EXPECT_EQ(steps, expected);
}

TEST_F(LogTest, ReadRefusesWrongPlacesAndDamage) {
  Opened opened = Reopen();
  auto locations = AppendNumbers(*opened.log, 1, 2, 100);
  ASSERT_TRUE(locations.ok());
  std::string bytes;
  RecordLocation wrong = locations->at(0);
  wrong.length += 1;
  EXPECT_EQ(opened.log->Read(wrong, &bytes).code(), StatusCode::kDataLoss);
  wrong = locations->at(0);
  wrong.offset += 8;
  EXPECT_EQ(opened.log->Read(wrong, &bytes).code(), StatusCode::kDataLoss);
  ASSERT_TRUE(
      fs_.FlipBit(SegmentPath("log", 1), locations->at(1).offset + kRecordHeaderBytes, 3).ok());
  const Status damaged = opened.log->Read(locations->at(1), &bytes);
  EXPECT_EQ(damaged.code(), StatusCode::kDataLoss);
  EXPECT_THAT(std::string(MessageOf(damaged)), HasSubstr(SegmentPath("log", 1)));
  EXPECT_TRUE(opened.log->Read(locations->at(0), &bytes).ok());
}

TEST_F(LogTest, AnErrorOfTheCallerStopsOpen) {
  { ASSERT_TRUE(AppendNumbers(*Reopen().log, 1, 3, 10).ok()); }
  const auto refuse = [](uint8_t, std::string_view, const RecordLocation&) {
    return MakeStatus(StatusCode::kDataLoss, "not for me");
  };
  auto log = Log::Open(fs_, "log", LogOptions{}, refuse, nullptr);
  EXPECT_EQ(MessageOf(log.status()), "not for me");
}

TEST_F(LogTest, RefusesSegmentSizesThatItsFormatCannotHold) {
  EXPECT_EQ(OpenLog(fs_, "log", 8).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(OpenLog(fs_, "log", uint64_t{8} << 30).status().code(), StatusCode::kInvalidArgument);
}

// Whatever operation fails, nothing is taken after it, and a restart finds what was acknowledged.
TEST_F(LogTest, TakesNothingAfterAnError) {
  uint64_t runs_with_error = 0;
  for (uint64_t failing = 1;; ++failing) {
    SimFileSystem fs;
    auto opened = OpenLog(fs, "log", 1024);
    ASSERT_TRUE(opened.ok());
    fs.AddFault({.countdown = failing, .status = MakeStatus(StatusCode::kInternal, "broken disk")});
    uint64_t acked = 0;
    Status error;
    while (acked < 12 && error.ok()) {
      error = AppendNumbers(*opened->log, acked + 1, acked + 1, 400).status();
      if (error.ok()) ++acked;
    }
    fs.ClearFaults();
    if (error.ok()) break;  // The fault lies behind the end of the run.
    ++runs_with_error;
    EXPECT_FALSE(AppendNumbers(*opened->log, acked + 1, acked + 1, 400).ok());
    EXPECT_FALSE(opened->log->DropSegmentsBefore(1).ok());
    Rng rng(failing);
    auto crashed = fs.CrashClone(rng);
    auto again = OpenLog(*crashed, "log", 1024);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_GE(again->Numbers().size(), acked);
    EXPECT_EQ(again->Numbers(), Range(1, again->Numbers().size()));
  }
  EXPECT_GT(runs_with_error, 24u);
}

TEST_F(LogTest, AFullDiskIsAnError) {
  Opened opened = Reopen();
  fs_.SetCapacity(fs_.used_bytes() + 100);
  Status status;
  for (uint64_t number = 1; status.ok() && number <= 100; ++number) {
    status = AppendNumbers(*opened.log, number, number, 600).status();
  }
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
}

// The same on a real disk.
TEST(LogOnPosixTest, FindsAgainWhatWasAppended) {
  std::string directory = ::testing::TempDir() + "/sisyphus_wal_XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  FileSystem& fs = PosixFileSystem();
  {
    auto opened = OpenLog(fs, directory + "/log", kSegmentBytes);
    ASSERT_TRUE(opened.ok()) << opened.status();
    for (uint64_t number = 1; number <= 40; ++number) {
      ASSERT_TRUE(AppendNumbers(*opened->log, number, number, 600).ok());
    }
    EXPECT_EQ(*fs.FileSize(SegmentPath(directory + "/log", opened->log->current_segment())),
              kSegmentBytes);  // Preallocated.
  }
  for (int i = 0; i < 2; ++i) {
    auto opened = OpenLog(fs, directory + "/log", kSegmentBytes);
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(opened->Numbers(), Range(1, 40));
    ASSERT_TRUE(opened->log->DropSegmentsBefore(1).ok());
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace sisyphus::wal
