// Wrong starts: each ends with one clear line on standard error and exit code 2. Lines of the log
// may come before it; nothing else may.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "tests/chaos/cluster.h"

namespace sisyphus::chaos {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

void ExpectRefused(const std::vector<std::string>& argv, const std::string& naming) {
  const CommandResult result = Run(argv);
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_EQ(result.out, "");
  std::istringstream lines(result.err);
  std::vector<std::string> said;
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" event=") == std::string::npos) said.push_back(line);
  }
  ASSERT_EQ(said.size(), 1u) << result.err;
  EXPECT_THAT(said[0], StartsWith("sisyphusd: "));
  EXPECT_THAT(said[0], HasSubstr(naming));
  EXPECT_TRUE(result.err.ends_with(said[0] + "\n")) << result.err;
}

std::vector<std::string> WithFlag(std::vector<std::string> argv, const std::string& flag,
                                  const std::string& value) {
  const auto at = std::find(argv.begin(), argv.end(), flag);
  if (at == argv.end()) {
    argv.insert(argv.end(), {flag, value});
  } else {
    *(at + 1) = value;
  }
  return argv;
}

// Lets a single node found its directory, and stops it.
void Found(Cluster& cluster) {
  cluster.Start(1);
  ASSERT_TRUE(cluster.WaitReady({1}));
  cluster.process(1).Signal(SIGTERM);
  ASSERT_EQ(cluster.process(1).WaitExit(std::chrono::seconds(5)), 0);
}

TEST(StartTest, UnknownFlag) {
  Cluster cluster(1);
  ExpectRefused(WithFlag(cluster.argv(1), "--no-such-flag", "x"), "--no-such-flag");
}

TEST(StartTest, BadAddress) {
  Cluster cluster(1);
  for (const char* bad : {"nonsense", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:x", ":",
                          "256.1.1.1:8001", "no.such.host.invalid:8001"}) {
    ExpectRefused(WithFlag(cluster.argv(1), "--http", bad), bad);
  }
  ExpectRefused(WithFlag(cluster.argv(1), "--peer", "nonsense"), "nonsense");
  ExpectRefused(WithFlag(cluster.argv(1), "--cluster", "1=nonsense"), "nonsense");
}

TEST(StartTest, PortInUse) {
  Cluster cluster(1);
  ReservedPort taken;
  taken.Listen();
  ExpectRefused(WithFlag(cluster.argv(1), "--http", taken.address()), taken.address());
  ExpectRefused(WithFlag(cluster.argv(1), "--peer", taken.address()), taken.address());
}

TEST(StartTest, PortsOfALivingNode) {
  Cluster cluster(1);
  cluster.Start(1);
  ASSERT_TRUE(cluster.WaitReady({1}));
  ScratchDirectory other;
  ReservedPort free_port;
  const auto elsewhere = WithFlag(cluster.argv(1), "--data-dir", other.path() + "/data");
  ExpectRefused(elsewhere, "127.0.0.1:");
  ExpectRefused(WithFlag(elsewhere, "--http", free_port.address()), "127.0.0.1:");
}

TEST(StartTest, DirectoryOfALivingProcess) {
  Cluster cluster(1);
  cluster.Start(1);
  ASSERT_TRUE(cluster.WaitReady({1}));
  ReservedPort http;
  ReservedPort peer;
  const auto argv =
      WithFlag(WithFlag(cluster.argv(1), "--http", http.address()), "--peer", peer.address());
  ExpectRefused(argv, cluster.data_dir(1));
  EXPECT_TRUE(cluster.WaitReady({1})) << "the first one must not mind";
}

TEST(StartTest, DirectoryOfAnotherNodeOrCluster) {
  Cluster cluster(1);
  Found(cluster);
  const ReservedPort peer;
  auto other_node = WithFlag(cluster.argv(1), "--id", "2");
  other_node = WithFlag(other_node, "--cluster", "2=" + peer.address());
  ExpectRefused(other_node, cluster.data_dir(1));
  ExpectRefused(WithFlag(cluster.argv(1), "--cluster", "1=" + peer.address()), cluster.data_dir(1));
}

