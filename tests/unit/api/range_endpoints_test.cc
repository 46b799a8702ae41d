// /v1/kv, ranges of keys, and /v1/compact on a real node.

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "api/cursor.h"
#include "api/range_query.h"
#include "tests/unit/api/node_fixture.h"
#include "tests/unit/api/raw_client.h"

namespace sisyphus::api {
namespace {

using nlohmann::json;

constexpr std::string_view kLines = "Accept: application/x-ndjson\r\n";

class RangeEndpoints : public ::testing::Test {
 protected:
  RawAnswer Ask(std::string_view method, std::string_view target, std::string_view body = {},
                std::string_view headers = {}) {
    client_.Send(Request(method, target, body, headers));
    return client_.Read();
  }
  uint64_t Put(const std::string& key, std::string_view value) {
    const RawAnswer answer = Ask("PUT", "/v1/kv/" + key, value);
    EXPECT_LE(answer.status, 201) << answer.body;
    return json::parse(answer.body)["revision"];
  }
  json Get(const std::string& query) {
    const RawAnswer answer = Ask("GET", "/v1/kv?" + query);
    EXPECT_EQ(answer.status, 200) << query << ": " << answer.body;
    EXPECT_EQ(answer.header("Content-Type"), "application/json");
    return json::parse(answer.body, nullptr, false);
  }
  static std::string Keys(const json& answer) {
    std::string keys;
    for (const json& kv : answer["kvs"]) keys += kv["key"].get<std::string>() + " ";
    EXPECT_EQ(answer["count"], answer["kvs"].size());
    return keys;
  }
  // All chunks of an answer; "..." behind what was cut off.
  std::string Stream(const std::string& query) {
    client_.Send(Request("GET", "/v1/kv?" + query, {}, kLines));
    const RawAnswer answer = client_.Read();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.header("Content-Type"), "application/x-ndjson");
    EXPECT_EQ(answer.header("Transfer-Encoding"), "chunked");
    std::string all;
    for (;;) {
      const std::optional<std::string> chunk = client_.ReadChunk();
      if (!chunk) return all + "...";
      if (chunk->empty()) return all;
      all += *chunk;
    }
  }
  void ExpectStatus(const RawAnswer& answer, int status) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.header("Content-Type"), "application/problem+json");
  }

  TestNode node_;
  RawClient client_{node_.address()};
};

TEST_F(RangeEndpoints, PrefixStartEndAndTheWhole) {
  const uint64_t first = Put("a", "1");
  for (const char* key : {"b", "b%2F1", "b%2F2", "c"}) Put(key, "x");
  const uint64_t last = Put("b%FF", "%");
  json answer = Get("prefix=b");
  EXPECT_EQ(answer["count"], 4);
  EXPECT_EQ(answer["revision"], last);
  EXPECT_FALSE(answer.contains("cursor"));
  EXPECT_EQ(answer["kvs"][1]["key"], "b/1");
  EXPECT_EQ(answer["kvs"][3]["key_base64"], "Yv8=");
  answer = Get("prefix=a");
  EXPECT_EQ(answer["kvs"], (json::array({{{"key", "a"},
                                          {"value", "1"},
                                          {"create_revision", first},
                                          {"mod_revision", first},
                                          {"version", 1}}})));
  EXPECT_EQ(Keys(Get("start=b&end=b/2")), "b b/1 ");
  EXPECT_EQ(Keys(Get("end=b/1")), "a b ");
  EXPECT_EQ(Keys(Get("start=c")), "c ");
  EXPECT_EQ(Keys(Get("start=c&end=a")), "");
  EXPECT_EQ(Get("prefix=")["count"], 6);
  EXPECT_EQ(Keys(Get("start=a&end=b/2&reverse")), "b/1 b a ");
  EXPECT_EQ(Get("prefix=a&keys_only")["kvs"][0].contains("value"), false);
  EXPECT_EQ(Get("prefix=&count_only"), (json{{"count", 6}, {"revision", last}}));
  for (const char* consistency : {"linearizable", "lease", "stale"}) {
    EXPECT_EQ(Keys(Get("end=b&consistency=" + std::string(consistency))), "a ");
  }
}

