// A watch that loses its node and goes on at another one, compared with what was written.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/chaos/cluster.h"
#include "tests/chaos/load.h"
#include "tests/chaos/raw_connection.h"

namespace sisyphus::chaos {
namespace {

using nlohmann::json;

// The body of an answer to a client of HTTP/1.0: until the connection closes.
std::string Fetch(int port, const std::string& target) {
  RawConnection connection(port);
  connection.Send("GET " + target + " HTTP/1.0\r\nHost: test\r\n\r\n");
  const std::string answer = connection.ReceiveUntil("\r\n\r\n\r\n\r\n");  // Never there.
  const size_t body = answer.find("\r\n\r\n");
  return answer.starts_with("HTTP/1.1 200") ? answer.substr(body + 4) : answer;
}

struct Written {
  uint64_t revision = 0;
  std::string key;
  std::string value;
  bool operator==(const Written&) const = default;
};
void PrintTo(const Written& w, std::ostream* out) { *out << w.revision << " " << w.key; }

// Follows the keys that begin with "load", on one node after the other.
class Follower {
 public:
  void Connect(int port) {
    connection_ = std::make_unique<RawConnection>(port);
    text_.clear();
    std::string request = "GET /v1/watch?prefix=load&from=1 HTTP/1.0\r\nHost: test\r\n";
    if (!last_id_.empty()) request += "Last-Event-ID: " + last_id_ + "\r\n";
    connection_->Send(request + "\r\n");
    while (text_.find("\r\n\r\n") == std::string::npos) ASSERT_TRUE(Receive());
    ASSERT_TRUE(text_.starts_with("HTTP/1.1 200")) << text_;
    text_.erase(0, text_.find("\r\n\r\n") + 4);
  }

  // Reads events until `done` answers true. False: the connection ended before that.
  template <typename Condition>
  bool ReadUntil(Condition done) {
    while (!done()) {
      size_t end = 0;
      while ((end = text_.find("\n\n")) == std::string::npos) {
        if (!Receive()) return false;
      }
      Take(text_.substr(0, end + 1));
      text_.erase(0, end + 2);
    }
    return true;
  }

  const std::vector<Written>& changes() const { return changes_; }

 private:
  bool Receive() {
    const std::string more = connection_->ReceiveUntil("\n");
    text_ += more;
    return !more.empty();
  }

  void Take(const std::string& event) {
    const size_t id = event.find("id: ");
    if (id != std::string::npos) last_id_ = event.substr(id + 4, event.find('\n', id) - id - 4);
    const size_t data = event.find("data: ");
    if (data == std::string::npos || event.find("event: put") == std::string::npos) return;
    const json put = json::parse(event.substr(data + 6), nullptr, false);
    changes_.push_back({put["revision"], put["key"], put["value"]});
  }

  std::unique_ptr<RawConnection> connection_;
  std::string text_;
  std::string last_id_;
  std::vector<Written> changes_;
};

TEST(ChaosTest, AWatchGoesOnAtAnotherNodeAndMissesOrRepeatsNothing) {
  Cluster cluster;
  cluster.StartAll();
  ASSERT_TRUE(cluster.WaitReady(cluster.ids()));
  const uint64_t leader = cluster.WaitLeader(cluster.ids());
  ASSERT_NE(leader, 0u);
  const std::vector<uint64_t> others = cluster.Others(leader);
  std::vector<std::unique_ptr<Client>> clients;
  clients.push_back(cluster.MakeClient({leader, others[0], others[1]}));
  clients.push_back(cluster.MakeClient(others));
  Load load("load", std::move(clients));

  // From a follower that dies, to the leader that dies, to the one that is left, with the first one
  // back. The place is kept by the last id alone.
  Follower follower;
  const auto follow = [&](uint64_t node) {
    ASSERT_NO_FATAL_FAILURE(follower.Connect(cluster.http_port(node)));
    const size_t before = follower.changes().size();
    ASSERT_TRUE(follower.ReadUntil([&] { return follower.changes().size() >= before + 30; }));
  };
  ASSERT_NO_FATAL_FAILURE(follow(others[0]));
  cluster.Kill(others[0]);
  follower.ReadUntil([] { return false; });  // What it had sent.
  ASSERT_NO_FATAL_FAILURE(follow(leader));
  cluster.Start(others[0]);
  ASSERT_TRUE(cluster.WaitReady({others[0]}));
  cluster.Kill(leader);
  follower.ReadUntil([] { return false; });
  ASSERT_NO_FATAL_FAILURE(follow(others[1]));
  ASSERT_TRUE(load.WaitForMore(20, kPatience));
  const LoadResult written = load.Finish();
  EXPECT_TRUE(written.unexpected.ok()) << written.unexpected;

  // Each key is written once, so what stands there in the end is the sequence of all changes.
  const json range = json::parse(
      Fetch(cluster.http_port(others[0]), "/v1/kv?prefix=load&limit=1000000"), nullptr, false);
  ASSERT_TRUE(range.is_object());
  ASSERT_FALSE(range.contains("cursor"));
  std::vector<Written> sequence;
  for (const json& kv : range["kvs"]) {
    if (kv["version"] == 1) sequence.push_back({kv["mod_revision"], kv["key"], kv["value"]});
  }
  std::sort(sequence.begin(), sequence.end(),
            [](const Written& a, const Written& b) { return a.revision < b.revision; });
  ASSERT_FALSE(sequence.empty());
  EXPECT_EQ(sequence.size(), range["kvs"].size());
  EXPECT_GE(sequence.size(), written.acknowledged.size());
  const uint64_t last = sequence.back().revision;
  ASSERT_TRUE(follower.ReadUntil([&] { return follower.changes().back().revision >= last; }));
  EXPECT_EQ(follower.changes(), sequence);
}

}  // namespace
}  // namespace sisyphus::chaos
