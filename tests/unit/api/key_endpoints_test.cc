// /v1/kv/{key} and the simple endpoints on a real node.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/unit/api/node_fixture.h"
#include "tests/unit/api/raw_client.h"

namespace sisyphus::api {
namespace {

using nlohmann::json;

class KeyEndpoints : public ::testing::Test {
 protected:
  RawAnswer Ask(std::string_view method, std::string_view target, std::string_view body = {},
                std::string_view headers = {}) {
    client_.Send(Request(method, target, body, headers));
    return client_.Read(method == "HEAD");
  }
  static void ExpectProblem(const RawAnswer& answer, int status, const std::string& code) {
    EXPECT_EQ(answer.status, status) << answer.body;
    EXPECT_EQ(answer.header("Content-Type"), "application/problem+json");
    const json problem = json::parse(answer.body, nullptr, false);
    ASSERT_TRUE(problem.is_object()) << answer.body;
    EXPECT_EQ(problem["code"], code) << answer.body;
    EXPECT_TRUE(problem["message"].is_string());
    EXPECT_TRUE(problem["retryable"].is_boolean());
    EXPECT_TRUE(problem["maybe_applied"].is_boolean());
    EXPECT_EQ(problem.size(), problem.contains("leader") ? 5u : 4u) << answer.body;
  }

  TestNode node_;
  RawClient client_{node_.address()};
};

TEST_F(KeyEndpoints, PutGetHeadDelete) {
  RawAnswer answer = Ask("PUT", "/v1/kv/a", "one");
  EXPECT_EQ(answer.status, 201);
  json body = json::parse(answer.body);
  const uint64_t first = body["revision"];
  EXPECT_GT(first, 0u);
  EXPECT_EQ(body, (json{{"revision", first}, {"version", 1}, {"created", true}}));
  EXPECT_EQ(answer.header("ETag"), "\"" + std::to_string(first) + "\"");
  EXPECT_EQ(answer.header("X-Sisyphus-Revision"), std::to_string(first));
  EXPECT_EQ(answer.header("X-Sisyphus-Leader"), "1");
  EXPECT_EQ(answer.header("X-Sisyphus-Term"), std::to_string(node_.node().View().term.value()));

  answer = Ask("PUT", "/v1/kv/a", "two");
  EXPECT_EQ(answer.status, 200);
  body = json::parse(answer.body);
  const uint64_t second = body["revision"];
  EXPECT_GT(second, first);
  EXPECT_EQ(body, (json{{"revision", second}, {"version", 2}, {"created", false}}));

  for (const char* query :
       {"", "?consistency=linearizable", "?consistency=lease", "?consistency=stale"}) {
    answer = Ask("GET", std::string("/v1/kv/a") + query);
    EXPECT_EQ(answer.status, 200) << query;
    EXPECT_EQ(answer.body, "two");
    EXPECT_EQ(answer.header("Content-Type"), "application/octet-stream");
    EXPECT_EQ(answer.header("ETag"), "\"" + std::to_string(second) + "\"");
    EXPECT_EQ(answer.header("X-Sisyphus-Create-Revision"), std::to_string(first));
    EXPECT_EQ(answer.header("X-Sisyphus-Version"), "2");
    EXPECT_EQ(answer.header("X-Sisyphus-Revision"), std::to_string(second));
  }
  answer = Ask("HEAD", "/v1/kv/a");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("Content-Length"), "3");
  EXPECT_EQ(answer.header("ETag"), "\"" + std::to_string(second) + "\"");

