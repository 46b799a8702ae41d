#include "tests/support/sim_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>

namespace sisyphus::testing {
namespace {

using ::testing::ElementsAre;
using Kind = FileOperation::Kind;

void Check(const Status& status) { ASSERT_TRUE(status.ok()) << status; }

std::string Contents(SimFileSystem& fs, const std::string& path) {
  StatusOr<std::string> text = ReadWholeFile(fs, path);
  return text.ok() ? *text : "<" + std::string(MessageOf(text.status())) + ">";
}

void Write(SimFileSystem& fs, const std::string& path, std::string_view data, bool sync) {
  auto file = fs.NewWritableFile(path);
  ASSERT_TRUE(file.ok()) << file.status();
  Check((*file)->Append(data));
  if (sync) Check((*file)->Sync());
}

class SimFileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Check(fs_.CreateDirectory("d"));
    Check(fs_.SyncDirectory("."));
  }
  SimFileSystem fs_;
};

TEST_F(SimFileSystemTest, ReadsBackWhatWasWritten) {
  auto file = *fs_.NewWritableFile("d/f");
  Check(file->Append("hello "));
  Check(file->Append("world"));
  EXPECT_EQ(file->size(), 11u);
  EXPECT_EQ(Contents(fs_, "/d/f"), "hello world");
  EXPECT_EQ(*fs_.FileSize("d/f"), 11u);
  auto reader = *fs_.OpenForRead("d/f");
  char scratch[16];
  EXPECT_EQ(*reader->ReadAt(6, 16, scratch), "world");
  EXPECT_EQ(*reader->ReadAt(11, 4, scratch), "");
  Check(file->Truncate(5));
  Check(file->Append("!"));
  EXPECT_EQ(Contents(fs_, "d/f"), "hello!");
}

TEST_F(SimFileSystemTest, PreallocatedSpaceReadsAsZeros) {
  auto file = *fs_.NewWritableFile("d/f");
  Check(file->Preallocate(4096));
  Check(file->Append("abc"));
  EXPECT_EQ(file->size(), 3u);
  EXPECT_EQ(*fs_.FileSize("d/f"), 4096u);
  EXPECT_EQ(Contents(fs_, "d/f"), "abc" + std::string(4093, '\0'));
  file = *fs_.OpenForAppend("d/f", 2);
  EXPECT_EQ(*fs_.FileSize("d/f"), 2u);
}

