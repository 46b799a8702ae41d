// Surgery on a log's files: every byte flipped, every length, missing and foreign files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/checksum.h"
#include "tests/support/sim_file_system.h"
#include "tests/unit/wal/log_fixture.h"
#include "wal/format.h"

namespace sisyphus::wal {
namespace {

using ::testing::HasSubstr;
using testing::SimFileSystem;

constexpr uint64_t kSegmentBytes = 600;
constexpr uint64_t kMaxBody = 60;
constexpr uint64_t kLastNumber = 18;  // In batches of three.

class DamageTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SimFileSystem fs;
    auto opened = OpenLog(fs, "log", kSegmentBytes);
    ASSERT_TRUE(opened.ok());
    for (uint64_t first = 1; first <= kLastNumber; first += 3) {
      auto batch = AppendNumbers(*opened->log, first, first + 2, kMaxBody);
      ASSERT_TRUE(batch.ok());
      last_batch_ = batch->front();
      locations_.insert(locations_.end(), batch->begin(), batch->end());
    }
    last_segment_ = opened->log->current_segment();
    ASSERT_GE(last_segment_, 3u);
    // The last segment has a batch before its last one.
    ASSERT_TRUE(std::any_of(locations_.begin(), locations_.end(), [this](const auto& location) {
      return location.segment == last_segment_ && location.offset < last_batch_.offset;
    }));
    for (uint64_t segment = 1; segment <= last_segment_; ++segment) {
      files_[segment] = *ReadWholeFile(fs, SegmentPath("log", segment));
    }
  }

  // The end of a segment's records.
  uint64_t EndOf(uint64_t segment) const {
    uint64_t end = 0;
    for (const RecordLocation& location : locations_) {
      if (location.segment == segment) end = location.offset + RecordBytes(location.length);
    }
    return end;
  }

  bool IsPadding(uint64_t segment, uint64_t offset) const {
    if (offset >= EndOf(segment)) return true;
    return std::any_of(locations_.begin(), locations_.end(), [&](const RecordLocation& location) {
      return location.segment == segment &&
             offset >= location.offset + kRecordHeaderBytes + location.length &&
             offset < location.offset + RecordBytes(location.length);
    });
  }

  std::unique_ptr<SimFileSystem> Disk(const std::map<uint64_t, std::string>& files) const {
    auto fs = std::make_unique<SimFileSystem>();
    EXPECT_TRUE(fs->CreateDirectory("log").ok());
    for (const auto& [segment, bytes] : files) {
      EXPECT_TRUE((*fs->NewWritableFile(SegmentPath("log", segment)))->Append(bytes).ok());
    }
    return fs;
  }

  std::map<uint64_t, std::string> files_;
  std::vector<RecordLocation> locations_;  // Of record 1, 2, ...
  RecordLocation last_batch_;
  uint64_t last_segment_ = 0;
};

TEST_F(DamageTest, EveryFlippedByteIsNoticedOrLosesOnlyTheTail) {
  for (const auto& [segment, bytes] : files_) {
    for (uint64_t offset = 0; offset < bytes.size(); ++offset) {
      SCOPED_TRACE("segment " + std::to_string(segment) + " offset " + std::to_string(offset));
      auto files = files_;
      files[segment][offset] ^= 0x10;
      auto fs = Disk(files);
      auto opened = OpenLog(*fs, "log", kSegmentBytes);
      if (IsPadding(segment, offset)) {
        ASSERT_TRUE(opened.ok()) << opened.status();
        EXPECT_EQ(opened->Numbers(), Range(1, kLastNumber));
      } else if (segment == last_segment_ && offset >= last_batch_.offset) {
        ASSERT_TRUE(opened.ok()) << opened.status();
        const std::vector<uint64_t> numbers = opened->Numbers();
        EXPECT_GE(numbers.size(), kLastNumber - 3);
        EXPECT_LT(numbers.size(), kLastNumber);
        EXPECT_EQ(numbers, Range(1, numbers.size()));
      } else {
        ASSERT_EQ(opened.status().code(), StatusCode::kDataLoss) << opened.status();
        EXPECT_THAT(std::string(MessageOf(opened.status())),
                    HasSubstr(SegmentPath("log", segment) + ", offset "));
      }
    }
  }
}