TEST_F(RangeEndpoints, CursorsKeepToTheirRevision) {
  for (const char* key : {"a", "b", "c", "d", "e"}) Put(key, "old");
  for (const bool reverse : {false, true}) {
    const std::string way = reverse ? "&reverse" : "";
    json answer = Get("prefix=&limit=2" + way);
    EXPECT_EQ(Keys(answer), reverse ? "e d " : "a b ");
    const uint64_t revision = answer["revision"];
    Put("c", "new");
    Put("bb" + std::to_string(reverse), "new");
    // Another node would read the cursor just so; the range may be said again, or left out.
    answer = Get("prefix=&limit=2&cursor=" + answer["cursor"].get<std::string>());
    EXPECT_EQ(answer["revision"], revision);
    EXPECT_EQ(Keys(answer), reverse ? "c bb0 " : "c d ");
    if (!reverse) {
      EXPECT_EQ(answer["kvs"][0]["value"], "old");
    }
    answer = Get("cursor=" + answer["cursor"].get<std::string>());
    EXPECT_EQ(Keys(answer), reverse ? "b a " : "e ");
    EXPECT_FALSE(answer.contains("cursor"));
  }
  json answer = Get("start=b&limit=1");
  const std::string cursor = answer["cursor"];
  ExpectStatus(Ask("GET", "/v1/kv?prefix=x&cursor=" + cursor), 400);
  ExpectStatus(Ask("GET", "/v1/kv?revision=1&cursor=" + cursor), 400);
  ExpectStatus(Ask("GET", "/v1/kv?cursor=" + cursor.substr(2)), 400);
  ExpectStatus(Ask("GET", "/v1/kv?cursor=zz"), 400);
  ExpectStatus(Ask("GET", "/v1/kv?cursor="), 400);
}

TEST_F(RangeEndpoints, ACountWithALimitComesInParts) {
  for (const char* key : {"a", "b", "c", "d", "e"}) Put(key, "x");
  json answer = Get("prefix=&count_only&limit=2");
  EXPECT_EQ(answer["count"], 2);
  const uint64_t revision = answer["revision"];
  Put("f", "x");
  answer = Get("count_only&limit=2&cursor=" + answer["cursor"].get<std::string>());
  EXPECT_EQ(answer["count"], 2);
  answer = Get("count_only&limit=2&cursor=" + answer["cursor"].get<std::string>());
  EXPECT_EQ(answer, (json{{"count", 1}, {"revision", revision}}));
}

TEST_F(RangeEndpoints, ThePastAndItsEnd) {
  const uint64_t one = Put("a", "1");
  const uint64_t two = Put("a", "2");
  Put("b", "3");
  EXPECT_EQ(Get("prefix=&revision=" + std::to_string(one))["kvs"][0]["value"], "1");
  EXPECT_EQ(Keys(Get("prefix=&revision=" + std::to_string(two))), "a ");
  const std::string cursor = Get("prefix=&limit=1")["cursor"];
  ExpectStatus(Ask("GET", "/v1/kv?prefix=&revision=1000000"), 400);
  ExpectStatus(Ask("GET", "/v1/kv?prefix=&revision=0"), 400);
  const uint64_t four = Put("c", "4");
  RawAnswer answer = Ask("POST", "/v1/compact", json{{"revision", four}}.dump());
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(json::parse(answer.body)["compact_revision"], four);
  for (const std::string& query : {"prefix=&revision=" + std::to_string(two), "cursor=" + cursor}) {
    answer = Ask("GET", "/v1/kv?" + query);
    ExpectStatus(answer, 410);
    EXPECT_EQ(answer.header("X-Sisyphus-Compact-Revision"), std::to_string(four));
    EXPECT_EQ(json::parse(answer.body)["code"], "compacted");
  }
  EXPECT_EQ(Get("prefix=&count_only&revision=" + std::to_string(four))["count"], 3);
  // Again, and further back: nothing changes. The future cannot be dropped.
  answer = Ask("POST", "/v1/compact", json{{"revision", two}}.dump());
  EXPECT_EQ(json::parse(answer.body)["compact_revision"], four);
  ExpectStatus(Ask("POST", "/v1/compact", R"({"revision":1000000})"), 400);
  ExpectStatus(Ask("POST", "/v1/compact", R"({"revision":"1"})"), 400);
  ExpectStatus(Ask("POST", "/v1/compact", R"({"revision":1,"x":1})"), 400);
  ExpectStatus(Ask("POST", "/v1/compact"), 400);
}

