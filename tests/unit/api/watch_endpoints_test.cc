// /v1/watch on a real node.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/unit/api/node_fixture.h"
#include "tests/unit/api/raw_client.h"

namespace sisyphus::api {
namespace {

using nlohmann::json;

struct Event {
  std::string id;
  std::string event;
  json data;
};

// One watch on a connection of its own.
class EventSource {
 public:
  EventSource(const std::string& address, const std::string& query, std::string_view headers = {})
      : client_(address) {
    client_.Send(Request("GET", "/v1/watch?" + query, {}, headers));
    answer_ = client_.Read();
  }
  const RawAnswer& answer() const { return answer_; }
  RawClient& client() { return client_; }

  // The next event; an empty one when the stream ends.
  Event Next() {
    size_t end = 0;
    while ((end = text_.find("\n\n")) == std::string::npos) {
      const std::optional<std::string> chunk = client_.ReadChunk();
      if (!chunk || chunk->empty()) return {};
      text_ += *chunk;
    }
    const std::string block = text_.substr(0, end + 1);
    text_.erase(0, end + 2);
    Event event;
    for (size_t at = 0; at < block.size();) {
      const size_t stop = block.find('\n', at);
      const std::string line = block.substr(at, stop - at);
      at = stop + 1;
      if (line.starts_with("id: ")) event.id = line.substr(4);
      if (line.starts_with("event: ")) event.event = line.substr(7);
      if (line.starts_with("data: ")) event.data = json::parse(line.substr(6), nullptr, false);
    }
    return event.event.empty() ? Next() : event;
  }
  // The next one that tells of a change.
  Event NextChange() {
    for (;;) {
      Event event = Next();
      if (event.event != "progress") return event;
    }
  }

 private:
  RawClient client_;
  RawAnswer answer_;
  std::string text_;
};

class WatchEndpoints : public ::testing::Test {
 protected:
  static TestNode::TestOptions Options() {
    TestNode::TestOptions options;
    options.watches.max_watches = 4;
    options.watches.progress_interval = std::chrono::milliseconds(50);
    options.watches.ring_bytes = 10'000;
    return options;
  }
  uint64_t Put(const std::string& key, std::string_view value) {
    return json::parse(client_.Ask(Request("PUT", "/v1/kv/" + key, value)).body)["revision"];
  }
  uint64_t Delete(const std::string& key) {
    return json::parse(client_.Ask(Request("DELETE", "/v1/kv/" + key)).body)["revision"];
  }
  void AwaitWatches(uint64_t count) {
    while (node_.machine().feed().stats().watches != count) {
      ASSERT_EQ(client_.Ask(Request("GET", "/livez")).status, 200);
    }
  }

