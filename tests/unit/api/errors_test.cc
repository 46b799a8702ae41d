// Every row of the contract's table of errors, provoked on a real node over a real connection. Not
// here: 401 and 403, which nothing answers (there is no authentication), and 500, which nothing
// but a mistake in the server answers (ListenerTest.ADroppedRequestIsAnswered makes one).

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "api/request_stats.h"
#include "tests/unit/api/expect_problem.h"
#include "tests/unit/api/node_fixture.h"
#include "tests/unit/api/raw_client.h"

namespace sisyphus::api {
namespace {

struct Row {
  const char* name;
  ExpectedProblem expected;
  std::function<void(TestNode::TestOptions*)> prepare = {};
  std::function<void(TestNode*, RawClient*)> before = {};
  std::string request = {};
  const char* header = nullptr;  // That the answer must have.
  bool closes = false;
};

void Alone(TestNode::TestOptions* options) { options->voters = 3; }

std::vector<Row> Rows() {
  const auto put_a = [](TestNode*, RawClient* client) {
    EXPECT_EQ(client->Ask(Request("PUT", "/v1/kv/a", "1")).status, 201);
  };
  return {
      {.name = "a key that is badly encoded",
       .expected = {400, "bad_request", false, false},
       .request = Request("GET", "/v1/kv/%zz")},
      {.name = "a parameter that nobody knows",
       .expected = {400, "bad_request", false, false},
       .request = Request("GET", "/v1/kv/a?nonsense")},
      {.name = "no such key",
       .expected = {404, "not_found", false, false},
       .request = Request("GET", "/v1/kv/a")},
      {.name = "no such endpoint",
       .expected = {404, "not_found", false, false},
       .request = Request("GET", "/v2")},
      {.name = "no such lease",
       .expected = {404, "not_found", false, false},
       .request = Request("GET", "/v1/leases/77")},
      {.name = "a method that is not served here",
       .expected = {405, "method_not_allowed", false, false},
       .request = Request("PATCH", "/v1/kv/a"),
       .header = "Allow"},
      {.name = "a request that does not come in time",
       .expected = {408, "request_timeout", true, false},
       .prepare =
           [](TestNode::TestOptions* options) {
             options->server.limits.header_timeout = std::chrono::milliseconds(30);
           },
       .request = "GET /v1/kv/a HTTP/1.1\r\n",
       .closes = true},
      {.name = "an older write of the same client",
       .expected = {409, "conflict", false, true},
       .before =
           [](TestNode*, RawClient* client) {
             client->Ask(Request("PUT", "/v1/kv/a", "1", "Idempotency-Key: me:2\r\n"));
           },
       .request = Request("PUT", "/v1/kv/a", "0", "Idempotency-Key: me:1\r\n")},
      {.name = "a revision that history has lost",
       .expected = {410, "compacted", false, false},
       .before =
           [put_a](TestNode* node, RawClient* client) {
             put_a(node, client);
             const std::string revision =
                 client->Ask(Request("PUT", "/v1/kv/a", "2")).header("X-Sisyphus-Revision");
             client->Ask(Request("POST", "/v1/compact", "{\"revision\":" + revision + "}"));
           },
       .request = Request("GET", "/v1/kv?prefix=&revision=1"),
       .header = "X-Sisyphus-Compact-Revision"},
      {.name = "a condition that does not hold",
       .expected = {412, "compare_failed", false, false},
       .before = put_a,
       .request = Request("PUT", "/v1/kv/a", "2", "If-None-Match: *\r\n"),
       .header = "ETag"},
      {.name = "a value that is too large",
       .expected = {413, "too_large", false, false},
       .request = Request("PUT", "/v1/kv/a", std::string((16 << 20) + 1, 'v')),
       .closes = true},
      {.name = "a key that is too long",
       .expected = {414, "uri_too_long", false, false},
       .request = Request("GET", "/v1/kv/" + std::string((64 << 10) + 1, 'k'))},
      {.name = "a request line that is too long",
       .expected = {414, "uri_too_long", false, false},
       .request = Request("GET", "/v1/kv/" + std::string((64 << 10) * 4 + 1, 'k')),
       .closes = true},
      {.name = "a value in a coding",
       .expected = {415, "unsupported_media_type", false, false},
       .request = Request("PUT", "/v1/kv/a", "1", "Content-Encoding: gzip\r\n")},
      {.name = "an expectation that is not served",
       .expected = {417, "expectation_failed", false, false},
       .request = Request("PUT", "/v1/kv/a", "1", "Expect: miracles\r\n"),
       .closes = true},
      {.name = "too many ranges being read",
       .expected = {429, "overloaded", true, false},
       .prepare = [](TestNode::TestOptions* options) { options->server.limits.max_scans = 0; },
       .request = Request("GET", "/v1/kv?prefix=")},
      {.name = "too many bytes in flight",
       .expected = {429, "overloaded", true, false},
       .prepare =
           [](TestNode::TestOptions* options) { options->server.limits.max_inflight_bytes = 10; },
       .request = Request("PUT", "/v1/kv/a", std::string(11, 'v'))},
      {.name = "header fields that are too large",
       .expected = {431, "headers_too_large", false, false},
       .request = Request("GET", "/v1/kv/a", "", "A: " + std::string(64 << 10, 'a') + "\r\n"),
       .closes = true},
      {.name = "a transfer coding that is not served",
       .expected = {501, "not_implemented", false, false},
       .request = Request("PUT", "/v1/kv/a", "", "Transfer-Encoding: gzip, chunked\r\n"),
       .closes = true},
      {.name = "no leader, a write",
       .expected = {503, "no_leader", true, false},
       .prepare = Alone,
       .request = Request("PUT", "/v1/kv/a", "1")},
      {.name = "no leader, a read",
       .expected = {503, "no_leader", true, false},
       .prepare = Alone,
       .request = Request("GET", "/v1/kv/a")},
      {.name = "a node that is not ready",
       .expected = {503, "not_ready", true, false},
       .prepare = Alone,
       .request = Request("GET", "/readyz")},
      {.name = "a state that is not proven fresh enough",
       .expected = {503, "not_ready", true, false},
       .prepare = Alone,
       .request = Request("GET", "/v1/kv/a?consistency=stale&max_stale=10ms")},
      {.name = "a leader that does not answer a write",
       .expected = {504, "timeout", false, true},
       .prepare =
           [](TestNode::TestOptions* options) {
             options->voters = 3;
             options->server.limits.request_timeout = std::chrono::milliseconds(30);
           },
       .before = [](TestNode* node, RawClient*) { node->FollowNode2("127.0.0.1:4711"); },
       .request = Request("PUT", "/v1/kv/a", "1")},
      {.name = "another version of HTTP",
       .expected = {505, "version_not_supported", false, false},
       .request = "GET /v1/kv/a HTTP/2.0\r\nHost: h\r\n\r\n",
       .closes = true},
      {.name = "a disk that is full",
       .expected = {507, "out_of_space", false, false},
       .prepare =
           [](TestNode::TestOptions* options) { options->min_free_bytes = uint64_t{1} << 60; },
       .request = Request("PUT", "/v1/kv/a", "1")},
  };
}

TEST(ApiErrors, EveryRowOfTheTable) {
  std::set<int> seen = {500};
  for (const Row& row : Rows()) {
    SCOPED_TRACE(row.name);
    TestNode::TestOptions options;
    if (row.prepare) row.prepare(&options);
    TestNode node(std::move(options));
    RawClient client(node.address());
    if (row.before) row.before(&node, &client);
    const RawAnswer answer = client.Ask(row.request);
    ExpectProblem(answer, row.expected);
    EXPECT_EQ(answer.closes(), row.closes);
    EXPECT_TRUE(!row.closes || client.AtEnd());
    EXPECT_TRUE(row.header == nullptr || answer.header(row.header) != "") << row.header;
    seen.insert(answer.status);
  }
  for (const int status : RequestStats::kStatuses) {
    EXPECT_TRUE(status < 400 || seen.contains(status)) << status << " has no row";
  }
}

// A write that is refused for want of space, or of a leader, has not been made; reads go on.
TEST(ApiErrors, AFullDiskStillReads) {
  TestNode::TestOptions options;
  options.min_free_bytes = uint64_t{1} << 60;
  TestNode node(std::move(options));
  RawClient client(node.address());
  for (const std::string& write :
       {Request("PUT", "/v1/kv/a", "1"), Request("DELETE", "/v1/kv/a"),
        Request("DELETE", "/v1/kv?prefix="), Request("POST", "/v1/leases", "{\"ttl\":\"30s\"}"),
        Request("POST", "/v1/txn", R"({"then":[{"put":{"key":"a","value":"1"}}]})"),
        Request("GET", "/put?key=a&val=1")}) {
    ExpectProblem(client.Ask(write), {507, "out_of_space", false, false});
  }
  ExpectProblem(client.Ask(Request("GET", "/v1/kv/a")), {404, "not_found", false, false});
}

}  // namespace
}  // namespace sisyphus::api
