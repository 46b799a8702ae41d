#include "base/posix_file_system.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>

namespace sisyphus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PosixFileSystemTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = ::testing::TempDir() + "/sisyphus_base_XXXXXX";
    ASSERT_NE(::mkdtemp(directory_.data()), nullptr);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }

  void Write(const std::string& name, std::string_view content) {
    auto file = fs_.NewWritableFile(Path(name));
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_TRUE((*file)->Append(content).ok());
    ASSERT_TRUE((*file)->Close().ok());
  }
  std::string Contents(const std::string& name) {
    auto content = ReadWholeFile(fs_, Path(name));
    return content.ok() ? *content : "<" + std::string(MessageOf(content.status())) + ">";
  }

  FileSystem& fs_ = PosixFileSystem();
  std::string directory_;
};

TEST_F(PosixFileSystemTest, AppendsSyncsCutsAndGoesOn) {
  auto file = fs_.NewWritableFile(Path("f"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Preallocate(8192).ok());
  EXPECT_EQ(*fs_.FileSize(Path("f")), 8192u);
  ASSERT_TRUE((*file)->Append("hello ").ok());
  ASSERT_TRUE((*file)->Append("world").ok());
  ASSERT_TRUE((*file)->Sync().ok());
  EXPECT_EQ((*file)->size(), 11u);
  EXPECT_EQ(Contents("f"), "hello world" + std::string(8192 - 11, '\0'));
  ASSERT_TRUE((*file)->Truncate(5).ok());
  ASSERT_TRUE((*file)->Append("!").ok());
  ASSERT_TRUE((*file)->Close().ok());
  EXPECT_EQ(Contents("f"), "hello!");
  auto again = fs_.OpenForAppend(Path("f"), 4);
  ASSERT_TRUE(again.ok());
  ASSERT_TRUE((*again)->Append("O").ok());
  EXPECT_EQ((*again)->size(), 5u);
  EXPECT_EQ(Contents("f"), "hellO");
}

TEST_F(PosixFileSystemTest, ReadsAreShortOnlyAtTheEnd) {
  Write("f", "0123456789");
  auto file = fs_.OpenForRead(Path("f"));
  ASSERT_TRUE(file.ok());
  char scratch[16];
  EXPECT_EQ((*file)->size(), 10u);
  EXPECT_EQ(*(*file)->ReadAt(2, 3, scratch), "234");
  EXPECT_EQ(*(*file)->ReadAt(8, 16, scratch), "89");
  EXPECT_EQ(*(*file)->ReadAt(99, 4, scratch), "");
}

// Beyond the limit on a file's size the kernel first writes a part, then refuses.
TEST_F(PosixFileSystemTest, AShortWriteEndsInAnErrorThatNamesTheFile) {
  auto file = fs_.NewWritableFile(Path("f"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE((*file)->Append("abc").ok());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limited = before;
  limited.rlim_cur = 1000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limited), 0);
  const Status status = (*file)->Append(std::string(5000, 'x'));
  const uint64_t size_on_disk = *fs_.FileSize(Path("f"));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(size_on_disk, 1000u);  // So there was a short write.
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("write " + Path("f")));
  EXPECT_EQ((*file)->size(), 3u);
  ASSERT_TRUE((*file)->Append("def").ok());  // Goes where the failed one should have gone.
  EXPECT_EQ(Contents("f").substr(0, 6), "abcdef");
}

TEST_F(PosixFileSystemTest, AFullDiskIsResourceExhausted) {
  auto full = fs_.NewWritableFile("/dev/full");
  ASSERT_TRUE(full.ok()) << full.status();
  EXPECT_EQ((*full)->Append("x").code(), StatusCode::kResourceExhausted);
}

TEST_F(PosixFileSystemTest, AFailedSyncIsFinal) {
  auto full = fs_.NewWritableFile("/dev/full");  // A device that cannot be synced.
  ASSERT_TRUE(full.ok());
  const Status failed = (*full)->Sync();
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ((*full)->Append(""), failed);
  EXPECT_EQ((*full)->Sync(), failed);
  EXPECT_EQ((*full)->Truncate(0), failed);
}

