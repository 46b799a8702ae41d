// Leases and repeated writes while leaders die.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/chaos/cluster.h"
#include "tests/chaos/raw_connection.h"

namespace sisyphus::chaos {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// The whole answer; empty if there is none.
std::string Ask(int port, const std::string& method, const std::string& target,
                const std::string& headers = "", const std::string& body = "") {
  RawConnection connection(port);
  connection.Send(method + " " + target + " HTTP/1.1\r\nHost: test\r\nConnection: close\r\n" +
                  headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  return connection.ReceiveUntil("no answer has this in it");
}

// Asks until the cluster can tell: also where the outcome of the last try is unknown.
std::string AskForSure(int port, const std::string& method, const std::string& target,
                       const std::string& headers = "", const std::string& body = "") {
  std::string answer;
  EXPECT_TRUE(Eventually(kPatience, [&] {
    answer = Ask(port, method, target, headers, body);
    return answer.starts_with("HTTP/1.1 2") || answer.starts_with("HTTP/1.1 4");
  })) << answer;
  return answer;
}

std::string BodyOf(const std::string& answer) {
  return answer.substr(std::min(answer.find("\r\n\r\n"), answer.size()));
}

TEST(ChaosTest, LeasesAndRepeatsSurviveTheLeader) {
  Cluster cluster;
  cluster.StartAll();
  ASSERT_TRUE(cluster.WaitReady(cluster.ids()));
  const uint64_t leader = cluster.WaitLeader(cluster.ids());
  ASSERT_NE(leader, 0u);
  const std::vector<uint64_t> survivors = cluster.Others(leader);
  const std::string once = "Idempotency-Key: client:1\r\n";

  AskForSure(cluster.http_port(survivors[0]), "PUT", "/v1/kv/lives?ttl=1h", "", "x");
  const std::string first =
      AskForSure(cluster.http_port(survivors[0]), "PUT", "/v1/kv/once", once, "1");
  EXPECT_THAT(first, StartsWith("HTTP/1.1 201"));
  AskForSure(cluster.http_port(leader), "PUT", "/v1/kv/once", "", "2");
  AskForSure(cluster.http_port(leader), "PUT", "/v1/kv/ends?ttl=2s", "", "x");
  cluster.Kill(leader);

  for (const uint64_t id : survivors) {
    const std::string again = AskForSure(cluster.http_port(id), "PUT", "/v1/kv/once", once, "1");
    EXPECT_THAT(again, StartsWith("HTTP/1.1 201"));
    EXPECT_THAT(again, HasSubstr("X-Sisyphus-Replayed: 1"));
    EXPECT_EQ(BodyOf(again), BodyOf(first));
  }
  // Nobody but the new leader ends it.
  EXPECT_TRUE(Eventually(kPatience, [&] {
    return Ask(cluster.http_port(survivors[1]), "GET", "/v1/kv/ends").starts_with("HTTP/1.1 404");
  }));
  EXPECT_THAT(AskForSure(cluster.http_port(survivors[0]), "GET", "/v1/kv/lives"),
              HasSubstr("X-Sisyphus-Lease: "));

  cluster.KillAll();
  cluster.StartAll();
  ASSERT_TRUE(cluster.WaitReady(cluster.ids()));
  for (const uint64_t id : cluster.ids()) {
    const std::string again = AskForSure(cluster.http_port(id), "PUT", "/v1/kv/once", once, "1");
    EXPECT_THAT(again, HasSubstr("X-Sisyphus-Replayed: 1"));
    EXPECT_THAT(AskForSure(cluster.http_port(id), "GET", "/v1/kv/once"), HasSubstr("\r\n\r\n2"));
  }
  EXPECT_THAT(AskForSure(cluster.http_port(leader), "GET", "/v1/kv/lives"),
              StartsWith("HTTP/1.1 200"));
}

}  // namespace
}  // namespace sisyphus::chaos