  answer = Ask("DELETE", "/v1/kv/a");
  EXPECT_EQ(answer.status, 200);
  body = json::parse(answer.body);
  EXPECT_EQ(body["deleted"], 1);
  EXPECT_GT(body["revision"], second);
  EXPECT_EQ(json::parse(Ask("DELETE", "/v1/kv/a").body)["deleted"], 0);
  ExpectProblem(Ask("GET", "/v1/kv/a"), 404, "not_found");
  EXPECT_EQ(Ask("HEAD", "/v1/kv/a").status, 404);
}

TEST_F(KeyEndpoints, KeysAndValuesAreBytes) {
  const std::string value("\0\xFF\r\n\r\nHTTP/1.1", 15);
  const struct {
    const char* written;
    const char* read;
  } rows[] = {{"a%20b+c", "a%20b%2Bc"},
              {"x/y", "x%2Fy"},
              {"%2525", "%25%32%35"},
              {"%00%FF", "%00%ff"},
              {"..", "%2E%2E"}};
  for (const auto& row : rows) {
    EXPECT_EQ(Ask("PUT", std::string("/v1/kv/") + row.written, value).status, 201) << row.written;
    const RawAnswer answer = Ask("GET", std::string("/v1/kv/") + row.read);
    EXPECT_EQ(answer.status, 200) << row.read;
    EXPECT_EQ(answer.body, value);
  }
  EXPECT_EQ(Ask("PUT", "/v1/kv/empty").status, 201);
  EXPECT_EQ(Ask("GET", "/v1/kv/empty").body, "");
}

TEST_F(KeyEndpoints, Conditions) {
  ExpectProblem(Ask("PUT", "/v1/kv/k", "x", "If-Match: \"1\"\r\n"), 412, "compare_failed");
  const RawAnswer created = Ask("PUT", "/v1/kv/k", "one", "If-None-Match: *\r\n");
  EXPECT_EQ(created.status, 201);
  const std::string etag = created.header("ETag");
  RawAnswer failed = Ask("PUT", "/v1/kv/k", "two", "If-None-Match: *\r\n");
  ExpectProblem(failed, 412, "compare_failed");
  EXPECT_EQ(failed.header("ETag"), etag);
  const RawAnswer replaced = Ask("PUT", "/v1/kv/k", "two", "If-Match: " + etag + "\r\n");
  EXPECT_EQ(replaced.status, 200);
  failed = Ask("DELETE", "/v1/kv/k", "", "If-Match: " + etag + "\r\n");
  ExpectProblem(failed, 412, "compare_failed");
  EXPECT_EQ(failed.header("ETag"), replaced.header("ETag"));
  EXPECT_EQ(Ask("GET", "/v1/kv/k").body, "two");

  const std::string now = replaced.header("ETag");
  for (const std::string& match : {now, "W/" + now, "\"7\", " + now, std::string("*")}) {
    const RawAnswer answer = Ask("GET", "/v1/kv/k", "", "If-None-Match: " + match + "\r\n");
    EXPECT_EQ(answer.status, 304) << match;
    EXPECT_EQ(answer.header("ETag"), now);
    EXPECT_EQ(answer.body, "");
  }
  EXPECT_EQ(Ask("GET", "/v1/kv/k", "", "If-None-Match: " + etag + "\r\n").status, 200);
  EXPECT_EQ(Ask("GET", "/v1/kv/none", "", "If-None-Match: *\r\n").status, 404);
  EXPECT_EQ(Ask("GET", "/v1/kv/k", "", "If-Match: " + now + "\r\n").status, 200);
  ExpectProblem(Ask("GET", "/v1/kv/k", "", "If-Match: " + etag + "\r\n"), 412, "compare_failed");
  EXPECT_EQ(Ask("DELETE", "/v1/kv/k", "", "If-Match: " + now + "\r\n").status, 200);

  for (const char* bad :
       {"If-Match: *\r\n", "If-Match: 5\r\n", "If-Match: W/\"5\"\r\n", "If-Match: \"x\"\r\n",
        "If-Match: \"1\", \"2\"\r\n", "If-None-Match: \"5\"\r\n", "If-Match: \"\"\r\n",
        "If-Match: \"5\"\r\nIf-None-Match: *\r\n", "If-Match: \"5\"\r\nIf-Match: \"5\"\r\n"}) {
    ExpectProblem(Ask("PUT", "/v1/kv/k", "x", bad), 400, "bad_request");
  }
  ExpectProblem(Ask("GET", "/v1/kv/k"), 404, "not_found");
}

TEST_F(KeyEndpoints, AnswersThePreviousValueWhenAsked) {
  json body = json::parse(Ask("PUT", "/v1/kv/k?prev=true", "one").body);
  EXPECT_TRUE(body["prev"].is_null());
  const uint64_t first = body["revision"];
  body = json::parse(Ask("PUT", "/v1/kv/k?prev", "\xFF").body);
  EXPECT_EQ(
      body["prev"],
      (json{
          {"value", "one"}, {"create_revision", first}, {"mod_revision", first}, {"version", 1}}));
  body = json::parse(Ask("DELETE", "/v1/kv/k?prev=true").body);
  EXPECT_EQ(body["prev"]["value_base64"], "/w==");
  EXPECT_EQ(body["prev"]["version"], 2);
  EXPECT_FALSE(json::parse(Ask("PUT", "/v1/kv/k?prev=false", "x").body).contains("prev"));
}

TEST_F(KeyEndpoints, RefusesWhatItDoesNotUnderstand) {
  const struct {
    const char* method;
    const char* target;
    const char* message;
  } rows[] = {
      {"GET", "/v1/kv/k?ttl=30s", "ttl is not supported"},
      {"DELETE", "/v1/kv/k?lease=1", "lease is not supported"},
      {"GET", "/v1/kv/k?revision=1", "revision is not supported"},
      {"GET", "/v1/kv/k?wait=1s", "wait is not supported"},
      {"GET", "/v1/kv/k?colour=red", "unknown parameter colour"},
      {"GET", "/v1/kv/k?consistency=maybe", "consistency"},
      {"GET", "/v1/kv/k?consistency=stale&consistency=stale", "twice"},
      {"PUT", "/v1/kv/k?prev=maybe", "prev"},
      {"GET", "/v1/kv/k?a=%", "percent"},
      {"GET", "/v1/kv/%", "percent"},
      {"GET", "/v1/kv/%zz", "percent"},
      {"GET", "/v1/kv/", "empty"},
      {"GET", "/v1/kv/k#f", "fragment"},
  };
  for (const auto& row : rows) {
    const RawAnswer answer = Ask(row.method, row.target);
    ExpectProblem(answer, 400, "bad_request");
    EXPECT_NE(answer.body.find(row.message), std::string::npos) << answer.body;
  }
  ExpectProblem(Ask("PUT", "/v1/kv/k", "x", "Content-Range: bytes 0-0/1\r\n"), 400, "bad_request");
  ExpectProblem(Ask("PUT", "/v1/kv/k", "x", "Content-Encoding: gzip\r\n"), 415,
                "unsupported_media_type");
  ExpectProblem(Ask("GET", "/v1/kv/k", "", "X-Sisyphus-Forward: always\r\n"), 400, "bad_request");
  EXPECT_EQ(Ask("PUT", "/v1/kv/k", "x", "X-Sisyphus-Forward: never\r\n").status, 201);

  for (const char* path : {"/ui", "/v1", "/v1/watchx", "/v2", "/null"}) {
    ExpectProblem(Ask("GET", path), 404, "not_found");
  }
  const RawAnswer answer = Ask("POST", "/v1/kv/k");
  ExpectProblem(answer, 405, "method_not_allowed");
  EXPECT_EQ(answer.header("Allow"), "GET, HEAD, PUT, DELETE");
  ExpectProblem(Ask("BREW", "/livez"), 405, "method_not_allowed");
}

TEST_F(KeyEndpoints, PipelinedWritesAndReadsKeepTheirOrder) {
  std::string all;
  for (int i = 0; i < 50; ++i) {
    all += Request("PUT", "/v1/kv/p", std::to_string(i)) + Request("GET", "/v1/kv/p");
  }
  client_.Send(all);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(client_.Read().status, i == 0 ? 201 : 200);
    EXPECT_EQ(client_.Read().body, std::to_string(i));
  }
}

