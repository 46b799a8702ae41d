// /v1/leases, TTLs and Idempotency-Key on a real node.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "api/write_terms.h"
#include "tests/unit/api/node_fixture.h"
#include "tests/unit/api/raw_client.h"

namespace sisyphus::api {
namespace {

using nlohmann::json;

class LeaseEndpoints : public ::testing::Test {
 protected:
  RawAnswer Ask(std::string_view method, std::string_view target, std::string_view body = {},
                std::string_view headers = {}) {
    client_.Send(Request(method, target, body, headers));
    return client_.Read(method == "HEAD");
  }
  json Body(const RawAnswer& answer) { return json::parse(answer.body, nullptr, false); }
  std::string Grant(const std::string& ttl) {
    const RawAnswer answer = Ask("POST", "/v1/leases", "{\"ttl\":\"" + ttl + "\"}");
    EXPECT_EQ(answer.status, 201) << answer.body;
    EXPECT_EQ(Body(answer)["ttl"], ttl);
    return Body(answer)["id"].dump();
  }

  TestNode node_;
  RawClient client_{node_.address()};
};

TEST_F(LeaseEndpoints, GrantUseShowKeepRevoke) {
  const std::string id = Grant("1h");
  EXPECT_EQ(Ask("PUT", "/v1/kv/a?lease=" + id, "1").status, 201);
  EXPECT_EQ(Ask("PUT", "/v1/kv/b?lease=" + id, "1").status, 201);
  EXPECT_EQ(Ask("GET", "/v1/kv/a").header("X-Sisyphus-Lease"), id);
  EXPECT_EQ(Ask("PUT", "/v1/kv/free", "1").status, 201);
  EXPECT_EQ(Ask("GET", "/v1/kv/free").header("X-Sisyphus-Lease"), "");

  RawAnswer answer = Ask("GET", "/v1/leases/" + id);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Body(answer)["id"].dump(), id);
  EXPECT_EQ(Body(answer)["ttl"], "1h");
  EXPECT_EQ(Body(answer)["keys"], 2);
  EXPECT_TRUE(Body(answer)["remaining"].is_string());

  answer = Ask("POST", "/v1/leases/" + id + "/keepalive");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(Body(answer)["ttl"], "1h");
  answer = Ask("POST", "/v1/leases/keepalive", "{\"ids\":[" + id + ",5]}");
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(Body(answer)["leases"][0]["ttl"], "1h");
  EXPECT_TRUE(Body(answer)["leases"][1]["ttl"].is_null());

  const std::string other = Grant("90m");
  answer = Ask("GET", "/v1/leases?limit=1");
  EXPECT_EQ(Body(answer)["leases"].size(), 1u);
  EXPECT_EQ(Body(answer)["more"], true);
  answer = Ask("GET", "/v1/leases?after=" + id);
  EXPECT_EQ(Body(answer)["leases"].size(), 1u);
  EXPECT_EQ(Body(answer)["leases"][0]["id"].dump(), other);
  EXPECT_EQ(Body(answer)["more"], false);

  answer = Ask("DELETE", "/v1/leases/" + id);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(Body(answer)["deleted"], 2);
  EXPECT_EQ(Ask("GET", "/v1/kv/a").status, 404);
  for (const char* method : {"GET", "DELETE"})
    EXPECT_EQ(Ask(method, "/v1/leases/" + id).status, 404);
  EXPECT_EQ(Ask("POST", "/v1/leases/" + id + "/keepalive").status, 404);
  answer = Ask("PUT", "/v1/kv/a?lease=" + id, "1");
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(Body(answer)["code"], "not_found");
}

// The shortest TTL that there is; what is waited for comes by itself.
TEST_F(LeaseEndpoints, KeysEndWithTheirTtl) {
  EXPECT_EQ(Ask("PUT", "/v1/kv/a?ttl=1s", "1").status, 201);
  EXPECT_EQ(Ask("POST", "/v1/txn",
                R"({"then":[{"put":{"key":"b","value":"1","ttl":"1s"}},
                            {"put":{"key":"c","value":"1","ttl":"1h"}}]})")
                .status,
            200);
  while (Ask("GET", "/v1/kv/a").status == 200 || Ask("GET", "/v1/kv/b").status == 200) {
  }
  EXPECT_EQ(Ask("GET", "/v1/kv/c").status, 200);
  EXPECT_EQ(Body(Ask("GET", "/v1/leases"))["leases"].size(), 1u);
}