TEST_F(PosixFileSystemTest, ErrorsNameOperationPathAndKind) {
  EXPECT_EQ(fs_.OpenForRead(Path("none")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(MessageOf(fs_.OpenForAppend(Path("none"), 0).status()),
            "open " + Path("none") + ": No such file or directory");
  EXPECT_EQ(fs_.NewWritableFile(Path("no/f")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(fs_.Delete(Path("none")).code(), StatusCode::kNotFound);
  EXPECT_EQ(fs_.FileSize(Path("none")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(fs_.List(Path("none")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(fs_.SyncDirectory(Path("none")).code(), StatusCode::kNotFound);
  EXPECT_EQ(fs_.FreeSpace(Path("none")).status().code(), StatusCode::kNotFound);
  EXPECT_FALSE(fs_.OpenForRead(directory_).ok());
  Write("f", "x");
  EXPECT_EQ(fs_.CreateDirectory(Path("f")).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(fs_.Link(Path("f"), Path("f")).code(), StatusCode::kAlreadyExists);
  EXPECT_FALSE(fs_.SyncDirectory(Path("f")).ok());
}

TEST_F(PosixFileSystemTest, NamesAreMadeListedMovedLinkedAndDeleted) {
  ASSERT_TRUE(fs_.CreateDirectory(Path("d")).ok());
  ASSERT_TRUE(fs_.CreateDirectory(Path("d")).ok());
  Write("d/b", "b");
  Write("d/a", "a");
  ASSERT_TRUE(fs_.SyncDirectory(Path("d")).ok());
  EXPECT_THAT(*fs_.List(Path("d")), ElementsAre("a", "b"));
  ASSERT_TRUE(fs_.Rename(Path("d/a"), Path("d/b")).ok());
  EXPECT_THAT(*fs_.List(Path("d")), ElementsAre("b"));
  EXPECT_EQ(Contents("d/b"), "a");
  ASSERT_TRUE(fs_.Link(Path("d/b"), Path("d/c")).ok());
  EXPECT_FALSE(fs_.Delete(Path("d")).ok());  // Not empty.
  ASSERT_TRUE(fs_.Delete(Path("d/b")).ok());
  EXPECT_EQ(Contents("d/c"), "a");
  EXPECT_TRUE(*fs_.Exists(Path("d/c")));
  EXPECT_FALSE(*fs_.Exists(Path("d/b")));
  EXPECT_FALSE(*fs_.Exists(Path("d/c/deeper")));
  ASSERT_TRUE(fs_.Delete(Path("d/c")).ok());
  ASSERT_TRUE(fs_.Delete(Path("d")).ok());
  EXPECT_GT(*fs_.FreeSpace(directory_), 0u);
}

// A table that a checkpoint links must not change because a file of its name is written anew.
TEST_F(PosixFileSystemTest, ReplacingAFileLeavesItsOtherLinksAlone) {
  Write("f", "old");
  ASSERT_TRUE(fs_.Link(Path("f"), Path("link")).ok());
  Write("f", "new");
  EXPECT_EQ(Contents("link"), "old");
  EXPECT_EQ(Contents("f"), "new");
}

TEST_F(PosixFileSystemTest, ALockIsExclusiveWithinTheProcess) {
  auto lock = fs_.Lock(Path("LOCK"));
  ASSERT_TRUE(lock.ok()) << lock.status();
  const Status second = fs_.Lock(Path("LOCK")).status();
  EXPECT_EQ(second.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(MessageOf(second)), HasSubstr(Path("LOCK")));
  EXPECT_THAT(std::string(MessageOf(second)), HasSubstr("process " + std::to_string(::getpid())));
  lock->reset();
  EXPECT_TRUE(fs_.Lock(Path("LOCK")).ok());
}

TEST_F(PosixFileSystemTest, ALockDiesWithItsProcess) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto lock = fs_.Lock(Path("LOCK"));
    const char answer = lock.ok() ? 'y' : 'n';
    if (::write(ready[1], &answer, 1) != 1) ::_exit(1);
    while (true) ::pause();
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  const Status refused = fs_.Lock(Path("LOCK")).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(MessageOf(refused)), HasSubstr("process " + std::to_string(child)));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(fs_.Lock(Path("LOCK")).ok());
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_F(PosixFileSystemTest, WholeFilesAreReplacedAtomicallyAndReadUpToALimit) {
  ASSERT_TRUE(WriteFileAtomically(fs_, Path("CURRENT"), "one").ok());
  ASSERT_TRUE(WriteFileAtomically(fs_, Path("CURRENT"), "two").ok());
  EXPECT_EQ(Contents("CURRENT"), "two");
  EXPECT_THAT(*fs_.List(directory_), ElementsAre("CURRENT"));
  EXPECT_EQ(ReadWholeFile(fs_, Path("CURRENT"), 2).status().code(), StatusCode::kResourceExhausted);
  ASSERT_TRUE(fs_.CreateDirectory(Path("d")).ok());
  EXPECT_FALSE(WriteFileAtomically(fs_, Path("d"), "x").ok());  // A directory is in the way.
  EXPECT_THAT(*fs_.List(directory_), ElementsAre("CURRENT", "d"));
}

TEST(FileSystemTest, DirectoryOfAPath) {
  EXPECT_EQ(DirectoryOf("/a/b"), "/a");
  EXPECT_EQ(DirectoryOf("/a"), "/");
  EXPECT_EQ(DirectoryOf("a"), ".");
  EXPECT_EQ(DirectoryOf("a/b/c"), "a/b");
}

}  // namespace
}  // namespace sisyphus