TEST_F(KeyEndpoints, SimpleEndpoints) {
  RawAnswer answer = Ask("GET", "/put?key=hello&val=big+world%21");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "Success");
  answer = Ask("GET", "/get?key=hello");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "big world!");
  EXPECT_EQ(Ask("HEAD", "/get?key=hello").header("Content-Length"), "10");
  EXPECT_EQ(Ask("GET", "/v1/kv/hello").body, "big world!");
  EXPECT_EQ(Ask("POST", "/put?key=hello&val=").status, 200);
  EXPECT_EQ(Ask("GET", "/get?key=hello").body, "");
  for (const char* method : {"GET", "POST", "DELETE"}) {
    EXPECT_EQ(Ask("POST", "/put?key=hello&val=x").status, 200);
    answer = Ask(method, "/delete?key=hello");
    EXPECT_EQ(answer.status, 204);
    EXPECT_EQ(answer.header("Content-Length"), "");
    answer = Ask("GET", "/get?key=hello");
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(answer.body, "Key not found");
  }
  for (const char* bad :
       {"/get", "/get?key=", "/get?key", "/put?key=a", "/put?key=&val=x", "/put?val=x", "/delete",
        "/delete?key=", "/get?key=a&x=y", "/get?key=%"}) {
    ExpectProblem(Ask("GET", bad), 400, "bad_request");
  }
  ExpectProblem(Ask("DELETE", "/put?key=a&val=b"), 405, "method_not_allowed");
}

TEST(SimpleEndpointsOff, AreNotThere) {
  TestNode::TestOptions options;
  options.server.serve.simple = false;
  TestNode node(std::move(options));
  RawClient client(node.address());
  for (const char* target : {"/put?key=a&val=b", "/get?key=a", "/delete?key=a"}) {
    EXPECT_EQ(client.Ask(Request("GET", target)).status, 404);
  }
}

}  // namespace
}  // namespace sisyphus::api