TEST(StartTest, DirectoryOfANewerFormat) {
  Cluster cluster(1);
  Found(cluster);
  const std::string path = cluster.data_dir(1) + "/IDENTITY";
  std::string identity = ReadFile(path);
  const size_t at = identity.find("format 1\n");
  ASSERT_NE(at, std::string::npos) << identity;
  WriteFile(path, identity.replace(at, 9, "format 1000000\n"));
  ExpectRefused(cluster.argv(1), "format");
}

TEST(StartTest, DirectoryThatCannotBeWritten) {
  Cluster cluster(1);
  ScratchDirectory scratch;
  WriteFile(scratch.path() + "/file", "");
  const std::string below_a_file = scratch.path() + "/file/data";
  ExpectRefused(WithFlag(cluster.argv(1), "--data-dir", below_a_file), below_a_file);
  // Not even root makes a directory there.
  ExpectRefused(WithFlag(cluster.argv(1), "--data-dir", "/proc/sisyphus-data"),
                "/proc/sisyphus-data");
}

TEST(StartTest, DamagedLogNamesFileAndOffset) {
  Cluster cluster(1);
  cluster.Start(1);
  ASSERT_TRUE(cluster.WaitReady({1}));
  const auto client = cluster.MakeClient({1});
  for (int i = 0; i < 20; ++i) {
    ASSERT_OK(client->Put("k" + std::to_string(i), std::string(100, 'v')).status());
  }
  cluster.Kill(1);
  std::string segment;
  for (const auto& entry : std::filesystem::directory_iterator(cluster.data_dir(1) + "/log")) {
    if (entry.path().extension() == ".log") segment = entry.path();
  }
  ASSERT_NE(segment, "");
  std::string bytes = ReadFile(segment);
  const size_t record = bytes.find(std::string(100, 'v'));
  ASSERT_NE(record, std::string::npos);
  bytes[record + 50] ^= 1;  // In the middle: synced records follow it.
  WriteFile(segment, bytes);
  ExpectRefused(cluster.argv(1), segment);
}

TEST(StartTest, DefaultsAreAOneNodeStore) {
  ReservedPort http;
  ReservedPort peer;
  ScratchDirectory scratch;
  // The fixed default ports may belong to somebody else here: only they are replaced.
  Process process(
      {.argv = {SISYPHUSD_PATH},
       .environment = {{"SISYPHUS_HTTP", http.address()}, {"SISYPHUS_PEER", peer.address()}},
       .stderr_path = scratch.path() + "/log",
       .working_directory = scratch.path()});
  auto client = Client::Create({.endpoints = {http.address()}});
  ASSERT_OK(client.status());
  ASSERT_OK(PutForSure(**client, "k", "v"));
  EXPECT_TRUE(std::filesystem::exists(scratch.path() + "/sisyphus-data/IDENTITY"));
  const auto cluster = (*client)->Cluster();
  ASSERT_OK(cluster.status());
  EXPECT_EQ(cluster->members.size(), 1u);
  process.Signal(SIGTERM);
  EXPECT_EQ(process.WaitExit(std::chrono::seconds(5)), 0);
}

TEST(StartTest, PortZeroPicksAFreePortAndLogsIt) {
  ScratchDirectory scratch;
  const std::string log = scratch.path() + "/log";
  Process process({.argv = {SISYPHUSD_PATH, "--http", "127.0.0.1:0", "--peer", "127.0.0.1:0"},
                   .stderr_path = log,
                   .working_directory = scratch.path()});
  std::string address;
  ASSERT_TRUE(Eventually(kPatience, [&] {
    const std::string text = ReadFile(log);
    const size_t begin = text.find(" http=");
    const size_t end = text.find(' ', begin + 1);
    if (begin == std::string::npos || end == std::string::npos) return false;
    address = text.substr(begin + 6, end - begin - 6);
    return true;
  })) << ReadFile(log);
  EXPECT_THAT(address, StartsWith("127.0.0.1:"));
  EXPECT_NE(address, "127.0.0.1:0");
  auto client = Client::Create({.endpoints = {address}});
  ASSERT_OK(client.status());
  EXPECT_TRUE(Eventually(kPatience, [&] { return (*client)->Ready().ok(); }));
}

}  // namespace
}  // namespace sisyphus::chaos
