// consistency, max_stale and min_revision of a read, on a real node.

#include "api/read_terms.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "tests/unit/api/node_fixture.h"
#include "tests/unit/api/raw_client.h"

namespace sisyphus::api {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

void ExpectProblem(const RawAnswer& answer, int status, const std::string& code) {
  EXPECT_EQ(answer.status, status) << answer.body;
  const json problem = json::parse(answer.body, nullptr, false);
  ASSERT_TRUE(problem.is_object()) << answer.body;
  EXPECT_EQ(problem["code"], code) << answer.body;
}

RawAnswer Get(RawClient& client, const std::string& target) {
  return client.Ask(Request("GET", target));
}

uint64_t Put(RawClient& client, const std::string& target, const std::string& value) {
  return json::parse(client.Ask(Request("PUT", target, value)).body)["revision"];
}

TEST(ParseDuration, TakesWholeNumbersWithAUnit) {
  EXPECT_EQ(ParseDuration("1ms"), milliseconds(1));
  EXPECT_EQ(ParseDuration("500ms"), milliseconds(500));
  EXPECT_EQ(ParseDuration("30s"), std::chrono::seconds(30));
  EXPECT_EQ(ParseDuration("5m"), std::chrono::minutes(5));
  EXPECT_EQ(ParseDuration("2h"), std::chrono::hours(2));
  EXPECT_EQ(ParseDuration("1000d"), std::chrono::hours(24'000));
  for (const char* bad : {"", "0s", "0ms", "5", "ms", "-1s", "+1s", "1.5s", " 1s", "1s ", "1 s",
                          "1S", "1us", "1001d", "1s1", "99999999999999999999s", "1e3s", "0x1s"}) {
    EXPECT_EQ(ParseDuration(bad), std::nullopt) << bad;
  }
}

TEST(ReadTerms, BadOnesAreRefusedByName) {
  TestNode node;
  RawClient client(node.address());
  const struct {
    const char* query;
    const char* message;
  } rows[] = {
      {"max_stale=1s", "max_stale goes with consistency=stale only"},
      {"consistency=linearizable&max_stale=1s", "max_stale goes with consistency=stale only"},
      {"consistency=lease&max_stale=1s", "max_stale goes with consistency=stale only"},
      {"consistency=stale&max_stale=0ms", "max_stale is a time"},
      {"consistency=stale&max_stale=", "max_stale is a time"},
      {"consistency=stale&max_stale=soon", "max_stale is a time"},
      {"consistency=stale&max_stale=1s&max_stale=2s", "twice"},
      {"min_revision=", "min_revision is a revision"},
      {"min_revision=-1", "min_revision is a revision"},
      {"min_revision=0x10", "min_revision is a revision"},
      {"min_revision=18446744073709551616", "min_revision is a revision"},
      {"min_revision=1&min_revision=1", "twice"},
  };
  for (const auto& row : rows) {
    const RawAnswer answer = Get(client, std::string("/v1/kv/k?") + row.query);
    ExpectProblem(answer, 400, "bad_request");
    EXPECT_NE(answer.body.find(row.message), std::string::npos) << row.query << answer.body;
  }
  for (const char* target : {"/v1/kv/k?max_stale=1s", "/v1/kv/k?min_revision=1"}) {
    ExpectProblem(client.Ask(Request("PUT", target, "x")), 400, "bad_request");
    ExpectProblem(client.Ask(Request("DELETE", target)), 400, "bad_request");
  }
}

TEST(ReadTerms, AStaleAnswerSaysHowOldItIs) {
  TestNode node;
  RawClient client(node.address());
  ASSERT_EQ(Get(client, "/v1/kv/a").status, 404);  // Goes through the leader: proves an age.
  Put(client, "/v1/kv/a", "x");
  for (const char* target :
       {"/v1/kv/a?consistency=stale&max_stale=30s", "/v1/kv/none?consistency=stale&max_stale=30s",
        "/v1/kv/a?consistency=stale"}) {
    const RawAnswer answer = Get(client, target);
    EXPECT_EQ(answer.status,
              std::string_view(target).find("none") == std::string::npos ? 200 : 404);
    const std::string age(answer.header("X-Sisyphus-Staleness-Ms"));
    ASSERT_FALSE(age.empty()) << target;
    EXPECT_LE(std::stoull(age), 30'000u);
  }
  EXPECT_EQ(Get(client, "/v1/kv/a").header("X-Sisyphus-Staleness-Ms"), "");
  EXPECT_EQ(Get(client, "/v1/kv/a?consistency=lease").header("X-Sisyphus-Staleness-Ms"), "");
}

TEST(ReadTerms, AnAgeThatCannotBeProvenIsRefused) {
  TestNode::TestOptions options;
  options.voters = 3;
  TestNode node(std::move(options));
  RawClient client(node.address());
  // No leader is known.
  const std::string bounded = "/v1/kv/a?consistency=stale&max_stale=10s";
  ExpectProblem(Get(client, bounded), 503, "not_ready");
  // One is known, and does not answer.
  node.FollowNode2("");
  const RawAnswer answer = Get(client, "/v1/kv/a?consistency=stale&max_stale=20ms");
  ExpectProblem(answer, 503, "not_ready");
  EXPECT_EQ(answer.header("Retry-After"), "1");
  EXPECT_EQ(answer.header("X-Sisyphus-Staleness-Ms"), "") << "nothing is known";
  const json problem = json::parse(answer.body);
  EXPECT_EQ(problem["retryable"], true);
  EXPECT_EQ(problem["maybe_applied"], false);
  const RawAnswer unbounded = Get(client, "/v1/kv/a?consistency=stale");
  EXPECT_EQ(unbounded.status, 404);
  EXPECT_EQ(unbounded.header("X-Sisyphus-Staleness-Ms"), "");
}

TEST(ReadTerms, MinRevisionWaitsForIt) {
  TestNode node;
  RawClient client(node.address());
  RawClient writer(node.address());
  uint64_t revision = Put(writer, "/v1/kv/a", "0");
  for (const char* consistency : {"linearizable", "lease", "stale", "stale&max_stale=30s"}) {
    const std::string target =
        std::string("/v1/kv/a?consistency=") + consistency + "&min_revision=";
    EXPECT_EQ(Get(client, target + std::to_string(revision)).status, 200) << consistency;
    // It comes while the read waits, or has come before the read does.
    client.Send(Request("GET", target + std::to_string(revision + 1)));
    const std::string value = "after " + std::to_string(revision);
    EXPECT_EQ(Put(writer, "/v1/kv/a", value), revision + 1);
    const RawAnswer answer = client.Read();
    EXPECT_EQ(answer.status, 200) << consistency;
    EXPECT_EQ(answer.body, value) << consistency;
    ++revision;
  }
}

TEST(ReadTerms, ARevisionThatDoesNotComeIsATimeout) {
  TestNode::TestOptions options;
  options.server.limits.request_timeout = milliseconds(50);
  TestNode node(std::move(options));
  RawClient client(node.address());
  for (const char* consistency : {"linearizable", "lease", "stale", "stale&max_stale=30s"}) {
    const RawAnswer answer =
        Get(client, std::string("/v1/kv/a?min_revision=1000000&consistency=") + consistency);
    ExpectProblem(answer, 504, "timeout");
    EXPECT_EQ(json::parse(answer.body)["retryable"], true);
  }
}

}  // namespace
}  // namespace sisyphus::api
