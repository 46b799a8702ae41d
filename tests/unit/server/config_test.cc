#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

namespace sisyphus::server {
namespace {

using ::testing::HasSubstr;

ParsedConfig Parse(std::vector<const char*> arguments, const std::string& host_name = "somewhere") {
  arguments.insert(arguments.begin(), "sisyphusd");
  return ParseConfig(static_cast<int>(arguments.size()), arguments.data(), host_name);
}

// The one line that a wrong command line ends with.
std::string Refusal(std::vector<const char*> arguments,
                    const std::string& host_name = "somewhere") {
  const ParsedConfig parsed = Parse(std::move(arguments), host_name);
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_TRUE(parsed.message.has_value());
  EXPECT_EQ(parsed.message.value_or("").find('\n'), std::string::npos);
  return parsed.message.value_or("");
}

TEST(Config, WithoutFlagsIsOneNodeOnLoopback) {
  const ParsedConfig parsed = Parse({});
  ASSERT_FALSE(parsed.message.has_value()) << *parsed.message;
  EXPECT_EQ(parsed.config.id, NodeId(1));
  EXPECT_EQ(parsed.config.http_address, "127.0.0.1:8001");
  EXPECT_EQ(parsed.config.data_dir, "./sisyphus-data");
  EXPECT_TRUE(parsed.config.cluster.empty());
}

TEST(Config, ClusterGivesThePeerAddress) {
  const ParsedConfig parsed = Parse({"--id", "2", "--cluster", "2=b:9002,1=a:9001,3=c:9003"});
  ASSERT_FALSE(parsed.message.has_value()) << *parsed.message;
  EXPECT_EQ(parsed.config.peer_address, "b:9002");
  ASSERT_EQ(parsed.config.cluster.size(), 3u);
  EXPECT_EQ(parsed.config.cluster[0].id, NodeId(1));
  EXPECT_EQ(parsed.config.cluster[0].peer, "a:9001");
}

TEST(Config, PeerFlagIsTheListenAddress) {
  const ParsedConfig parsed =
      Parse({"--id", "1", "--cluster", "1=a:9001", "--peer", "0.0.0.0:9001"});
  ASSERT_FALSE(parsed.message.has_value()) << *parsed.message;
  EXPECT_EQ(parsed.config.peer_address, "0.0.0.0:9001");
}

TEST(Config, JoinNamesMembersAndNotItself) {
  const ParsedConfig parsed = Parse({"--join", "--id", "4", "--cluster", "1=a:9001,2=b:9002",
                                     "--peer", "d:9004", "--cluster-id", "0123456789abcdef"});
  ASSERT_FALSE(parsed.message.has_value()) << *parsed.message;
  EXPECT_TRUE(parsed.config.join);
  EXPECT_EQ(parsed.config.cluster.size(), 2u);
  EXPECT_EQ(parsed.config.peer_address, "d:9004");
  EXPECT_EQ(parsed.config.cluster_id, "0123456789abcdef");
  EXPECT_THAT(Refusal({"--join", "--id", "4"}), HasSubstr("--cluster"));
  EXPECT_THAT(Refusal({"--join", "--id", "4", "--cluster", "1=a:1"}), HasSubstr("--peer"));
  EXPECT_THAT(Refusal({"--join", "--id", "1", "--cluster", "1=a:1", "--peer", "b:1"}),
              HasSubstr("never used"));
  EXPECT_THAT(Refusal({"--join", "--id", "4", "--cluster", "1=a:1", "--peer", "b:1", "--cluster-id",
                       "0123456789ABCDEF"}),
              HasSubstr("--cluster-id"));
  EXPECT_THAT(Refusal({"--cluster-id", "0123456789abcdef"}), HasSubstr("--join"));
}

TEST(Config, RefusesWithOneLineThatNamesTheFlag) {
  EXPECT_THAT(Refusal({"--no-such-flag"}), HasSubstr("--no-such-flag"));
  EXPECT_THAT(Refusal({"--id", "0"}), HasSubstr("--id"));
  EXPECT_THAT(Refusal({"--id", "-1"}), HasSubstr("--id"));
  EXPECT_THAT(Refusal({"--id", "x"}), HasSubstr("--id"));
  EXPECT_THAT(Refusal({"--http", "nowhere"}), HasSubstr("--http"));
  EXPECT_THAT(Refusal({"--http", "h:65536"}), HasSubstr("--http"));
  EXPECT_THAT(Refusal({"--http", ":80"}), HasSubstr("--http"));
  EXPECT_THAT(Refusal({"--peer", "h:"}), HasSubstr("--peer"));
  EXPECT_THAT(Refusal({"--cluster", "1=a:1,1=b:2"}), HasSubstr("twice"));
  EXPECT_THAT(Refusal({"--cluster", "1=a:1,"}), HasSubstr("--cluster"));
  EXPECT_THAT(Refusal({"--cluster", "one=a:1"}), HasSubstr("'one=a:1'"));
  EXPECT_THAT(Refusal({"--id", "4", "--cluster", "1=a:1"}), HasSubstr("4 is not in it"));
  EXPECT_THAT(Refusal({"--simple-endpoints", "perhaps"}), HasSubstr("--simple-endpoints"));
  EXPECT_THAT(Refusal({"--status-page", "on"}), HasSubstr("--status-page"));
  EXPECT_THAT(Refusal({"--election-timeout-ms", "100", "--heartbeat-interval-ms", "50"}),
              HasSubstr("4 times"));
  EXPECT_THAT(Refusal({"--config", "/no/such/file"}), HasSubstr("/no/such/file"));
}

TEST(Config, IdFromHostName) {
  EXPECT_EQ(*IdFromHostName("sisyphus-0"), NodeId(1));
  EXPECT_EQ(*IdFromHostName("sisyphus-12.svc.local"), NodeId(13));
  EXPECT_FALSE(IdFromHostName("sisyphus").ok());
  EXPECT_FALSE(IdFromHostName("").ok());
  const ParsedConfig parsed = Parse({"--id-from-hostname"}, "db-2");
  ASSERT_FALSE(parsed.message.has_value()) << *parsed.message;
  EXPECT_EQ(parsed.config.id, NodeId(3));
  EXPECT_THAT(Refusal({"--id-from-hostname"}, "db"), HasSubstr("'db'"));
}

TEST(Config, FlagOverEnvironmentOverFile) {
  const std::string path = ::testing::TempDir() + "/sisyphus_config_test.ini";
  std::ofstream(path) << "http = 127.0.0.1:1111\nid = 2\nlog-level = debug\n"
                         "cluster = \"1=a:9001,2=b:9002\"\n";
  setenv("SISYPHUS_HTTP", "127.0.0.1:2222", 1);
  setenv("SISYPHUS_LOG_LEVEL", "error", 1);
  const ParsedConfig parsed = Parse({"--config", path.c_str(), "--http", "127.0.0.1:3333"});
  unsetenv("SISYPHUS_HTTP");
  unsetenv("SISYPHUS_LOG_LEVEL");
  ASSERT_FALSE(parsed.message.has_value()) << *parsed.message;
  EXPECT_EQ(parsed.config.http_address, "127.0.0.1:3333");
  EXPECT_EQ(parsed.config.id, NodeId(2));
  EXPECT_EQ(parsed.config.cluster.size(), 2u);
  EXPECT_EQ(parsed.config.log_level, LogLevel::kError);
}

TEST(Config, UnknownSettingInTheFileIsRefused) {
  const std::string path = ::testing::TempDir() + "/sisyphus_config_unknown.ini";
  std::ofstream(path) << "no-such-setting = 1\n";
  EXPECT_THAT(Refusal({"--config", path.c_str()}), HasSubstr("no-such-setting"));
}

TEST(Config, EveryLimitIsASetting) {
  const api::Limits limits = Parse({"--max-key-bytes",
                                    "1000",
                                    "--max-value-bytes",
                                    "2000",
                                    "--max-header-bytes",
                                    "3000",
                                    "--max-txn-operations",
                                    "4",
                                    "--max-txn-bytes",
                                    "5000",
                                    "--max-connections",
                                    "6",
                                    "--max-connections-per-address",
                                    "7",
                                    "--max-inflight-bytes",
                                    "8000000",
                                    "--max-scans",
                                    "9",
                                    "--request-timeout-ms",
                                    "10",
                                    "--header-timeout-ms",
                                    "11",
                                    "--body-timeout-ms",
                                    "12",
                                    "--idle-timeout-ms",
                                    "13"})
                                 .config.limits;
  EXPECT_EQ(limits.max_key_bytes, 1'000u);
  EXPECT_EQ(limits.max_value_bytes, 2'000u);
  EXPECT_EQ(limits.max_header_bytes, 3'000u);
  EXPECT_EQ(limits.max_txn_operations, 4u);
  EXPECT_EQ(limits.max_txn_bytes, 5'000u);
  EXPECT_EQ(limits.max_connections, 6u);
  EXPECT_EQ(limits.max_connections_per_address, 7u);
  EXPECT_EQ(limits.max_inflight_bytes, 8'000'000u);
  EXPECT_EQ(limits.max_scans, 9u);
  EXPECT_EQ(limits.request_timeout, std::chrono::milliseconds(10));
  EXPECT_EQ(limits.header_timeout, std::chrono::milliseconds(11));
  EXPECT_EQ(limits.body_timeout, std::chrono::milliseconds(12));
  EXPECT_EQ(limits.idle_timeout, std::chrono::milliseconds(13));
  EXPECT_THAT(Refusal({"--max-txn-operations", "1025"}), HasSubstr("--max-txn-operations"));
  EXPECT_THAT(Refusal({"--max-connections", "0"}), HasSubstr("--max-connections"));
}

TEST(Config, TheLimitsOfTheContractAreTheDefaults) {
  const api::Limits limits = Parse({}).config.limits;
  EXPECT_EQ(limits.max_key_bytes, 64u << 10);
  EXPECT_EQ(limits.max_value_bytes, 16u << 20);
  EXPECT_EQ(limits.max_header_bytes, 64u << 10);
  EXPECT_EQ(limits.max_txn_operations, 1'024u);
  EXPECT_EQ(limits.max_txn_bytes, 16u << 20);
}

TEST(Config, HelpAndVersionAreNoErrors) {
  EXPECT_EQ(Parse({"--version"}).exit_code, 0);
  EXPECT_THAT(Parse({"--help"}).message.value_or(""), HasSubstr("--data-dir"));
}

}  // namespace
}  // namespace sisyphus::server
