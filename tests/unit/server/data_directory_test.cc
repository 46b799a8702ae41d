#include "server/data_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "base/posix_file_system.h"

namespace sisyphus::server {
namespace {

using ::testing::HasSubstr;

class DataDirectoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/sisyphus_dir_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    path_ = pattern + "/data";
  }
  StatusOr<DataDirectory> Open(uint64_t id, std::optional<std::string> cluster) {
    return DataDirectory::Open(PosixFileSystem(), path_, NodeId(id), cluster, "fresh");
  }
  std::string path_;
};

TEST_F(DataDirectoryTest, FoundsOnceAndIsFoundAgain) {
  EXPECT_EQ(Open(1, "abcd")->cluster_id(), "abcd");
  EXPECT_EQ(Open(1, "abcd")->cluster_id(), "abcd");
  EXPECT_EQ(Open(1, std::nullopt)->cluster_id(), "abcd");
}

TEST_F(DataDirectoryTest, WithoutAClusterGetsAFreshId) {
  EXPECT_EQ(Open(1, std::nullopt)->cluster_id(), "fresh");
}

TEST_F(DataDirectoryTest, RefusesASecondProcessUser) {
  const auto held = Open(1, "abcd");
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(Open(1, "abcd").status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(DataDirectoryTest, RefusesAnotherNodeAndAnotherCluster) {
  ASSERT_TRUE(Open(1, "abcd").ok());
  EXPECT_THAT(std::string(MessageOf(Open(2, "abcd").status())), HasSubstr("belongs to node 1"));
  EXPECT_THAT(std::string(MessageOf(Open(1, "ef01").status())),
              HasSubstr("belongs to cluster abcd"));
}

TEST_F(DataDirectoryTest, RefusesANewerFormatAndDamage) {
  ASSERT_TRUE(Open(1, "abcd").ok());
  std::ofstream(path_ + "/IDENTITY")
      << "sisyphusdb data directory\nformat 2\ncluster abcd\nnode 1\n";
  EXPECT_THAT(std::string(MessageOf(Open(1, "abcd").status())), HasSubstr("newer"));
  std::ofstream(path_ + "/IDENTITY") << "sisyphusdb data directory\nformat 1\n";
  EXPECT_EQ(Open(1, "abcd").status().code(), StatusCode::kDataLoss);
  std::ofstream(path_ + "/IDENTITY") << "something else";
  EXPECT_EQ(Open(1, "abcd").status().code(), StatusCode::kDataLoss);
}

TEST_F(DataDirectoryTest, NamesAPlaceThatCannotBeMade) {
  path_ = "/proc/no/such/place";
  EXPECT_THAT(std::string(MessageOf(Open(1, "abcd").status())), HasSubstr("/proc/no/such/place"));
}

}  // namespace
}  // namespace sisyphus::server