TEST_F(SimFileSystemTest, NamesBehaveLikePosix) {
  Write(fs_, "d/a", "a", true);
  EXPECT_EQ(fs_.OpenForRead("d/none").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(fs_.OpenForAppend("d/none", 0).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(fs_.NewWritableFile("none/f").status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(fs_.NewWritableFile("d/a/f").ok());
  EXPECT_FALSE(fs_.NewWritableFile("d").ok());
  EXPECT_FALSE(fs_.Delete("d").ok());  // Not empty.
  EXPECT_EQ(fs_.Delete("d/none").code(), StatusCode::kNotFound);
  Check(fs_.CreateDirectory("d"));
  EXPECT_FALSE(fs_.CreateDirectory("d/a").ok());
  EXPECT_TRUE(*fs_.Exists("d/a"));
  EXPECT_FALSE(*fs_.Exists("d/none/deep"));
  Check(fs_.Rename("d/a", "d/b"));
  EXPECT_THAT(*fs_.List("d"), ElementsAre("b"));
  Check(fs_.Link("d/b", "d/c"));
  EXPECT_EQ(fs_.Link("d/b", "d/c").code(), StatusCode::kAlreadyExists);
  Check(fs_.Delete("d/b"));
  EXPECT_EQ(Contents(fs_, "d/c"), "a");
  Check(fs_.CreateDirectory("d/sub"));
  EXPECT_FALSE(fs_.Rename("d/c", "d/sub").ok());
  EXPECT_FALSE(fs_.Rename("d/sub", "d/c").ok());
  Check(fs_.Rename("d/sub", "e"));
  EXPECT_THAT(*fs_.List("/"), ElementsAre("d", "e"));
}

TEST_F(SimFileSystemTest, ReplacingAFileLeavesItsOtherNamesAlone) {
  Write(fs_, "d/a", "old", true);
  Check(fs_.Link("d/a", "d/b"));
  auto reader = *fs_.OpenForRead("d/a");
  Write(fs_, "d/a", "new", true);
  char scratch[3];
  EXPECT_EQ(*reader->ReadAt(0, 3, scratch), "old");
  EXPECT_EQ(Contents(fs_, "d/b"), "old");
  EXPECT_EQ(Contents(fs_, "d/a"), "new");
}

TEST_F(SimFileSystemTest, WhatWasSyncedSurvivesEveryCrash) {
  Write(fs_, "d/f", std::string(2000, 'x'), true);
  Check(fs_.SyncDirectory("d"));
  auto file = *fs_.OpenForAppend("d/f", 2000);
  Check(file->Append(std::string(2000, 'y')));
  std::set<std::string> states;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    auto crashed = fs_.CrashClone(rng);
    const std::string content = Contents(*crashed, "d/f");
    ASSERT_GE(content.size(), 2000u);
    ASSERT_EQ(content.substr(0, 2000), std::string(2000, 'x'));
    for (const char c : content.substr(2000)) ASSERT_TRUE(c == 'y' || c == '\0');
    states.insert(content);
  }
  EXPECT_TRUE(states.contains(std::string(2000, 'x')));
  EXPECT_TRUE(states.contains(std::string(2000, 'x') + std::string(2000, 'y')));
  EXPECT_GT(states.size(), 10u);                  // Torn in many ways.
  EXPECT_EQ(Contents(fs_, "d/f").size(), 4000u);  // Drawing a crash changes nothing.
}

TEST_F(SimFileSystemTest, ASectorShowsAPrefixOfItsWrites) {
  auto file = *fs_.NewWritableFile("d/f");
  Check(fs_.SyncDirectory("d"));
  for (const char c : {'a', 'b', 'c'}) Check(file->Append(std::string(10, c)));
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Rng rng(seed);
    const std::string content = Contents(*fs_.CrashClone(rng), "d/f");
    // A later write to a sector never survives without the earlier ones.
    const std::string whole = std::string(10, 'a') + std::string(10, 'b') + std::string(10, 'c');
    const std::string kept = content.substr(0, content.find('\0'));
    EXPECT_EQ(kept, whole.substr(0, kept.size()));
    EXPECT_EQ(kept.size() % 10, 0u);
  }
}

TEST_F(SimFileSystemTest, NamesSurviveAsAPrefixOfTheDirectorysOperations) {
  for (const char* name : {"d/1", "d/2", "d/3"}) Write(fs_, name, "x", true);
  std::set<size_t> counts;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    const std::vector<std::string> names = *fs_.CrashClone(rng)->List("d");
    for (size_t i = 0; i < names.size(); ++i) ASSERT_EQ(names[i], std::to_string(i + 1));
    counts.insert(names.size());
  }
  EXPECT_THAT(counts, ElementsAre(0, 1, 2, 3));
  Check(fs_.SyncDirectory("d"));
  Rng rng(1);
  EXPECT_THAT(*fs_.CrashClone(rng)->List("d"), ElementsAre("1", "2", "3"));
}

TEST_F(SimFileSystemTest, ARenameBetweenDirectoriesIsAtomic) {
  Check(fs_.CreateDirectory("e"));
  Check(fs_.SyncDirectory("."));
  Write(fs_, "d/f", "x", true);
  Check(fs_.SyncDirectory("d"));
  Check(fs_.Rename("d/f", "e/f"));
  std::set<bool> moved;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Rng rng(seed);
    auto crashed = fs_.CrashClone(rng);
    EXPECT_NE(*crashed->Exists("d/f"), *crashed->Exists("e/f"));
    moved.insert(*crashed->Exists("e/f"));
  }
  EXPECT_EQ(moved.size(), 2u);
  // Syncing one of the two directories settles both.
  Check(fs_.SyncDirectory("e"));
  Rng rng(1);
  auto crashed = fs_.CrashClone(rng);
  EXPECT_FALSE(*crashed->Exists("d/f"));
  EXPECT_TRUE(*crashed->Exists("e/f"));
}

TEST_F(SimFileSystemTest, HardLinksStayOneFileThroughACrash) {
  Write(fs_, "d/a", "x", true);
  Check(fs_.Link("d/a", "d/b"));
  Check(fs_.SyncDirectory("d"));
  Rng rng(3);
  auto crashed = fs_.CrashClone(rng);
  auto file = *crashed->OpenForAppend("d/a", 1);
  Check(file->Append("y"));
  EXPECT_EQ(Contents(*crashed, "d/b"), "xy");
}

TEST_F(SimFileSystemTest, AnAtomicReplacementIsOldOrNewAtEveryCrashPoint) {
  Check(WriteFileAtomically(fs_, "d/CURRENT", "old"));
  std::set<std::string> seen;
  fs_.SetObserver([&](const FileOperation& operation) {
    if (!operation.mutates()) return;
    for (uint64_t seed = 0; seed < 20; ++seed) {
      Rng rng(seed);
      seen.insert(Contents(*fs_.CrashClone(rng), "d/CURRENT"));
    }
  });
  Check(WriteFileAtomically(fs_, "d/CURRENT", "new"));
  EXPECT_THAT(seen, ElementsAre("new", "old"));
}

