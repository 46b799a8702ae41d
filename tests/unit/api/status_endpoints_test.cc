// The probes, /v1/cluster, /metrics, /version and the server's own counters.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "tests/unit/api/node_fixture.h"
#include "tests/unit/api/raw_client.h"

namespace sisyphus::api {
namespace {

using nlohmann::json;

TEST(StatusEndpoints, Probes) {
  TestNode node;
  RawClient client(node.address());
  EXPECT_EQ(client.Ask(Request("GET", "/livez")).body, "ok\n");
  EXPECT_EQ(client.Ask(Request("GET", "/readyz")).body, "ok\n");
  const RawAnswer verbose = client.Ask(Request("GET", "/readyz?verbose"));
  EXPECT_EQ(verbose.status, 200);
  for (const char* check :
       {"leader: ok (node 1)\n", "applied: ok (", "content: ok (", "serving: ok"}) {
    EXPECT_NE(verbose.body.find(check), std::string::npos) << verbose.body;
  }
  EXPECT_EQ(client.Ask(Request("GET", "/livez?x=1")).status, 400);
  client.Send(Request("HEAD", "/livez"));
  EXPECT_EQ(client.Read(true).header("Content-Length"), "3");

  node.server().BeginDrain();
  const RawAnswer draining = client.Ask(Request("GET", "/readyz"));
  EXPECT_EQ(draining.status, 503);
  EXPECT_TRUE(draining.closes());
  EXPECT_EQ(json::parse(draining.body)["code"], "not_ready");
  EXPECT_NE(draining.body.find("serving: failed"), std::string::npos);
  EXPECT_EQ(RawClient(node.address()).Ask(Request("GET", "/livez")).status, 200);
}

TEST(StatusEndpoints, ClusterOfOne) {
  TestNode::TestOptions options;
  options.server.advertised_http = "example:80";
  TestNode node(std::move(options));
  RawClient client(node.address());
  const json cluster = json::parse(client.Ask(Request("GET", "/v1/cluster")).body);
  EXPECT_EQ(cluster["id"], 1);
  EXPECT_EQ(cluster["leader"], 1);
  ASSERT_EQ(cluster["members"].size(), 1u);
  const json& member = cluster["members"][0];
  EXPECT_EQ(member["id"], 1);
  EXPECT_EQ(member["peer_address"], "peer1:1");
  EXPECT_EQ(member["http_address"], "example:80");
  EXPECT_EQ(member["role"], "leader");
  EXPECT_EQ(member["voter"], true);
  EXPECT_EQ(member["health"], "healthy");
  EXPECT_EQ(member["version"], "test");
  EXPECT_EQ(member["term"], cluster["term"]);
  EXPECT_TRUE(member["lag"].is_number());
}

TEST(StatusEndpoints, ClusterSeenByAFollower) {
  TestNode::TestOptions options;
  options.voters = 3;
  TestNode node(std::move(options));
  node.FollowNode2("127.0.0.1:4711");
  RawClient client(node.address());
  const json cluster = json::parse(client.Ask(Request("GET", "/v1/cluster")).body);
  EXPECT_EQ(cluster["leader"], 2);
  EXPECT_EQ(cluster["term"], 5);
  ASSERT_EQ(cluster["members"].size(), 3u);
  EXPECT_EQ(cluster["members"][0]["role"], "follower");
  EXPECT_EQ(cluster["members"][0]["http_address"], node.address());
  EXPECT_EQ(cluster["members"][1]["role"], "leader");
  EXPECT_EQ(cluster["members"][1]["http_address"], "127.0.0.1:4711");
  EXPECT_EQ(cluster["members"][1]["health"], "unknown");
  EXPECT_FALSE(cluster["members"][2].contains("http_address"));
}

TEST(StatusEndpoints, MetricsAndVersion) {
  TestNode::TestOptions options;
  options.server.io_threads = 2;
  options.server.version = "1.2.3";
  TestNode node(std::move(options));
  for (int i = 0; i < 4; ++i) {
    RawClient client(node.address());
    const RawAnswer metrics = client.Ask(Request("GET", "/metrics"));
    EXPECT_EQ(metrics.status, 200);
    EXPECT_EQ(metrics.body, "sisyphus_up 1\n");
    EXPECT_TRUE(metrics.header("Content-Type").starts_with("text/plain; version=0.0.4"));
    EXPECT_EQ(client.Ask(Request("GET", "/version")).body, "{\"version\":\"1.2.3\"}");
  }
}

TEST(StatusEndpoints, CountsByRouteNeverByPath) {
  TestNode node;
  RawClient client(node.address());
  client.Ask(Request("PUT", "/v1/kv/secret", "x"));
  client.Ask(Request("GET", "/v1/kv/secret"));
  client.Ask(Request("GET", "/v1/kv/other"));
  client.Ask(Request("GET", "/nothing/here"));
  client.Ask("broken\r\n\r\n");
  // The count is kept once the answer is on its way: another round trip on the thread shows it all.
  RawClient(node.address()).Ask(Request("GET", "/livez"));
  const ServerStats stats = node.server().stats();
  const auto count = [&](const std::string& method, const std::string& endpoint, int status) {
    for (const RequestCount& row : stats.requests) {
      if (row.method == method && row.endpoint == endpoint && row.status == status)
        return row.count;
    }
    return uint64_t{0};
  };
  EXPECT_EQ(count("PUT", "/v1/kv/{key}", 201), 1u);
  EXPECT_EQ(count("GET", "/v1/kv/{key}", 200), 1u);
  EXPECT_EQ(count("GET", "/v1/kv/{key}", 404), 1u);
  EXPECT_EQ(count("GET", "other", 404), 1u);
  EXPECT_EQ(count("OTHER", "other", 400), 1u);
  uint64_t timed = 0;
  for (const LatencyHistogram& histogram : stats.latencies) {
    EXPECT_EQ(histogram.counts.size(), histogram.bounds_seconds.size() + 1);
    if (histogram.endpoint != "/v1/kv/{key}") continue;
    for (const uint64_t n : histogram.counts) timed += n;
    EXPECT_GT(histogram.sum_seconds, 0);
  }
  EXPECT_EQ(timed, 3u);
  EXPECT_EQ(stats.accepted_connections, 2u);
}

}  // namespace
}  // namespace sisyphus::api
