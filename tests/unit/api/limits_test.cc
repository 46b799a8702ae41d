// Limits, and a cluster in trouble: what clients are told, and that nothing is made up.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "tests/unit/api/expect_problem.h"
#include "tests/unit/api/node_fixture.h"
#include "tests/unit/api/raw_client.h"

namespace sisyphus::api {
namespace {

using nlohmann::json;

TEST(ApiLimits, KeysValuesAndHeaders) {
  TestNode::TestOptions options;
  options.server.limits.max_key_bytes = 10;
  options.server.limits.max_value_bytes = 1'000;
  options.server.limits.max_header_bytes = 500;
  TestNode node(std::move(options));
  const auto ask = [&](const std::string& request) {
    return RawClient(node.address()).Ask(request);
  };
  EXPECT_EQ(ask(Request("PUT", "/v1/kv/%61%61%61%61%61aaaaa", std::string(1'000, 'v'))).status,
            201);
  ExpectProblem(ask(Request("GET", "/v1/kv/aaaaaaaaaaa")), {414, "uri_too_long", false, false});
  ExpectProblem(ask(Request("GET", "/get?key=aaaaaaaaaaa")), {414, "uri_too_long", false, false});
  ExpectProblem(ask(Request("PUT", "/v1/kv/a", std::string(1'001, 'v'))),
                {413, "too_large", false, false});
  ExpectProblem(ask("GET /v1/kv/" + std::string(600, 'a')), {414, "uri_too_long", false, false});
  ExpectProblem(ask(Request("GET", "/v1/kv/a", "", "A: " + std::string(500, 'a') + "\r\n")),
                {431, "headers_too_large", false, false});
  EXPECT_EQ(ask(Request("GET", "/v1/kv/a", "", "A: " + std::string(400, 'a') + "\r\n")).status,
            404);
  // Where a body means nothing, a large one is refused all the same.
  ExpectProblem(ask("GET /livez HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n"),
                {413, "too_large", false, false});
}

TEST(ApiLimits, Transactions) {
  TestNode::TestOptions options;
  options.server.limits.max_txn_operations = 2;
  options.server.limits.max_txn_bytes = 300;
  options.server.limits.max_value_bytes = 1'000;
  TestNode node(std::move(options));
  RawClient client(node.address());
  const auto ask = [&](const std::string& body) {
    return client.Ask(Request("POST", "/v1/txn", body));
  };
  const std::string get = R"({"get":{"key":"a"}})";
  EXPECT_EQ(ask(R"({"then":[)" + get + "," + get + "]}").status, 200);
  ExpectProblem(ask(R"({"then":[)" + get + "," + get + R"(],"else":[)" + get + "]}"),
                {413, "too_large", false, false});
  const auto of_size = [](size_t n) { return "{}" + std::string(n - 2, ' '); };
  EXPECT_EQ(ask(of_size(300)).status, 200);
  ExpectProblem(ask(of_size(301)), {413, "too_large", false, false});
}

TEST(ApiTrouble, WithoutALeaderNothingIsServedButStaleReadsAndProbes) {
  TestNode::TestOptions options;
  options.voters = 3;
  TestNode node(std::move(options));
  RawClient client(node.address());
  for (const char* method : {"PUT", "DELETE", "GET"}) {
    ExpectProblem(client.Ask(Request(method, "/v1/kv/a")), {503, "no_leader", true, false});
    ExpectProblem(client.Ask(Request(method, "/v1/kv/a", "", "X-Sisyphus-Forward: never\r\n")),
                  {503, "no_leader", true, false});
  }
  ExpectProblem(client.Ask(Request("GET", "/v1/kv/a?consistency=lease")),
                {503, "no_leader", true, false});
  for (const char* target : {"/put?key=a&val=b", "/get?key=a", "/delete?key=a"}) {
    ExpectProblem(client.Ask(Request("GET", target)), {503, "no_leader", true, false});
  }
  const RawAnswer stale = client.Ask(Request("GET", "/v1/kv/a?consistency=stale"));
  EXPECT_EQ(stale.status, 404);
  EXPECT_EQ(stale.header("X-Sisyphus-Leader"), "");
  EXPECT_EQ(client.Ask(Request("GET", "/livez")).status, 200);
  const RawAnswer ready = client.Ask(Request("GET", "/readyz"));
  ExpectProblem(ready, {503, "not_ready", true, false});
  EXPECT_NE(ready.body.find("leader: failed"), std::string::npos);
  EXPECT_EQ(client.Ask(Request("GET", "/v1/cluster")).status, 200);
  EXPECT_EQ(client.Ask(Request("GET", "/metrics")).status, 200);
}

TEST(ApiTrouble, ALeaderThatDoesNotAnswer) {
  TestNode::TestOptions options;
  options.voters = 3;
  options.server.limits.request_timeout = std::chrono::milliseconds(50);
  TestNode node(std::move(options));
  node.FollowNode2("127.0.0.1:4711");
  RawClient client(node.address());
  const RawAnswer put = client.Ask(Request("PUT", "/v1/kv/a", "x"));
  ExpectProblem(put, {504, "timeout", false, true});
  EXPECT_EQ(json::parse(put.body)["leader"], 2);
  ExpectProblem(client.Ask(Request("DELETE", "/v1/kv/a")), {504, "timeout", false, true});
  ExpectProblem(client.Ask(Request("GET", "/v1/kv/a")), {504, "timeout", true, false});
  ExpectProblem(client.Ask(Request("GET", "/put?key=a&val=b")), {504, "timeout", false, true});
}

TEST(ApiTrouble, TooManyProposalsAreRefused) {
  TestNode::TestOptions options;
  options.voters = 3;
  options.max_pending_proposals = 1;
  options.server.limits.request_timeout = std::chrono::seconds(60);
  TestNode node(std::move(options));
  node.FollowNode2("127.0.0.1:4711");
  // What waits for an answer already is the only one that may.
  node.node().Propose("x", RealClock().Now() + std::chrono::seconds(60),
                      [](const StatusOr<node::ProposalResult>&) {});
  RawClient client(node.address());
  ExpectProblem(client.Ask(Request("PUT", "/v1/kv/a", "x")), {429, "overloaded", true, false});
  EXPECT_GE(node.server().stats().refused_overload, 1u);
}

TEST(ApiRedirect, TellsWhereTheLeaderIsWhenAskedTo) {
  TestNode::TestOptions options;
  options.voters = 3;
  TestNode node(std::move(options));
  node.FollowNode2("127.0.0.1:4711");
  RawClient client(node.address());
  constexpr std::string_view kNever = "X-Sisyphus-Forward: never\r\n";
  RawAnswer answer = client.Ask(Request("PUT", "/v1/kv/a%20b?prev=true", "x", kNever));
  EXPECT_EQ(answer.status, 307);
  EXPECT_EQ(answer.header("Location"), "http://127.0.0.1:4711/v1/kv/a%20b?prev=true");
  EXPECT_EQ(answer.header("X-Sisyphus-Leader"), "2");
  answer = client.Ask(Request("GET", "http://me/get?key=a", "", kNever));
  EXPECT_EQ(answer.status, 307);
  EXPECT_EQ(answer.header("Location"), "http://127.0.0.1:4711/get?key=a");
  EXPECT_EQ(client.Ask(Request("GET", "/v1/kv/a?consistency=stale", "", kNever)).status, 404);
}

TEST(ApiRedirect, WithoutTheLeadersAddressThereIsNowhereToGo) {
  TestNode::TestOptions options;
  options.voters = 3;
  TestNode node(std::move(options));
  node.FollowNode2("");
  RawClient client(node.address());
  ExpectProblem(client.Ask(Request("GET", "/v1/kv/a", "", "X-Sisyphus-Forward: never\r\n")),
                {503, "no_leader", true, false});
}

}  // namespace
}  // namespace sisyphus::api