TEST_F(SimFileSystemTest, TheNthOperationFails) {
  const Status io_error = ErrnoStatus(EIO, "fault");
  auto file = *fs_.NewWritableFile("d/f");
  fs_.AddFault({.countdown = 2, .status = io_error});
  Check(file->Append("ab"));
  EXPECT_EQ(file->Append("cdef").code(), StatusCode::kInternal);
  EXPECT_EQ(Contents(fs_, "d/f"), "abcd");  // A short write.
  Check(file->Truncate(2));
  fs_.AddFault({.countdown = 1, .status = io_error, .only = Kind::kSync});
  Check(file->Append("x"));
  EXPECT_EQ(file->Sync().code(), StatusCode::kInternal);
  EXPECT_FALSE(file->Sync().ok());  // Not repaired by asking again.
  EXPECT_FALSE(file->Append("y").ok());
  fs_.AddFault({.countdown = 1, .status = io_error, .lasting = true, .only = Kind::kCreate});
  EXPECT_FALSE(fs_.NewWritableFile("d/g").ok());
  EXPECT_FALSE(fs_.NewWritableFile("d/g").ok());
  fs_.ClearFaults();
  EXPECT_TRUE(fs_.NewWritableFile("d/g").ok());
}

TEST_F(SimFileSystemTest, AFullDiskTakesWhatFits) {
  fs_.SetCapacity(100);
  auto file = *fs_.NewWritableFile("d/f");
  Check(file->Append(std::string(60, 'x')));
  EXPECT_EQ(*fs_.FreeSpace("d"), 40u);
  EXPECT_EQ(file->Append(std::string(60, 'y')).code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(*fs_.FileSize("d/f"), 100u);
  auto other = *fs_.NewWritableFile("d/g");
  EXPECT_EQ(other->Preallocate(1).code(), StatusCode::kResourceExhausted);
  Check(file->Truncate(50));
  Check(other->Preallocate(40));
  Check(other->Append(std::string(40, 'z')));  // Reserved already.
  EXPECT_EQ(fs_.used_bytes(), 90u);
  file.reset();
  Check(fs_.Delete("d/f"));
  Check(fs_.SyncDirectory("d"));  // Until then a crash may bring the file back: it holds its space.
  EXPECT_EQ(fs_.used_bytes(), 40u);
}

TEST_F(SimFileSystemTest, LocksAndHandlesDieWithTheProcess) {
  auto lock = *fs_.Lock("d/LOCK");
  EXPECT_EQ(fs_.Lock("d/LOCK").status().code(), StatusCode::kFailedPrecondition);
  auto file = *fs_.NewWritableFile("d/f");
  Check(file->Append("kept"));
  fs_.Halt();
  EXPECT_FALSE(file->Append("lost").ok());
  EXPECT_FALSE(fs_.List("d").ok());
  fs_.Revive();
  EXPECT_FALSE(file->Append("lost").ok());
  EXPECT_EQ(Contents(fs_, "d/f"), "kept");  // The page cache outlives a process.
  auto next = fs_.Lock("d/LOCK");
  ASSERT_TRUE(next.ok()) << next.status();
  lock.reset();  // The dead one's.
  EXPECT_FALSE(fs_.Lock("d/LOCK").ok());
  next->reset();
  EXPECT_TRUE(fs_.Lock("d/LOCK").ok());
}

TEST_F(SimFileSystemTest, TheObserverMayPullThePlugInTheMiddle) {
  Check(WriteFileAtomically(fs_, "d/f", "old"));
  fs_.SetObserver([&](const FileOperation& operation) {
    if (operation.kind == Kind::kRename) fs_.Halt();
  });
  EXPECT_FALSE(WriteFileAtomically(fs_, "d/f", "new").ok());
  fs_.SetObserver(nullptr);
  fs_.Revive();
  EXPECT_EQ(Contents(fs_, "d/f"), "old");
}

TEST_F(SimFileSystemTest, BitsRot) {
  Write(fs_, "d/f", "abc", true);
  Check(fs_.SyncDirectory("d"));
  Check(fs_.FlipBit("d/f", 1, 0));
  EXPECT_EQ(Contents(fs_, "d/f"), "acc");
  Rng rng(1);
  EXPECT_EQ(Contents(*fs_.CrashClone(rng), "d/f"), "acc");
  EXPECT_EQ(fs_.FlipBit("d/f", 3, 0).code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sisyphus::testing
