// The lines that the shell of sicli keeps.
#include "tools/sicli/shell/history_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace sisyphus::sicli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class HistoryFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = ::testing::TempDir() + "historyXXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path directory_;
};

TEST_F(HistoryFileTest, SeveralShellsAddToOneFileThatOthersCannotRead) {
  const std::string path = directory_ / "deep" / "down" / "history";
  const HistoryFile one(path);
  EXPECT_THAT(one.Load().value(), IsEmpty());
  const HistoryFile other(path);
  EXPECT_TRUE(one.Add("put a 1").ok());
  EXPECT_TRUE(other.Add("get a").ok());
  EXPECT_TRUE(one.Add("get b").ok());
  EXPECT_THAT(one.Load().value(), ElementsAre("put a 1", "get a", "get b"));
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(HistoryFileTest, IsCutWhenItIsTwiceAsLongAsItMayBe) {
  const std::string path = directory_ / "history";
  const auto write = [&](size_t lines) {
    std::ofstream file(path);
    for (size_t i = 0; i < lines; ++i) file << "get " << i << "\n";
  };
  const HistoryFile history(path);
  write(kMaxHistoryLines + 1);
  std::vector<std::string> lines = history.Load().value();
  EXPECT_EQ(lines.size(), kMaxHistoryLines);
  EXPECT_EQ(lines.front(), "get 1");
  const auto size = std::filesystem::file_size(path);
  EXPECT_EQ(history.Load().value(), lines);
  EXPECT_EQ(std::filesystem::file_size(path), size);
  write(2 * kMaxHistoryLines);
  lines = history.Load().value();
  EXPECT_EQ(lines.size(), kMaxHistoryLines);
  EXPECT_EQ(lines.back(), "get " + std::to_string(2 * kMaxHistoryLines - 1));
  EXPECT_EQ(history.Load().value(), lines);
  EXPECT_LT(std::filesystem::file_size(path), 2 * size);
}

TEST_F(HistoryFileTest, WhereItCannotBeWrittenThatIsSaid) {
  std::ofstream(directory_ / "file") << "x";
  const HistoryFile history(directory_ / "file" / "history");
  EXPECT_FALSE(history.Add("get a").ok());
  EXPECT_TRUE(HistoryFile("").Add("get a").ok());
}

}  // namespace
}  // namespace sisyphus::sicli