TEST_F(DamageTest, ATailCutAnywhereLeavesTheRecordsBeforeItEvenAfterSeveralOpens) {
  for (uint64_t size = 0; size <= files_[last_segment_].size(); ++size) {
    SCOPED_TRACE("cut to " + std::to_string(size));
    auto files = files_;
    files[last_segment_].resize(size);
    const auto whole =
        std::count_if(locations_.begin(), locations_.end(), [&](const RecordLocation& location) {
          return location.segment < last_segment_ ||
                 location.offset + kRecordHeaderBytes + location.length <= size;
        });
    auto fs = Disk(files);
    for (int i = 0; i < 3; ++i) {
      auto opened = OpenLog(*fs, "log", kSegmentBytes);
      ASSERT_TRUE(opened.ok()) << opened.status();
      EXPECT_EQ(opened->Numbers(), Range(1, static_cast<uint64_t>(whole)));
    }
  }
}

TEST_F(DamageTest, AnEarlierSegmentThatWasCutIsDamaged) {
  for (uint64_t size = 0; size < EndOf(2) - kRecordAlignment; ++size) {
    SCOPED_TRACE("cut to " + std::to_string(size));
    auto files = files_;
    files[2].resize(size);
    const Status status = OpenLog(*Disk(files), "log", kSegmentBytes).status();
    ASSERT_EQ(status.code(), StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(SegmentPath("log", 2)));
  }
}

TEST_F(DamageTest, AMissingSegmentIsNamed) {
  auto files = files_;
  files.erase(2);
  const Status status = OpenLog(*Disk(files), "log", kSegmentBytes).status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(SegmentPath("log", 2)));
}

TEST_F(DamageTest, AnUnfinishedSegmentIsBegunAgain) {
  const std::vector<std::string> beginnings = {"", "SISY", std::string(kSegmentBytes, '\0'),
                                               std::string(5000, 'x')};
  for (const std::string& beginning : beginnings) {
    auto files = files_;
    files[last_segment_ + 1] = beginning;
    auto fs = Disk(files);
    for (int i = 0; i < 2; ++i) {
      auto opened = OpenLog(*fs, "log", kSegmentBytes);
      ASSERT_TRUE(opened.ok()) << opened.status();
      EXPECT_EQ(opened->Numbers(), Range(1, kLastNumber));
      EXPECT_EQ(opened->log->current_segment(), last_segment_ + 1 + i);
    }
  }
}

TEST_F(DamageTest, TheFirstSegmentMayBeUnfinishedTheOnlyLaterOneMayNot) {
  auto fs = Disk({{1, "SISYWAL"}});
  auto opened = OpenLog(*fs, "log", kSegmentBytes);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->log->current_segment(), 1u);
  EXPECT_EQ(OpenLog(*Disk({{5, "SISYWAL"}}), "log", kSegmentBytes).status().code(),
            StatusCode::kDataLoss);
}

TEST_F(DamageTest, ANewerFormatIsNamedWithBothVersions) {
  for (const uint64_t segment : {uint64_t{1}, last_segment_}) {
    auto files = files_;
    std::string& bytes = files[segment];
    EncodeFixed32(bytes.data() + 8, 4711);
    EncodeFixed64(bytes.data() + 32, Checksum(std::string_view(bytes).substr(0, 32)));
    const Status status = OpenLog(*Disk(files), "log", kSegmentBytes).status();
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(MessageOf(status)), HasSubstr(SegmentPath("log", segment)));
    EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("4711"));
    EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("version 1"));
  }
}

TEST_F(DamageTest, ARenamedSegmentIsRefusedAndNotOverwritten) {
  auto files = files_;
  files[last_segment_ + 1] = files_[1];
  auto fs = Disk(files);
  EXPECT_EQ(OpenLog(*fs, "log", kSegmentBytes).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(*ReadWholeFile(*fs, SegmentPath("log", last_segment_ + 1)), files_[1]);
}

TEST_F(DamageTest, ForeignFilesAreLeftAlone) {
  auto fs = Disk(files_);
  for (const char* name : {"log/README", "log/00000000000000FF.log", "log/1.log",
                           "log/0000000000000000.log", "log/zzzzzzzzzzzzzzzz.log"}) {
    ASSERT_TRUE((*fs->NewWritableFile(name))->Append("mine").ok());
  }
  auto opened = OpenLog(*fs, "log", kSegmentBytes);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->Numbers(), Range(1, kLastNumber));
  EXPECT_EQ(*ReadWholeFile(*fs, "log/00000000000000FF.log"), "mine");
}

// A record of one place must not count in another, even at the right alignment.
TEST_F(DamageTest, OldBytesInTheWrongPlaceAreNotRecords) {
  auto files = files_;
  const RecordLocation& old = locations_.front();
  std::string& last = files[last_segment_];
  last.resize(EndOf(last_segment_));
  last += files_[1].substr(old.offset, RecordBytes(old.length));
  auto opened = OpenLog(*Disk(files), "log", kSegmentBytes);
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->Numbers(), Range(1, kLastNumber));
}

}  // namespace
}  // namespace sisyphus::wal