TEST_F(RangeEndpoints, ARangeIsDeletedAsOneChange) {
  for (const char* key : {"a", "b1", "b2", "c"}) Put(key, "x");
  RawAnswer answer = Ask("DELETE", "/v1/kv?prefix=b");
  EXPECT_EQ(answer.status, 200) << answer.body;
  const json body = json::parse(answer.body);
  EXPECT_EQ(body["deleted"], 2);
  EXPECT_EQ(Keys(Get("prefix=")), "a c ");
  EXPECT_EQ(json::parse(Ask("DELETE", "/v1/kv?start=b&end=bz").body)["deleted"], 0);
  ExpectStatus(Ask("DELETE", "/v1/kv"), 400);
  ExpectStatus(Ask("DELETE", "/v1/kv?prefix=a&start=b"), 400);
  ExpectStatus(Ask("DELETE", "/v1/kv?prefix=a", {}, "If-Match: \"1\"\r\n"), 400);
  EXPECT_EQ(json::parse(Ask("DELETE", "/v1/kv?prefix=").body)["deleted"], 2);
}

TEST_F(RangeEndpoints, BadQueries) {
  for (const char* query :
       {"", "?limit=1", "?prefix=a&start=b", "?end=", "?prefix=a&limit=0", "?prefix=a&limit=x",
        "?prefix=a&reverse=maybe", "?prefix=a&consistency=none", "?prefix=a&nonsense",
        "?prefix=a&prefix=b", "?prefix=%zz"}) {
    ExpectStatus(Ask("GET", std::string("/v1/kv") + query), 400);
  }
  ExpectStatus(Ask("PUT", "/v1/kv?prefix=a", "x"), 405);
}

TEST_F(RangeEndpoints, LinesOfALargeRangeComeInPieces) {
  const std::string value(20'000, 'v');
  for (int i = 0; i < 60; ++i) Put("key" + std::to_string(100 + i), value);
  const std::string lines = Stream("prefix=key");
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 60);
  size_t at = 0;
  for (int i = 0; i < 60; ++i) {
    const size_t end = lines.find('\n', at);
    const json line = json::parse(lines.substr(at, end - at), nullptr, false);
    ASSERT_TRUE(line.is_object());
    EXPECT_EQ(line["key"], "key" + std::to_string(100 + i));
    EXPECT_EQ(line["value"].get<std::string>().size(), value.size());
    at = end + 1;
  }
  EXPECT_EQ(Stream("prefix=nothing"), "");
  EXPECT_EQ(Stream("prefix=key15&limit=1&keys_only&reverse").find("key159"), 8U);
  // The connection serves on.
  EXPECT_EQ(Get("prefix=key&count_only")["count"], 60);
}

