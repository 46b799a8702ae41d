#include "node/snapshot_files.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "tests/support/sim_file_system.h"

namespace sisyphus::node {
namespace {

raft::SnapshotMeta Meta() {
  raft::SnapshotMeta meta;
  meta.last = {Index(70), Term(3)};
  meta.membership.voters = {NodeId(1), NodeId(2), NodeId(3)};
  return meta;
}

Status WriteSynced(FileSystem& fs, const std::string& path, const std::string& content) {
  SIS_ASSIGN_OR_RETURN(const auto file, fs.NewWritableFile(path));
  SIS_RETURN_IF_ERROR(file->Append(content));
  SIS_RETURN_IF_ERROR(file->Sync());
  SIS_RETURN_IF_ERROR(file->Close());
  return fs.SyncDirectory(DirectoryOf(path));
}

// A state machine's directory that says "old", and a complete one beside it that says "new".
Status Prepare(FileSystem& fs) {
  for (const char* directory : {"/db", "/incoming", "/incoming/db"})
    SIS_RETURN_IF_ERROR(fs.CreateDirectory(directory));
  SIS_RETURN_IF_ERROR(fs.SyncDirectory("/"));
  SIS_RETURN_IF_ERROR(fs.SyncDirectory("/incoming"));
  SIS_RETURN_IF_ERROR(WriteSynced(fs, "/db/state", "old"));
  return WriteSynced(fs, "/incoming/db/state", "new");
}

Status InstallAll(FileSystem& fs) {
  SIS_RETURN_IF_ERROR(CommitIncoming(fs, "/incoming", Meta()));
  SIS_RETURN_IF_ERROR(SwapIn(fs, "/incoming", "/db"));
  return ForgetIncoming(fs, "/incoming");
}

TEST(SnapshotFiles, NothingAcceptedChangesNothing) {
  testing::SimFileSystem fs;
  ASSERT_TRUE(Prepare(fs).ok());
  const auto recovered = RecoverIncoming(fs, "/incoming", "/db");
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_FALSE(recovered->has_value());
  EXPECT_EQ(*ReadWholeFile(fs, "/db/state"), "old");
}

TEST(SnapshotFiles, AnAcceptedSnapshotIsFoundUntilItIsForgotten) {
  testing::SimFileSystem fs;
  ASSERT_TRUE(Prepare(fs).ok());
  ASSERT_TRUE(CommitIncoming(fs, "/incoming", Meta()).ok());
  for (int i = 0; i < 2; ++i) {
    const auto recovered = RecoverIncoming(fs, "/incoming", "/db");
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    EXPECT_EQ(*recovered, Meta());
    EXPECT_EQ(*ReadWholeFile(fs, "/db/state"), "new");
  }
  ASSERT_TRUE(ForgetIncoming(fs, "/incoming").ok());
  EXPECT_FALSE(RecoverIncoming(fs, "/incoming", "/db")->has_value());
}

TEST(SnapshotFiles, AMarkStaysUntilTheStateIsReplaced) {
  testing::SimFileSystem fs;
  ASSERT_TRUE(Prepare(fs).ok());
  EXPECT_EQ(*ReseedReason(fs, "/incoming"), std::nullopt);
  ASSERT_TRUE(MarkForReseed(fs, "/incoming", "why").ok());
  EXPECT_EQ(*ReseedReason(fs, "/incoming"), "why");
  EXPECT_FALSE(RecoverIncoming(fs, "/incoming", "/db")->has_value());
  EXPECT_EQ(*ReseedReason(fs, "/incoming"), "why");
  ASSERT_TRUE(InstallAll(fs).ok());
  EXPECT_EQ(*ReseedReason(fs, "/incoming"), std::nullopt);
}

// A crash may leave a mark behind, which costs a needless snapshot, but never wrong content
// without one.
TEST(SnapshotFiles, PowerLossNeverLeavesTheOldStateWithoutItsMark) {
  Rng rng(12);
  testing::SimFileSystem fs;
  ASSERT_TRUE(Prepare(fs).ok());
  ASSERT_TRUE(MarkForReseed(fs, "/incoming", "why").ok());
  std::vector<std::unique_ptr<testing::SimFileSystem>> crashes;
  fs.SetObserver([&](const testing::FileOperation& operation) {
    if (operation.mutates()) crashes.push_back(fs.CrashClone(rng));
  });
  ASSERT_TRUE(InstallAll(fs).ok());
  fs.SetObserver(nullptr);
  for (size_t i = 0; i < crashes.size(); ++i) {
    ASSERT_TRUE(RecoverIncoming(*crashes[i], "/incoming", "/db").ok());
    const bool old = *ReadWholeFile(*crashes[i], "/db/state") == "old";
    const bool marked = (*ReseedReason(*crashes[i], "/incoming")).has_value();
    EXPECT_TRUE(!old || marked) << "crash " << i;
  }
}

TEST(SnapshotFiles, ADamagedMetaIsNamed) {
  testing::SimFileSystem fs;
  ASSERT_TRUE(Prepare(fs).ok());
  ASSERT_TRUE(CommitIncoming(fs, "/incoming", Meta()).ok());
  ASSERT_TRUE(fs.FlipBit("/incoming/META", 3, 2).ok());
  const auto recovered = RecoverIncoming(fs, "/incoming", "/db");
  EXPECT_EQ(recovered.status().code(), StatusCode::kDataLoss);
  EXPECT_NE(MessageOf(recovered.status()).find("/incoming/META"), std::string_view::npos);
}

TEST(SnapshotFiles, RemovesATree) {
  testing::SimFileSystem fs;
  ASSERT_TRUE(Prepare(fs).ok());
  ASSERT_TRUE(RemoveTree(fs, "/incoming").ok());
  EXPECT_FALSE(*fs.Exists("/incoming"));
  EXPECT_TRUE(RemoveTree(fs, "/incoming").ok());
}

// Power is lost before every operation of an installation, and again before every one of the
// recovery.
TEST(SnapshotFiles, PowerLossLeavesTheOldOrTheNewState) {
  Rng rng(11);
  std::vector<std::unique_ptr<testing::SimFileSystem>> crashes;
  const auto record = [&](testing::SimFileSystem& fs) {
    fs.SetObserver([&fs, &rng, &crashes](const testing::FileOperation& operation) {
      if (operation.mutates()) crashes.push_back(fs.CrashClone(rng));
    });
  };
  testing::SimFileSystem fs;
  ASSERT_TRUE(Prepare(fs).ok());
  record(fs);
  ASSERT_TRUE(InstallAll(fs).ok());
  fs.SetObserver(nullptr);
  const size_t first_generation = crashes.size();
  ASSERT_GT(first_generation, 5u);
  int old_states = 0;
  int new_states = 0;
  for (size_t i = 0; i < crashes.size(); ++i) {
    testing::SimFileSystem& disk = *crashes[i];
    if (i < first_generation) record(disk);
    const auto recovered = RecoverIncoming(disk, "/incoming", "/db");
    disk.SetObserver(nullptr);
    ASSERT_TRUE(recovered.ok()) << "crash " << i << ": " << recovered.status();
    const auto state = ReadWholeFile(disk, "/db/state");
    ASSERT_TRUE(state.ok()) << "crash " << i << ": " << state.status();
    if (*state == "old") {
      EXPECT_FALSE(recovered->has_value()) << "crash " << i;
      ++old_states;
    } else {
      EXPECT_EQ(*state, "new") << "crash " << i;
      ++new_states;
    }
  }
  EXPECT_GT(old_states, 0);
  EXPECT_GT(new_states, 0);
}

}  // namespace
}  // namespace sisyphus::node
