// POST /v1/txn on a real node.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/unit/api/node_fixture.h"
#include "tests/unit/api/raw_client.h"

namespace sisyphus::api {
namespace {

using nlohmann::json;

class TxnEndpoint : public ::testing::Test {
 protected:
  RawAnswer Ask(std::string_view method, std::string_view target, std::string_view body = {}) {
    client_.Send(Request(method, target, body));
    return client_.Read(false);
  }
  json Txn(const std::string& body) {
    const RawAnswer answer = Ask("POST", "/v1/txn", body);
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(answer.header("Content-Type"), "application/json");
    json object = json::parse(answer.body, nullptr, false);
    EXPECT_EQ(answer.header("X-Sisyphus-Revision"), object["revision"].dump());
    return object;
  }

  TestNode node_;
  RawClient client_{node_.address()};
};

TEST_F(TxnEndpoint, ThenOrElseAtOneRevision) {
  const std::string body = R"({
    "compare": [{"key":"lock","target":"version","op":"=","number":0}],
    "then": [{"put":{"key":"lock","value":"me"}}, {"put":{"key_base64":"/w==","value_base64":"/g=="}},
             {"get":{"start":"","end":""}}],
    "else": [{"get":{"key":"lock"}}, {"delete":{"prefix":"lo"}}, {"delete":{"key":"none"}}]})";
  json answer = Txn(body);
  const json revision = answer["revision"];
  EXPECT_EQ(answer["succeeded"], true);
  EXPECT_EQ(answer["results"][0], json::parse(R"({"put":{"version":1,"created":true}})"));
  const json kvs = answer["results"][2]["get"]["kvs"];
  ASSERT_EQ(kvs.size(), 2u);
  EXPECT_EQ(kvs[0], (json{{"key", "lock"},
                          {"value", "me"},
                          {"create_revision", revision},
                          {"mod_revision", revision},
                          {"version", 1}}));
  EXPECT_EQ(kvs[1]["key_base64"], "/w==");
  EXPECT_EQ(kvs[1]["value_base64"], "/g==");

  answer = Txn(body);
  EXPECT_EQ(answer["succeeded"], false);
  EXPECT_GT(answer["revision"], revision);
  EXPECT_EQ(answer["results"][0]["get"]["kvs"][0]["value"], "me");
  EXPECT_EQ(answer["results"][1]["delete"]["deleted"], 1);
  EXPECT_EQ(answer["results"][2]["delete"]["deleted"], 0);
  EXPECT_EQ(Ask("GET", "/v1/kv/lock").status, 404);
}

TEST_F(TxnEndpoint, GetsAreRanges) {
  Txn(R"({"then":[{"put":{"key":"a1","value":"x"}},{"put":{"key":"a2","value":"y"}},
                  {"put":{"key":"b","value":"z"}}]})");
  const json results = Txn(R"({"then":[
      {"get":{"prefix":"a","limit":1}}, {"get":{"prefix":"a","reverse":true,"keys_only":true}},
      {"get":{"start":"a2","count_only":true}}, {"get":{"key":"none"}}]})")["results"];
  EXPECT_EQ(results[0]["get"]["kvs"].size(), 1u);
  EXPECT_EQ(results[0]["get"]["more"], true);
  EXPECT_EQ(results[1]["get"]["kvs"][0]["key"], "a2");
  EXPECT_FALSE(results[1]["get"]["kvs"][0].contains("value"));
  EXPECT_EQ(results[2], json::parse(R"({"get":{"kvs":[],"count":2,"more":false}})"));
  EXPECT_EQ(results[3], json::parse(R"({"get":{"kvs":[],"count":0,"more":false}})"));
  EXPECT_EQ(Txn("{}")["succeeded"], true);
}