TEST_F(LeaseEndpoints, RefusesWhatItDoesNotUnderstand) {
  const struct {
    const char* method;
    const char* target;
    const char* body;
    int status;
  } rows[] = {
      {"POST", "/v1/leases", "", 400},
      {"POST", "/v1/leases", "{}", 400},
      {"POST", "/v1/leases", R"({"ttl":30})", 400},
      {"POST", "/v1/leases", R"({"ttl":"30"})", 400},
      {"POST", "/v1/leases", R"({"ttl":"999ms"})", 400},
      {"POST", "/v1/leases", R"({"ttl":"11000d"})", 400},
      {"POST", "/v1/leases", R"({"ttl":"30s","id":7})", 400},
      {"POST", "/v1/leases?ttl=30s", R"({"ttl":"30s"})", 400},
      {"POST", "/v1/leases/keepalive", R"({"ids":[]})", 400},
      {"POST", "/v1/leases/keepalive", R"({"ids":[0]})", 400},
      {"POST", "/v1/leases/keepalive", R"({"ids":["1"]})", 400},
      {"POST", "/v1/leases/x/keepalive", "", 400},
      {"POST", "/v1/leases/1", "", 404},
      {"GET", "/v1/leases/0", "", 400},
      {"GET", "/v1/leases/x", "", 400},
      {"GET", "/v1/leases?limit=0", "", 400},
      {"GET", "/v1/leases?limit=10001", "", 400},
      {"GET", "/v1/leases?after=x", "", 400},
      {"PUT", "/v1/leases", "", 405},
      {"PUT", "/v1/kv/k?ttl=30", "", 400},
      {"PUT", "/v1/kv/k?ttl=", "", 400},
      {"PUT", "/v1/kv/k?ttl=-1s", "", 400},
      {"PUT", "/v1/kv/k?lease=0", "", 400},
      {"PUT", "/v1/kv/k?lease=1&ttl=30s", "", 400},
      {"DELETE", "/v1/kv/k?ttl=30s", "", 400},
  };
  for (const auto& row : rows) {
    const RawAnswer answer = Ask(row.method, row.target, row.body);
    EXPECT_EQ(answer.status, row.status) << row.method << " " << row.target << " " << row.body;
    EXPECT_TRUE(Body(answer)["code"].is_string());
  }
  std::string ids = "{\"ids\":[1";
  for (int i = 0; i < 1'024; ++i) ids += ",1";
  EXPECT_EQ(Ask("POST", "/v1/leases/keepalive", ids + "]}").status, 400);
}

TEST_F(LeaseEndpoints, ARepeatedWriteAnswersAsTheFirst) {
  const std::string once = "Idempotency-Key: me:1\r\n";
  const RawAnswer first = Ask("PUT", "/v1/kv/k", "one", once);
  EXPECT_EQ(first.status, 201);
  EXPECT_EQ(first.header("X-Sisyphus-Replayed"), "");
  EXPECT_EQ(Ask("PUT", "/v1/kv/k", "two").status, 200);
  RawAnswer again = Ask("PUT", "/v1/kv/k", "one", once);
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(again.header("ETag"), first.header("ETag"));
  EXPECT_EQ(again.header("X-Sisyphus-Replayed"), "1");
  EXPECT_EQ(again.header("X-Sisyphus-Revision"), first.header("X-Sisyphus-Revision"));
  EXPECT_EQ(Ask("GET", "/v1/kv/k").body, "two");

  EXPECT_EQ(Ask("PUT", "/v1/kv/k", "other", once).status, 400);
  EXPECT_EQ(Ask("DELETE", "/v1/kv/k", "", once).status, 400);
  again = Ask("PUT", "/v1/kv/k", "zero", "Idempotency-Key: me:0\r\n");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(Body(again)["code"], "conflict");
  EXPECT_EQ(Body(again)["maybe_applied"], true);

  // Every kind of write.
  const struct {
    const char* method;
    const char* target;
    const char* body;
    const char* headers;
  } rows[] = {
      {"DELETE", "/v1/kv/k?prev=true", "", ""},
      {"PUT", "/v1/kv/k", "x", "If-Match: \"1\"\r\n"},
      {"PUT", "/v1/kv/leased?ttl=1h", "x", ""},
      {"POST", "/v1/txn", R"({"then":[{"put":{"key":"t","value":"1","ttl":"1h"}}]})", ""},
      {"POST", "/v1/leases", R"({"ttl":"1h"})", ""},
      {"GET", "/put?key=s&val=x", "", ""},
      {"GET", "/delete?key=s", "", ""},
  };
  int sequence = 1;
  for (const auto& row : rows) {
    const std::string headers =
        "Idempotency-Key: me:" + std::to_string(++sequence) + "\r\n" + row.headers;
    const RawAnswer done = Ask(row.method, row.target, row.body, headers);
    EXPECT_EQ(done.header("X-Sisyphus-Replayed"), "") << row.target;
    again = Ask(row.method, row.target, row.body, headers);
    EXPECT_EQ(again.status, done.status) << row.target;
    EXPECT_EQ(again.body, done.body) << row.target;
    EXPECT_EQ(again.header("X-Sisyphus-Replayed"), "1") << row.target;
  }
  EXPECT_EQ(Body(Ask("GET", "/v1/leases"))["leases"].size(), 3u);
}

TEST_F(LeaseEndpoints, IdempotencyKeysAreChecked) {
  const std::string client(64, 'c');
  EXPECT_EQ(Ask("PUT", "/v1/kv/k", "x", "Idempotency-Key: " + client + ":1\r\n").status, 201);
  EXPECT_EQ(Ask("PUT", "/v1/kv/k", "x", "Idempotency-Key: a:b:1\r\n").status, 200);
  for (const std::string& bad :
       {client + "c:1", std::string("a"), std::string("a:"), std::string(":1"), std::string("a:x"),
        std::string("a:-1"), std::string("a b:1"), std::string("a:99999999999999999999"),
        std::string("a:1\r\nIdempotency-Key: a:1")}) {
    EXPECT_EQ(Ask("PUT", "/v1/kv/k", "x", "Idempotency-Key: " + bad + "\r\n").status, 400) << bad;
    EXPECT_EQ(Ask("GET", "/put?key=k&val=x", "", "Idempotency-Key: " + bad + "\r\n").status, 400);
  }
}

TEST(WriteTerms, Ttls) {
  EXPECT_EQ(*ParseTtlMs("1500ms"), 1'500u);
  EXPECT_EQ(*ParseTtlMs("30s"), 30'000u);
  EXPECT_EQ(*ParseTtlMs("3650d"), kv::kMaxTtlMs);
  for (const char* bad :
       {"", "s", "1", "1 s", "1w", "0s", "3651d", "99999999999999999999d", "1.5s"})
    EXPECT_FALSE(ParseTtlMs(bad).ok()) << bad;
  EXPECT_EQ(TtlText(30'000), "30s");
  EXPECT_EQ(TtlText(1'500), "1500ms");
  EXPECT_EQ(TtlText(172'800'000), "2d");
}

}  // namespace
}  // namespace sisyphus::api
