// Scans and watches over servers that break off: nothing is skipped, nothing comes twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sisyphus/client.h"
#include "tests/unit/client/test_server.h"

namespace sisyphus::client {
namespace {

using absl::StatusCode;
using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::unique_ptr<Client> MakeClient(std::vector<std::string> endpoints,
                                   milliseconds timeout = milliseconds(5000)) {
  auto client = Client::Create({.endpoints = std::move(endpoints),
                                .timeout = timeout,
                                .attempt_timeout = milliseconds(1000)});
  EXPECT_TRUE(client.ok()) << client.status();
  return std::move(client).value();
}

std::string Line(const std::string& key, const std::string& value) {
  return R"({"key":")" + key + R"(","value":")" + value +
         R"(","create_revision":1,"mod_revision":2,"version":1})" + "\n";
}

std::string Chunk(const std::string& text) {
  char size[16];
  std::snprintf(size, sizeof(size), "%zx\r\n", text.size());
  return size + text + "\r\n";
}

// Begins an answer, and breaks off without the last chunk.
std::string Torn(const std::string& type, const std::string& body) {
  return "HTTP/1.1 200 OK\r\nContent-Type: " + type +
         "\r\nX-Sisyphus-Revision: 9\r\nTransfer-Encoding: chunked\r\n\r\n" + Chunk(body);
}

std::string Event(const std::string& id, const std::string& type, const std::string& rest,
                  uint64_t revision) {
  return (id.empty() ? "" : "id: " + id + "\n") + "event: " + type +
         "\ndata: {\"revision\":" + std::to_string(revision) + rest + "}\n\n";
}

std::string Put(const std::string& id, const std::string& key, uint64_t revision) {
  return Event(id, "put",
               R"(,"key":")" + key + R"(","value":"v","create_revision":1,"mod_revision":)" +
                   std::to_string(revision) + R"(,"version":1)",
               revision);
}

