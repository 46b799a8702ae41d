// Limits, deadlines and masses of connections on a real process.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <time.h>

#include <chrono>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/chaos/cluster.h"
#include "tests/chaos/raw_connection.h"

namespace sisyphus::chaos {
namespace {

std::string Request(const std::string& method, const std::string& target,
                    const std::string& body = "", const std::string& headers = "") {
  return method + " " + target + " HTTP/1.1\r\nHost: test\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// The status line of the answer to `request`, on a connection of its own.
std::string Ask(int port, const std::string& request, const std::string& from = "127.0.0.1") {
  RawConnection connection(port, from);
  connection.Send(request);
  const std::string answer = connection.ReceiveUntil("\r\n");
  return answer.substr(0, answer.find("\r\n"));
}

// The value of the one line of `name` that has `label` among its labels.
double Metric(int port, const std::string& name, const std::string& label = "node_id=\"1\"") {
  RawConnection connection(port);
  connection.Send("GET /metrics HTTP/1.0\r\n\r\n");
  std::istringstream lines(connection.ReceiveUntil("\r\n\r\n\r\n"));  // Until the end.
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + "{") && line.find(label) != std::string::npos) {
      return std::stod(line.substr(line.find("} ") + 2));
    }
  }
  ADD_FAILURE() << "no metric " << name << " with " << label;
  return -1;
}