TEST_F(TxnEndpoint, RefusesWhatItDoesNotUnderstand) {
  const struct {
    const char* body;
    const char* message;
  } rows[] = {
      {"[]", "no JSON object"},
      {"{", "no JSON object"},
      {R"({"when":[]})", "unknown member when"},
      {R"({"then":{}})", "then is a list"},
      {R"({"then":[{"put":{"key":"a","value":"1"},"get":{"key":"a"}}]})", "an operation is"},
      {R"({"then":[{"move":{"key":"a"}}]})", "an operation is"},
      {R"({"then":[{"put":{"value":"1"}}]})", "then 1: put: the key is missing"},
      {R"({"then":[{"put":{"key":"","value":"1"}}]})", "the key is empty"},
      {R"({"then":[{"put":{"prefix":"a","value":"1"}}]})", "the key is missing"},
      {R"({"then":[{"put":{"key":"a"}}]})", "the value is missing"},
      {R"({"then":[{"put":{"key":"a","value":1}}]})", "value is a string"},
      {R"({"then":[{"put":{"key":"a","value":"1","colour":"red"}}]})", "unknown member colour"},
      {R"({"then":[{"put":{"key":"a","value":"1","value_base64":"/w=="}}]})", "value comes twice"},
      {R"({"then":[{"put":{"key":"a","value_base64":"/w="}}]})", "no base64"},
      {R"({"then":[{"put":["key"]}]})", "put is no object"},
      {R"({"else":[{"get":{}}]})", "else 1: get: give a key"},
      {R"({"else":[{"get":{"prefix":"a","start":"b"}}]})", "give a key"},
      {R"({"else":[{"get":{"key":"a","end":"b"}}]})", "unknown member end"},
      {R"({"else":[{"get":{"key":"a","limit":0}}]})", "limit"},
      {R"({"else":[{"get":{"key":"a","limit":-1}}]})", "limit"},
      {R"({"else":[{"get":{"key":"a","reverse":1}}]})", "reverse is true or false"},
      {R"({"else":[{"delete":{"key":"a","limit":1}}]})", "unknown member limit"},
      {R"({"compare":[{"target":"value","op":"=","value":""}]})", "the key is missing"},
      {R"({"compare":[{"key":"a","target":"size","op":"=","number":1}]})", "target is one of"},
      {R"({"compare":[{"key":"a","target":"value","op":"==","value":""}]})", "op is one of"},
      {R"({"compare":[{"key":"a","target":"value","op":"=","number":1}]})", "the value is missing"},
      {R"({"compare":[{"key":"a","target":"version","op":"="}]})", "the number is missing"},
      {R"({"compare":[{"key":"a","target":"version","op":"=","number":"1"}]})", "whole number"},
      {R"({"compare":[{"key":"a","target":"version","op":"=","number":1,"value":""}]})", "unknown"},
      {R"({"compare":[1]})", "a comparison is no object"},
  };
  for (const auto& row : rows) {
    const RawAnswer answer = Ask("POST", "/v1/txn", row.body);
    EXPECT_EQ(answer.status, 400) << row.body;
    const json problem = json::parse(answer.body, nullptr, false);
    EXPECT_EQ(problem["code"], "bad_request");
    EXPECT_NE(answer.body.find(row.message), std::string::npos) << row.body << "\n" << answer.body;
  }
  EXPECT_EQ(Ask("GET", "/v1/txn").status, 405);
  EXPECT_EQ(Ask("POST", "/v1/txn?a=b", "{}").status, 400);
}

TEST_F(TxnEndpoint, LimitsAreRefusedBeforeTheyAreProposed) {
  const auto many = [](int n) {
    json operations = json::array();
    for (int i = 0; i < n; ++i) operations.push_back({{"get", {{"key", "a"}}}});
    return json{{"then", operations}}.dump();
  };
  EXPECT_EQ(Ask("POST", "/v1/txn", many(1'024)).status, 200);
  RawAnswer answer = Ask("POST", "/v1/txn", many(1'025));
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(json::parse(answer.body)["code"], "too_large");
  const std::string long_key((64 << 10) + 1, 'k');
  answer = Ask("POST", "/v1/txn", json{{"else", {{{"get", {{"key", long_key}}}}}}}.dump());
  EXPECT_EQ(answer.status, 413);
  // Neither deep nor wide nonsense is built.
  answer = Ask("POST", "/v1/txn", std::string(100'000, '['));
  EXPECT_EQ(answer.status, 400);
  std::string wide = "{\"then\":[0";
  for (int i = 0; i < 200'000; ++i) wide += ",0";
  answer = Ask("POST", "/v1/txn", wide + "]}");
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find("too many elements"), std::string::npos) << answer.body;
}

}  // namespace
}  // namespace sisyphus::api