  TestNode node_{Options()};
  RawClient client_{node_.address()};
};

TEST_F(WatchEndpoints, TellsOfChangesFromNowOn) {
  Put("a", "before");
  EventSource watch(node_.address(), "prefix=a&prev");
  EXPECT_EQ(watch.answer().status, 200);
  EXPECT_EQ(watch.answer().header("Content-Type"), "text/event-stream");
  const uint64_t put = Put("a", "one");
  Put("b", "elsewhere");
  Event event = watch.NextChange();
  EXPECT_EQ(event.id, std::to_string(put));
  EXPECT_EQ(event.event, "put");
  EXPECT_EQ(event.data["revision"], put);
  EXPECT_EQ(event.data["key"], "a");
  EXPECT_EQ(event.data["value"], "one");
  EXPECT_EQ(event.data["version"], 2);
  EXPECT_EQ(event.data["prev"]["value"], "before");
  const uint64_t gone = Delete("a");
  event = watch.NextChange();
  EXPECT_EQ(event.event, "delete");
  EXPECT_EQ(event.id, std::to_string(gone));
  EXPECT_FALSE(event.data.contains("value"));
  EXPECT_EQ(event.data["prev"]["value"], "one");
}

TEST_F(WatchEndpoints, ProgressSaysHowFarAnIdleOneHasCome) {
  const uint64_t at = Put("a", "1");
  EventSource watch(node_.address(), "key=x");
  Event event = watch.Next();
  EXPECT_EQ(event.event, "progress");
  EXPECT_EQ(event.id, std::to_string(at));
  EXPECT_EQ(event.data, (json{{"revision", at}}));
  const uint64_t later = Put("a", "2");
  do event = watch.Next();
  while (event.event == "progress" && event.data["revision"] < later);
  EXPECT_EQ(event.event, "progress");
  EXPECT_EQ(event.data["revision"], later);
}

TEST_F(WatchEndpoints, ResumesBehindTheLastEventAndNeverSplitsARevision) {
  Put("k0", "0");
  for (const char* key : {"k1", "k2", "k3"}) Put(key, "x");
  const json deleted = json::parse(client_.Ask(Request("DELETE", "/v1/kv?prefix=k")).body);
  const uint64_t last = Put("k9", "9");
  const std::string revision = std::to_string(deleted["revision"].get<uint64_t>());
  EventSource watch(node_.address(), "prefix=k&from=" + revision);
  for (const char* key : {"k0", "k1", "k2"}) {
    const Event event = watch.NextChange();
    EXPECT_EQ(event.data["key"], key);
    EXPECT_EQ(event.id, "") << "the revision is not over";
    EXPECT_EQ(std::to_string(event.data["revision"].get<uint64_t>()), revision);
  }
  Event event = watch.NextChange();
  EXPECT_EQ(event.data["key"], "k3");
  EXPECT_EQ(event.id, revision);
  EXPECT_EQ(watch.NextChange().id, std::to_string(last));
  // The header wins: a client that resumes asks for the same address again.
  EventSource resumed(node_.address(), "prefix=k&from=1", "Last-Event-ID: " + revision + "\r\n");
  EXPECT_EQ(resumed.NextChange().id, std::to_string(last));
}

TEST_F(WatchEndpoints, ASlowReaderGetsEverything) {
  EventSource watch(node_.address(), "prefix=k");
  std::vector<uint64_t> revisions;
  // Far more than the ring holds, and than the sockets do.
  const std::string value(200'000, 'v');
  for (int i = 0; i < 100; ++i) revisions.push_back(Put("k" + std::to_string(i), value));
  for (const uint64_t revision : revisions) {
    const Event event = watch.NextChange();
    ASSERT_EQ(event.id, std::to_string(revision));
    ASSERT_EQ(event.data["value"].get<std::string>().size(), value.size());
  }
  EXPECT_GT(node_.machine().feed().stats().tree_reads, 0U);
  EXPECT_LE(node_.machine().feed().stats().ring_bytes, 10'000U);
}

TEST_F(WatchEndpoints, BelowHistoryItIsRefused) {
  Put("a", "1");
  const uint64_t two = Put("a", "2");
  client_.Ask(Request("POST", "/v1/compact", json{{"revision", two}}.dump()));
  EventSource watch(node_.address(), "prefix=&from=" + std::to_string(two));
  EXPECT_EQ(watch.answer().status, 410);
  EXPECT_EQ(watch.answer().header("X-Sisyphus-Compact-Revision"), std::to_string(two));
  EventSource next(node_.address(), "prefix=&from=" + std::to_string(two + 1));
  EXPECT_EQ(next.answer().status, 200);
}

TEST_F(WatchEndpoints, BadRequests) {
  for (const char* query : {"", "prefix=a&key=b", "key=", "key=a&from=0", "key=a&from=x",
                            "key=a&nonsense", "key=a&from=99999999999999999999"}) {
    EXPECT_EQ(EventSource(node_.address(), query).answer().status, 400) << query;
  }
  EXPECT_EQ(EventSource(node_.address(), "key=a", "Last-Event-ID: x\r\n").answer().status, 400);
}

TEST_F(WatchEndpoints, TheirNumberIsBoundedAndAClientThatLeavesFreesItsPlace) {
  {
    std::vector<std::unique_ptr<EventSource>> watches;
    for (int i = 0; i < 4; ++i) {
      watches.push_back(std::make_unique<EventSource>(node_.address(), "key=a"));
      EXPECT_EQ(watches.back()->answer().status, 200);
      EXPECT_EQ(watches.back()->Next().event, "progress");
    }
    EventSource refused(node_.address(), "key=a");
    EXPECT_EQ(refused.answer().status, 429);
    EXPECT_EQ(refused.answer().header("Retry-After"), "1");
    watches[0]->client().Reset();
    watches[1]->client().CloseSending();
    AwaitWatches(2);
  }
  AwaitWatches(0);
  EXPECT_EQ(node_.machine().feed().stats().parked, 0U);
}

TEST_F(WatchEndpoints, AnOldClientReadsUntilTheEnd) {
  Put("a", "1");
  RawClient old(node_.address());
  old.Send("GET /v1/watch?key=a&from=1 HTTP/1.0\r\nHost: test\r\n\r\n");
  const RawAnswer answer = old.Read();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("Transfer-Encoding"), "");
  EXPECT_TRUE(answer.closes());
}

TEST_F(WatchEndpoints, AStopDoesNotWaitForWatches) {
  EventSource watch(node_.address(), "key=a");
  EXPECT_EQ(watch.Next().event, "progress");
  node_.server().Stop(std::chrono::minutes(5));
  while (!watch.Next().event.empty()) {
  }
}

}  // namespace
}  // namespace sisyphus::api