TEST_F(RangeEndpoints, AClientThatHasSaidAllIsToldAll) {
  const std::string value(100'000, 'v');
  for (int i = 0; i < 60; ++i) Put("key" + std::to_string(i), value);
  RawClient client(node_.address());
  client.Send(Request("GET", "/v1/kv?prefix=", {}, kLines));
  client.CloseSending();
  EXPECT_EQ(client.Read().status, 200);
  size_t bytes = 0;
  std::optional<std::string> chunk;
  while ((chunk = client.ReadChunk()).has_value() && !chunk->empty()) bytes += chunk->size();
  EXPECT_TRUE(chunk.has_value()) << "cut off after " << bytes << " bytes";
  EXPECT_GT(bytes, 60 * value.size());
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(RangeEndpoints, AClientThatGoesAwayLeavesNothingPinned) {
  const std::string value(1 << 20, 'v');
  for (int i = 0; i < 40; ++i) Put("key" + std::to_string(i), value);
  {
    RawClient leaving(node_.address());
    leaving.Send(Request("GET", "/v1/kv?prefix=", {}, kLines));
    EXPECT_EQ(leaving.Read().status, 200);
    ASSERT_TRUE(leaving.ReadChunk().has_value());
    EXPECT_EQ(node_.machine().readers().stats(RealClock().Now()).readers, 1U);
    leaving.Reset();
  }
  // The listener finds out by itself; every answer below gives it time.
  while (node_.machine().readers().stats(RealClock().Now()).readers > 0) {
    ASSERT_EQ(Ask("GET", "/livez").status, 200);
  }
}

TEST_F(RangeEndpoints, AnswersOfOneObjectEndAtASize) {
  const std::string value(3 << 20, 'v');
  for (int i = 0; i < 5; ++i) Put("key" + std::to_string(i), value);
  json answer = Get("prefix=");
  EXPECT_EQ(answer["count"], 3);
  answer = Get("cursor=" + answer["cursor"].get<std::string>());
  EXPECT_EQ(answer["count"], 2);
  EXPECT_FALSE(answer.contains("cursor"));
}

TEST(RangeCounts, APartEndsAfterATime) {
  TestNode::TestOptions options;
  options.server.limits.max_count_time = Duration(0);
  TestNode node(std::move(options));
  RawClient client(node.address());
  for (int i = 0; i < 5; ++i) {
    json puts = json::array();
    for (int j = 0; j < 1'000; ++j) {
      puts.push_back({{"put", {{"key", std::to_string(i * 1'000 + j)}, {"value", ""}}}});
    }
    const json txn = {{"then", std::move(puts)}};
    EXPECT_EQ(client.Ask(Request("POST", "/v1/txn", txn.dump())).status, 200);
  }
  const auto get = [&](const std::string& query) {
    return json::parse(client.Ask(Request("GET", "/v1/kv?" + query)).body);
  };
  json answer = get("prefix=&count_only&limit=1000000");
  const uint64_t first = answer["count"];
  EXPECT_LT(first, 5'000U);
  answer = get("count_only&limit=1000000&cursor=" + answer["cursor"].get<std::string>());
  EXPECT_EQ(answer["count"], 5'000 - first);
  EXPECT_FALSE(answer.contains("cursor"));
  // Who gives no limit looks for no cursor.
  EXPECT_EQ(get("prefix=&count_only")["count"], 5'000);
}

TEST(RangeQueryTest, PrefixesEndBehindAllThatBeginWithThem) {
  EXPECT_EQ(PrefixRange("a").end, "b");
  EXPECT_EQ(PrefixRange("a\xff\xff").end, "b");
  EXPECT_EQ(PrefixRange("\xff").end, "");
  EXPECT_EQ(PrefixRange("").end, "");
}

TEST(RangeScans, TheirNumberIsBounded) {
  TestNode::TestOptions options;
  options.server.limits.max_scans = 0;
  TestNode node(std::move(options));
  RawClient client(node.address());
  EXPECT_EQ(client.Ask(Request("GET", "/v1/kv?prefix=")).status, 429);
}

}  // namespace
}  // namespace sisyphus::api