TEST(ScanTest, GoesOnBehindTheLastKeyAtTheSameRevision) {
  SilentServer torn(
      true, Torn("application/x-ndjson", Line("a", "1") + Line("b", "2") + R"({"key":"c","val)"));
  TestServer rest([](const SeenRequest&) {
    return ScriptedAnswer{200, Line("c", "3") + Line("d", "4"), "application/x-ndjson", {}};
  });
  std::vector<std::string> keys;
  const auto revision = MakeClient({torn.address(), rest.address()})
                            ->Scan(KeyRange::Prefix(""), {}, [&](KeyValue kv) {
                              keys.push_back(kv.key + "=" + kv.value);
                              return true;
                            });
  ASSERT_TRUE(revision.ok()) << revision.status();
  EXPECT_EQ(*revision, 9u);
  EXPECT_THAT(keys, ElementsAre("a=1", "b=2", "c=3", "d=4"));
  EXPECT_EQ(rest.seen().at(0).target, "/v1/kv?start=b%00&revision=9");
}

TEST(CountTest, AddsUpThePartsOfOneRevision) {
  TestServer server([](const SeenRequest& request) {
    return request.target.find("cursor=c1") == std::string::npos
               ? ScriptedAnswer{200, R"({"count":2000000000,"revision":9,"cursor":"c1"})"}
               : ScriptedAnswer{200, R"({"count":3,"revision":9})"};
  });
  const auto count = MakeClient({server.address()})->Count(KeyRange::Prefix("a"), {.revision = 9});
  ASSERT_TRUE(count.ok()) << count.status();
  EXPECT_EQ(count->count, 2'000'000'003u);
  EXPECT_EQ(count->revision, 9u);
  ASSERT_EQ(server.seen().size(), 2u);
  EXPECT_THAT(server.seen()[0].target, StartsWith("/v1/kv?start=a&end=b&revision=9&count_only&"));
  EXPECT_THAT(server.seen()[1].target, StartsWith("/v1/kv?cursor=c1&count_only&limit="));
}

TEST(ScanTest, BackwardsItGoesOnBeforeTheLastKeyWithWhatIsLeftOfTheLimit) {
  SilentServer torn(true, Torn("application/x-ndjson", Line("z", "1")));
  TestServer rest([](const SeenRequest&) {
    return ScriptedAnswer{200, Line("y", "2"), "application/x-ndjson", {}};
  });
  int count = 0;
  EXPECT_TRUE(MakeClient({torn.address(), rest.address()})
                  ->Scan({"a", ""}, {.limit = 2, .reverse = true},
                         [&](KeyValue) {
                           ++count;
                           return true;
                         })
                  .ok());
  EXPECT_EQ(count, 2);
  EXPECT_EQ(rest.seen().at(0).target, "/v1/kv?start=a&end=z&revision=9&limit=1&reverse");
}

TEST(ScanTest, EndsWhenItIsEnoughAndSaysWhatIsWrong) {
  TestServer server([](const SeenRequest& request) {
    if (request.target.find("start=bad") != std::string::npos) {
      return ScriptedAnswer{200, "{\"no\":\"key\"}\n", "application/x-ndjson", {}};
    }
    return ScriptedAnswer{200, Line("a", "1") + Line("b", "2"), "application/x-ndjson", {}};
  });
  auto client = MakeClient({server.address()});
  int count = 0;
  EXPECT_TRUE(client->Scan(KeyRange::All(), {}, [&](KeyValue) { return ++count < 1; }).ok());
  EXPECT_EQ(count, 1);
  EXPECT_EQ(client->Scan({"bad", ""}, {}, [](KeyValue) { return true; }).status().code(),
            StatusCode::kUnknown);
  DeadAddress dead;
  EXPECT_EQ(MakeClient({dead.address()}, milliseconds(200))
                ->Scan(KeyRange::All(), {}, [](KeyValue) { return true; })
                .status()
                .code(),
            StatusCode::kUnavailable);
}

TEST(WatchTest, ResumesInTheMiddleOfARevisionWithoutRepeating) {
  // Revision 5 changed a, b and c: the first server tells of two, the second of all again.
  SilentServer torn(true, Torn("text/event-stream", Put("4", "a", 4) + Put("", "a", 5) +
                                                        Put("", "b", 5) + "event: put\ndata: {"));
  TestServer rest([](const SeenRequest&) {
    return ScriptedAnswer{
        200,
        Put("", "a", 5) + Put("", "b", 5) + Put("5", "c", 5) +
            Event(
                "6", "delete",
                R"(,"key":"a","prev":{"value":"v","create_revision":1,"mod_revision":5,"version":2})",
                6),
        "text/event-stream",
        {}};
  });
  std::vector<std::string> told;
  const auto status = MakeClient({torn.address(), rest.address()})
                          ->Watch(KeyRange::All(), {.from = 2}, [&](const WatchEvent& event) {
                            told.push_back(std::to_string(event.revision) + event.kv.key);
                            if (event.type != WatchEvent::Type::kDelete) return true;
                            EXPECT_EQ(event.previous->version, 2u);
                            return false;
                          });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(told, ElementsAre("4a", "5a", "5b", "5c", "6a"));
  EXPECT_EQ(rest.seen().at(0).target, "/v1/watch?prefix=&from=5");
}

TEST(WatchTest, ProgressMovesWhereItResumes) {
  SilentServer torn(true, Torn("text/event-stream", Event("17", "progress", "", 17)));
  TestServer rest([](const SeenRequest&) {
    return ScriptedAnswer{410, R"({"code":"compacted"})"};
  });
  const auto status = MakeClient({torn.address(), rest.address()})
                          ->Watch(KeyRange::Key("k"), {}, [](const WatchEvent&) { return true; });
  EXPECT_EQ(status.code(), StatusCode::kOutOfRange);
  EXPECT_EQ(rest.seen().at(0).target, "/v1/watch?start=k&end=k%00&from=18");
}

TEST(WatchTest, GivesUpWhenNobodyIsThere) {
  DeadAddress dead;
  std::vector<uint64_t> told;
  const auto status = MakeClient({dead.address()}, milliseconds(200))
                          ->Watch(KeyRange::All(), {}, [&](const WatchEvent& event) {
                            told.push_back(event.revision);
                            return true;
                          });
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_THAT(told, IsEmpty());
}

}  // namespace
}  // namespace sisyphus::client