TEST(EdgesTest, EveryLimitIsObeyed) {
  Cluster cluster(1);
  cluster.AddFlags({"--max-key-bytes", "10", "--max-value-bytes", "100", "--max-header-bytes",
                    "2000", "--max-txn-operations", "2", "--max-txn-bytes", "1024"});
  cluster.Start(1);
  ASSERT_TRUE(cluster.WaitReady({1}));
  const int port = cluster.http_port(1);
  const auto txn = [](int n) {
    std::string body = R"({"then":[)";
    for (int i = 0; i < n; ++i) body += (i > 0 ? "," : "") + std::string(R"({"get":{"key":"a"}})");
    return body + "]}";
  };
  const struct {
    std::string request;
    const char* status_line;
  } rows[] = {
      {Request("PUT", "/v1/kv/" + std::string(10, 'k'), "x"), "HTTP/1.1 201 Created"},
      {Request("PUT", "/v1/kv/" + std::string(11, 'k'), "x"), "HTTP/1.1 414 URI Too Long"},
      {Request("PUT", "/v1/kv/a", std::string(100, 'v')), "HTTP/1.1 201 Created"},
      {Request("PUT", "/v1/kv/a", std::string(101, 'v')), "HTTP/1.1 413 Content Too Large"},
      {Request("GET", "/v1/kv/a", "", "A: " + std::string(1'900, 'a') + "\r\n"), "HTTP/1.1 200 OK"},
      {Request("GET", "/v1/kv/a", "", "A: " + std::string(2'000, 'a') + "\r\n"),
       "HTTP/1.1 431 Request Header Fields Too Large"},
      {Request("GET", "/v1/kv/" + std::string(2'100, '%')), "HTTP/1.1 414 URI Too Long"},
      {Request("POST", "/v1/txn", txn(2)), "HTTP/1.1 200 OK"},
      {Request("POST", "/v1/txn", txn(3)), "HTTP/1.1 413 Content Too Large"},
      {Request("POST", "/v1/txn", "{}" + std::string(1'022, ' ')), "HTTP/1.1 200 OK"},
      {Request("POST", "/v1/txn", "{}" + std::string(1'023, ' ')),
       "HTTP/1.1 413 Content Too Large"},
  };
  for (const auto& row : rows) EXPECT_EQ(Ask(port, row.request), row.status_line);
}

TEST(EdgesTest, ConnectionsAreCountedInAllAndByAddress) {
  Cluster cluster(1);
  cluster.AddFlags({"--max-connections", "5", "--max-connections-per-address", "3"});
  cluster.Start(1);
  ASSERT_TRUE(cluster.WaitReady({1}));
  const int port = cluster.http_port(1);
  constexpr const char* kRefused = "HTTP/1.1 429 Too Many Requests";
  const std::string live = Request("GET", "/livez");
  std::vector<std::unique_ptr<RawConnection>> held;
  const auto hold = [&](const std::string& from) {
    held.push_back(std::make_unique<RawConnection>(port, from));
    held.back()->Send(live);
    return held.back()->ReceiveUntil("ok\n").starts_with("HTTP/1.1 200");
  };
  // Whoever asked whether the node is ready may not be gone yet.
  ASSERT_TRUE(Eventually(kPatience, [&] { return hold("127.0.0.2"); }));
  held.erase(held.begin(), held.end() - 1);
  EXPECT_TRUE(hold("127.0.0.2"));
  EXPECT_TRUE(hold("127.0.0.2"));
  EXPECT_EQ(RawConnection(port, "127.0.0.2").ReceiveUntil("\r\n").substr(0, 30), kRefused);
  EXPECT_TRUE(hold("127.0.0.3"));
  EXPECT_TRUE(hold("127.0.0.3"));
  EXPECT_EQ(RawConnection(port, "127.0.0.4").ReceiveUntil("\r\n").substr(0, 30), kRefused);
  held.clear();
  ASSERT_TRUE(Eventually(kPatience, [&] { return Ask(port, live) == "HTTP/1.1 200 OK"; }));
  const std::string refused = "sisyphus_http_connections_refused_total";
  EXPECT_GE(Metric(port, refused, "limit=\"address\""), 1);
  EXPECT_GE(Metric(port, refused, "limit=\"total\""), 1);
}

// Clients that send a byte now and then hold a connection no longer than silent ones, and no one
// else up.
TEST(EdgesTest, SlowClientsAreLetGo) {
  Cluster cluster(1);
  cluster.AddFlags(
      {"--header-timeout-ms", "500", "--body-timeout-ms", "500", "--idle-timeout-ms", "500"});
  cluster.Start(1);
  ASSERT_TRUE(cluster.WaitReady({1}));
  const int port = cluster.http_port(1);
  const struct {
    std::string start;
    std::string drip;
    std::string end;  // What the connection ends with.
  } kinds[] = {
      {"GET /v1/kv/a HTTP/1.1\r\nHost: h\r\nA: ", "a", "HTTP/1.1 408 Request Timeout"},
      {"PUT /v1/kv/a HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n", "a",
       "HTTP/1.1 408 Request Timeout"},
      {"", "\r\n", ""},
  };
  constexpr size_t kEach = 50;
  std::vector<std::unique_ptr<RawConnection>> slow;
  for (const auto& kind : kinds) {
    for (size_t i = 0; i < kEach; ++i) {
      slow.push_back(std::make_unique<RawConnection>(port));
      slow.back()->Send(kind.start);
    }
  }
  RawConnection other(port);
  std::vector<bool> ended(slow.size());
  const bool all_ended = Eventually(kPatience, [&] {
    for (size_t i = 0; i < slow.size(); ++i) {
      if (ended[i]) continue;
      if (slow[i]->Readable()) {
        const std::string end = slow[i]->ReceiveUntil("\r\n");
        EXPECT_EQ(end.substr(0, end.find("\r\n")), kinds[i / kEach].end);
        ended[i] = true;
      } else {
        slow[i]->TrySend(kinds[i / kEach].drip);
      }
    }
    other.Send(Request("GET", "/livez"));
    EXPECT_TRUE(other.ReceiveUntil("ok\n").starts_with("HTTP/1.1 200"));
    return std::find(ended.begin(), ended.end(), false) == ended.end();
  });
  EXPECT_TRUE(all_ended) << std::count(ended.begin(), ended.end(), false) << " still connected";
}

size_t ResidentBytes(pid_t pid) {
  std::istringstream lines(ReadFile("/proc/" + std::to_string(pid) + "/status"));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6)) << 10;
  }
  ADD_FAILURE() << "no VmRSS";
  return 0;
}

// Processor time of the server for a read, of so many one after the other.
std::chrono::nanoseconds CostOfARead(pid_t server, RawConnection& connection) {
  constexpr int kReads = 500;
  clockid_t clock = {};
  EXPECT_EQ(clock_getcpuclockid(server, &clock), 0);
  const auto used = [clock] {
    timespec time = {};
    EXPECT_EQ(clock_gettime(clock, &time), 0);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
  };
  const std::chrono::nanoseconds before = used();
  for (int i = 0; i < kReads; ++i) {
    connection.Send(Request("GET", "/v1/kv/key"));
    EXPECT_TRUE(connection.ReceiveUntil("the value").starts_with("HTTP/1.1 200"));
  }
  return (used() - before) / kReads;
}

TEST(EdgesTest, TenThousandIdleConnections) {
  constexpr size_t kConnections = 10'000;
  constexpr size_t kMaxBytesEach = 20 << 10;
  constexpr rlim_t kOtherFiles = 200;
  rlimit files = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  if (files.rlim_max < kConnections + kOtherFiles) {
    GTEST_SKIP() << "only " << files.rlim_max << " open files are allowed";
  }
  const rlim_t before = std::exchange(files.rlim_cur, files.rlim_max);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);

  Cluster cluster(1);
  cluster.Start(1);
  ASSERT_TRUE(cluster.WaitReady({1}));
  const int port = cluster.http_port(1);
  ASSERT_EQ(Ask(port, Request("PUT", "/v1/kv/key", "the value")), "HTTP/1.1 201 Created");
  RawConnection other(port);
  const std::chrono::nanoseconds alone = CostOfARead(cluster.process(1).pid(), other);
  const size_t resident = ResidentBytes(cluster.process(1).pid());

  // Each has asked for something, so that its buffers have been in use; one in ten is in the middle
  // of its next request.
  std::vector<std::unique_ptr<RawConnection>> idle;
  for (size_t i = 0; i < kConnections; ++i) {
    const std::string from = "127.0.0." + std::to_string(2 + i % 4);
    idle.push_back(std::make_unique<RawConnection>(port, from));
    idle.back()->Send(Request("GET", "/v1/kv/key", "", "A: " + std::string(1'000, 'a') + "\r\n"));
    ASSERT_TRUE(idle.back()->ReceiveUntil("the value").starts_with("HTTP/1.1 200")) << i;
    if (i % 10 == 0) idle.back()->Send("GET /v1/kv/key HTTP/1.1\r\nHost: h\r\n");
  }
  const size_t grown = ResidentBytes(cluster.process(1).pid()) - resident;
  const std::chrono::nanoseconds among_them = CostOfARead(cluster.process(1).pid(), other);
  EXPECT_EQ(Metric(port, "sisyphus_http_connections"), kConnections + 2);
  std::printf("%zu idle connections: %zu bytes each; a read cost %lld ns among them, %lld alone\n",
              kConnections, grown / kConnections, static_cast<long long>(among_them.count()),
              static_cast<long long>(alone.count()));
  EXPECT_LE(grown, kConnections * kMaxBytesEach);
  // What is looked for is work for each connection, some thousand times as much.
  EXPECT_LE(among_them, 10 * alone);
  idle.clear();
  files.rlim_cur = before;
  setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace
}  // namespace sisyphus::chaos
