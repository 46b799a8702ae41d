// The client against servers that answer well, badly, late or not at all.
#include "sisyphus/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <future>

#include "tests/unit/client/test_server.h"

namespace sisyphus::client {
namespace {

using absl::StatusCode;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr char kPutAnswer[] = R"({"revision":7,"version":2,"created":false})";

std::unique_ptr<Client> MakeClient(std::vector<std::string> endpoints,
                                   milliseconds timeout = milliseconds(5000),
                                   milliseconds attempt = milliseconds(1000)) {
  auto client = Client::Create(
      {.endpoints = std::move(endpoints), .timeout = timeout, .attempt_timeout = attempt});
  EXPECT_TRUE(client.ok()) << client.status();
  return std::move(client).value();
}

std::string Problem(const std::string& code, bool maybe_applied) {
  return R"({"code":")" + code + R"(","message":"as told","retryable":true,"maybe_applied":)" +
         (maybe_applied ? "true}" : "false}");
}

ScriptedAnswer Value(const std::string& value, const std::string& etag = "\"5\"") {
  return {200, value, "application/octet-stream", {{"ETag", etag}}};
}

TEST(ClientTest, RefusesBadOptions) {
  EXPECT_EQ(Client::Create({}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Client::Create({.endpoints = {"nonsense"}}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(Client::Create({.endpoints = {"h:1"}, .timeout = milliseconds(0)}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(ClientTest, PutSendsBytesAndReadsTheAnswer) {
  TestServer server([](const SeenRequest&) { return ScriptedAnswer{201, kPutAnswer}; });
  auto client = MakeClient({server.address()});
  const std::string value("a\0b\r\n\xff", 6);
  const auto result = client->Put(std::string_view("k/\0%", 4), value);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->revision, 7u);
  EXPECT_EQ(result->version, 2u);
  EXPECT_FALSE(result->created);
  ASSERT_EQ(server.seen().size(), 1u);
  EXPECT_EQ(server.seen()[0].method, "PUT");
  EXPECT_EQ(server.seen()[0].target, "/v1/kv/k%2F%00%25");
  EXPECT_EQ(server.seen()[0].body, value);
}

TEST(ClientTest, PutOfAnEmptyValue) {
  TestServer server([](const SeenRequest&) { return ScriptedAnswer{201, kPutAnswer}; });
  auto client = MakeClient({server.address()});
  EXPECT_TRUE(client->Put("k", "").ok());
  EXPECT_EQ(server.seen().at(0).body, "");
}

TEST(ClientTest, ConditionsBecomeHeaders) {
  TestServer server([](const SeenRequest& request) {
    return request.if_match.empty() ? ScriptedAnswer{201, kPutAnswer}
                                    : ScriptedAnswer{412, Problem("compare_failed", false)};
  });
  auto client = MakeClient({server.address()});
  EXPECT_TRUE(client->Put("k", "v", {.if_absent = true, .if_revision = {}}).ok());
  EXPECT_EQ(server.seen().at(0).if_none_match, "*");
  EXPECT_EQ(client->Delete("k", {.if_absent = false, .if_revision = 41}).status().code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(server.seen().at(1).if_match, "\"41\"");
  EXPECT_EQ(client->Put("k", "v", {.if_absent = true, .if_revision = 1}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(server.seen().size(), 2u);
}

TEST(ClientTest, EmptyKeyIsRefusedHere) {
  TestServer server([](const SeenRequest&) { return ScriptedAnswer{}; });
  auto client = MakeClient({server.address()});
  EXPECT_EQ(client->Get("").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(client->Put("", "v").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(client->Delete("").status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(server.seen().empty());
}

TEST(ClientTest, GetReturnsRawBytesAndRevision) {
  const std::string value("\0\xfe\r\n", 4);
  TestServer server([&](const SeenRequest&) { return Value(value, "\"123\""); });
  auto client = MakeClient({server.address()});
  const auto result = client->Get("k", ReadConsistency::kStale);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->value, value);
  EXPECT_EQ(result->revision, 123u);
  EXPECT_EQ(server.seen().at(0).target, "/v1/kv/k?consistency=stale");
}

TEST(ClientTest, OnlyOurOwn404MeansNoSuchKey) {
  TestServer ours([](const SeenRequest&) {
    return ScriptedAnswer{404, Problem("not_found", false)};
  });
  TestServer stranger([](const SeenRequest&) {
    return ScriptedAnswer{404, "<html>not here</html>", "text/html"};
  });
  EXPECT_EQ(MakeClient({ours.address()})->Get("k").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(MakeClient({stranger.address()})->Get("k").status().code(), StatusCode::kUnknown);
}

TEST(ClientTest, AStrangers200IsNotAValue) {
  TestServer stranger([](const SeenRequest&) {
    return ScriptedAnswer{200, "<html>welcome</html>", "text/html"};
  });
  auto client = MakeClient({stranger.address()});
  EXPECT_EQ(client->Get("k").status().code(), StatusCode::kUnknown);
  EXPECT_EQ(client->Put("k", "v").status().code(), StatusCode::kUnknown);
  EXPECT_EQ(client->Delete("k").status().code(), StatusCode::kUnknown);
  EXPECT_EQ(client->Cluster().status().code(), StatusCode::kUnknown);
}

TEST(ClientTest, MalformedJsonIsAnErrorNotACrash) {
  for (const char* body : {"", "{", "[]", "null", R"({"revision":-1})", R"({"revision":"7"})",
                           R"({"revision":1e30})", R"({"revision":7,"version":"x"})"}) {
    TestServer server([&](const SeenRequest&) { return ScriptedAnswer{200, body}; });
    auto client = MakeClient({server.address()});
    EXPECT_EQ(client->Delete("k").status().code(), StatusCode::kUnknown) << body;
    EXPECT_EQ(client->Cluster().status().code(), StatusCode::kUnknown) << body;
  }
}

TEST(ClientTest, ARefusedConnectionMovesOnEvenForAWrite) {
  DeadAddress dead;
  TestServer server([](const SeenRequest&) { return ScriptedAnswer{201, kPutAnswer}; });
  auto client = MakeClient({dead.address(), server.address()});
  EXPECT_TRUE(client->Put("k", "v").ok());
  EXPECT_EQ(server.seen().size(), 1u);
}

TEST(ClientTest, NobodyThereIsUnavailableAtTheDeadline) {
  DeadAddress dead;
  auto client = MakeClient({dead.address()}, milliseconds(200));
  const auto begin = std::chrono::steady_clock::now();
  const auto status = client->Put("k", "v").status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
  // It gives up a fifth of the time early: a write that began then might not be answered.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(160));
}

TEST(ClientTest, A503IsRepeatedUntilItWorks) {
  int calls = 0;
  TestServer server([&](const SeenRequest&) {
    return ++calls < 4 ? ScriptedAnswer{503, Problem("no_leader", false)}
                       : ScriptedAnswer{201, kPutAnswer};
  });
  auto client = MakeClient({server.address()});
  EXPECT_TRUE(client->Put("k", "v").ok());
  EXPECT_EQ(server.seen().size(), 4u);
}

TEST(ClientTest, AWriteIsNotBegunAgainWithoutTimeForItsAnswer) {
  TestServer server([](const SeenRequest&) {
    std::promise<void> never;
    never.get_future().wait_for(milliseconds(4'100));
    return ScriptedAnswer{503, Problem("no_leader", false)};
  });
  auto client = MakeClient({server.address()}, milliseconds(5'000));
  EXPECT_EQ(client->Put("k", "v").status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(server.seen().size(), 1u);
}

TEST(ClientTest, AWriteThatMayBeAppliedIsNeverRepeated) {
  for (const int status : {500, 502, 503, 504}) {
    TestServer server([&](const SeenRequest&) {
      return ScriptedAnswer{status, Problem("timeout", true)};
    });
    auto client = MakeClient({server.address()});
    EXPECT_EQ(client->Put("k", "v").status().code(), StatusCode::kDeadlineExceeded) << status;
    EXPECT_EQ(client->Delete("k").status().code(), StatusCode::kDeadlineExceeded) << status;
    EXPECT_EQ(server.seen().size(), 2u) << status;
  }
}

TEST(ClientTest, AGatewayErrorWithoutAWordIsAnUnknownOutcome) {
  for (const int status : {500, 502, 504}) {
    TestServer server([&](const SeenRequest&) {
      return ScriptedAnswer{status, "<html>bad gateway</html>", "text/html"};
    });
    auto client = MakeClient({server.address()});
    EXPECT_EQ(client->Put("k", "v").status().code(), StatusCode::kDeadlineExceeded) << status;
    EXPECT_EQ(server.seen().size(), 1u) << status;
  }
}

TEST(ClientTest, AHungUpWriteIsAnUnknownOutcomeAndAReadMovesOn) {
  SilentServer hangs_up(/*hang_up=*/true);
  TestServer server([](const SeenRequest&) { return Value("v"); });
  auto writer = MakeClient({hangs_up.address(), server.address()});
  EXPECT_EQ(writer->Put("k", "v").status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(server.seen().empty());
  EXPECT_EQ(hangs_up.connections(), 1);
  auto reader = MakeClient({hangs_up.address(), server.address()});
  EXPECT_TRUE(reader->Get("k").ok());
}

TEST(ClientTest, ASilentServerCostsAReadOneAttemptAndAWriteItsDeadline) {
  SilentServer silent(/*hang_up=*/false);
  TestServer server([](const SeenRequest&) { return Value("v"); });
  auto reader = MakeClient({silent.address(), server.address()}, milliseconds(20'000),
                           /*attempt=*/milliseconds(100));
  EXPECT_TRUE(reader->Get("k").ok());
  auto writer = MakeClient({silent.address(), server.address()}, milliseconds(300),
                           /*attempt=*/milliseconds(100));
  EXPECT_EQ(writer->Put("k", "v").status().code(), StatusCode::kDeadlineExceeded);
  for (const SeenRequest& request : server.seen()) EXPECT_EQ(request.method, "GET");
}

TEST(ClientTest, ReadsThatTimeOutAreUnavailable) {
  TestServer server([](const SeenRequest&) {
    return ScriptedAnswer{504, Problem("timeout", false)};
  });
  auto client = MakeClient({server.address()}, milliseconds(150));
  EXPECT_EQ(client->Get("k").status().code(), StatusCode::kUnavailable);
  EXPECT_GT(server.seen().size(), 1u);
}

TEST(ClientTest, StaysWithTheServerThatAnswers) {
  int first = 0;
  TestServer sick([&](const SeenRequest&) {
    ++first;
    return ScriptedAnswer{503, Problem("no_leader", false)};
  });
  TestServer well([](const SeenRequest&) { return Value("v"); });
  auto client = MakeClient({sick.address(), well.address()});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(client->Get("k").ok());
  EXPECT_EQ(first, 1);
}

TEST(ClientTest, KeepsItsConnection) {
  TestServer server([](const SeenRequest& request) {
    return request.method == "PUT" ? ScriptedAnswer{201, kPutAnswer} : Value("v");
  });
  auto client = MakeClient({server.address()});
  EXPECT_TRUE(client->Put("k", "v").ok());
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(client->Get("k").ok());
    EXPECT_TRUE(client->Put("k", "v").ok());
  }
  for (const SeenRequest& request : server.seen()) {
    EXPECT_EQ(request.client_port, server.seen().front().client_port);
  }
}

TEST(ClientTest, FollowsARedirectWithBodyAndMethod) {
  TestServer leader([](const SeenRequest&) { return ScriptedAnswer{201, kPutAnswer}; });
  TestServer follower([&](const SeenRequest& request) {
    return ScriptedAnswer{307, "", "text/plain", {{"Location", leader.address() + request.target}}};
  });
  auto client = MakeClient({follower.address()});
  EXPECT_TRUE(client->Put("a/b", "v").ok());
  ASSERT_EQ(leader.seen().size(), 1u);
  EXPECT_EQ(leader.seen()[0].method, "PUT");
  EXPECT_EQ(leader.seen()[0].target, "/v1/kv/a%2Fb");
  EXPECT_EQ(leader.seen()[0].body, "v");
}

TEST(ClientTest, ARedirectLoopEnds) {
  std::string self;
  TestServer server([&](const SeenRequest& request) {
    return ScriptedAnswer{307, "", "text/plain", {{"Location", self + request.target}}};
  });
  self = server.address();
  auto client = MakeClient({self}, milliseconds(200));
  const auto status = client->Get("k").status();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("redirect"));
}

TEST(ClientTest, ARedirectOutOfHttpIsRefused) {
  TestServer server([](const SeenRequest&) {
    return ScriptedAnswer{307, "", "text/plain", {{"Location", "file:///etc/passwd"}}};
  });
  EXPECT_FALSE(MakeClient({server.address()})->Get("k").ok());
}

TEST(ClientTest, ReadsTheClusterAndToleratesWhatIsMissing) {
  TestServer server([](const SeenRequest&) {
    return ScriptedAnswer{200, R"({"id":2,"leader":1,"members":[
      {"id":1,"http_address":"127.0.0.1:8001","peer_address":"127.0.0.1:9001","role":"leader",
       "term":3,"applied":9,"lag":0,"health":"healthy","version":"0.1.0"},
      {"id":2,"role":7,"term":"x","new_field":{}}]})"};
  });
  const auto cluster = MakeClient({server.address()})->Cluster();
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  EXPECT_EQ(cluster->answered_by, 2u);
  EXPECT_EQ(cluster->leader, 1u);
  ASSERT_EQ(cluster->members.size(), 2u);
  EXPECT_EQ(cluster->members[0].term, 3u);
  EXPECT_EQ(cluster->members[0].role, "leader");
  EXPECT_EQ(cluster->members[1].term, std::nullopt);
  EXPECT_EQ(cluster->members[1].role, "");
}

TEST(ClientTest, ReadyAsksOnceAndSaysWhy) {
  TestServer server([](const SeenRequest&) {
    return ScriptedAnswer{503, Problem("not_ready", false)};
  });
  const auto status = MakeClient({server.address()})->Ready();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(server.seen().size(), 1u);
}

TEST(ClientTest, ServerErrorsKeepTheirMeaning) {
  const std::pair<int, StatusCode> expected[] = {
      {400, StatusCode::kInvalidArgument},    {401, StatusCode::kUnauthenticated},
      {403, StatusCode::kPermissionDenied},   {409, StatusCode::kAborted},
      {412, StatusCode::kFailedPrecondition}, {413, StatusCode::kResourceExhausted},
      {414, StatusCode::kResourceExhausted},  {507, StatusCode::kResourceExhausted},
  };
  for (const auto& [http, code] : expected) {
    TestServer server([status = http](const SeenRequest&) {
      return ScriptedAnswer{status, Problem("x", false)};
    });
    const auto status = MakeClient({server.address()})->Put("k", "v").status();
    EXPECT_EQ(status.code(), code) << http;
    EXPECT_THAT(std::string(status.message()), HasSubstr("as told")) << http;
    EXPECT_EQ(server.seen().size(), 1u) << http;
  }
}

std::unique_ptr<Client> MakeSafeClient(std::vector<std::string> endpoints,
                                       milliseconds timeout = milliseconds(5000)) {
  auto client = Client::Create({.endpoints = std::move(endpoints),
                                .timeout = timeout,
                                .attempt_timeout = milliseconds(1000),
                                .safe_retries = true});
  EXPECT_TRUE(client.ok()) << client.status();
  return std::move(client).value();
}

TEST(ClientTest, ASafeWriteIsRepeatedUnderItsKey) {
  SilentServer hangs_up(/*hang_up=*/true);
  int calls = 0;
  TestServer server([&](const SeenRequest&) {
    return ++calls < 3 ? ScriptedAnswer{504, Problem("timeout", true)}
                       : ScriptedAnswer{201, kPutAnswer};
  });
  auto client = MakeSafeClient({hangs_up.address(), server.address()});
  EXPECT_TRUE(client->Put("k", "v").ok());
  EXPECT_TRUE(client->Put("k", "w").ok());
  const std::vector<SeenRequest> seen = server.seen();
  ASSERT_GE(seen.size(), 4u);
  EXPECT_THAT(seen[0].idempotency_key, testing::EndsWith(":1"));
  EXPECT_EQ(seen[1].idempotency_key, seen[0].idempotency_key);
  EXPECT_EQ(seen[2].idempotency_key, seen[0].idempotency_key);
  EXPECT_THAT(seen[3].idempotency_key, testing::EndsWith(":2"));
  const auto other = MakeSafeClient({server.address()});
  EXPECT_TRUE(other->Put("k", "x").ok());
  EXPECT_NE(server.seen().back().idempotency_key, seen[0].idempotency_key);
}

TEST(ClientTest, ASafeWriteThatWasLostOnceStaysUnknownUntilItIsAnswered) {
  int calls = 0;
  TestServer server([&](const SeenRequest&) {
    return ++calls == 1 ? ScriptedAnswer{504, Problem("timeout", true)}
                        : ScriptedAnswer{503, Problem("no_leader", false)};
  });
  auto client = MakeSafeClient({server.address()}, milliseconds(200));
  EXPECT_EQ(client->Put("k", "v").status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_GT(calls, 2);
  // This one was certainly not applied.
  EXPECT_EQ(client->Put("k", "v").status().code(), StatusCode::kUnavailable);
}

TEST(ClientTest, ASafeWriteWhoseAnswerIsForgottenIsUnknown) {
  int calls = 0;
  TestServer server([&](const SeenRequest&) {
    return ++calls == 1 ? ScriptedAnswer{504, Problem("timeout", true)}
                        : ScriptedAnswer{409, Problem("conflict", false)};
  });
  EXPECT_EQ(MakeSafeClient({server.address()})->Put("k", "v").status().code(),
            StatusCode::kDeadlineExceeded);
}

TEST(ClientTest, ChangesOfTheClusterCarryNoKeyAndAreNotRepeated) {
  TestServer server([](const SeenRequest&) {
    return ScriptedAnswer{504, Problem("timeout", true)};
  });
  EXPECT_EQ(MakeSafeClient({server.address()})->RemoveMember(3).status().code(),
            StatusCode::kDeadlineExceeded);
  ASSERT_EQ(server.seen().size(), 1u);
  EXPECT_EQ(server.seen()[0].idempotency_key, "");
}

TEST(ClientTest, OverloadedUntilTheDeadlineIsSaidSo) {
  TestServer server([](const SeenRequest&) {
    return ScriptedAnswer{429, Problem("overloaded", false)};
  });
  auto client = MakeClient({server.address()}, milliseconds(150));
  EXPECT_EQ(client->Put("k", "v").status().code(), StatusCode::kResourceExhausted);
  EXPECT_GT(server.seen().size(), 1u);
}

TEST(ClientTest, WhatHistoryHasLostComesWithWhereItBegins) {
  TestServer server([](const SeenRequest&) {
    return ScriptedAnswer{410,
                          Problem("compacted", false),
                          "application/problem+json",
                          {{"X-Sisyphus-Compact-Revision", "12"}}};
  });
  const auto status = MakeClient({server.address()})->Get("k", {.revision = 5}).status();
  EXPECT_EQ(status.code(), StatusCode::kOutOfRange);
  EXPECT_EQ(CompactRevisionOf(status), 12u);
  EXPECT_EQ(CompactRevisionOf(absl::OkStatus()), std::nullopt);
  EXPECT_EQ(server.seen().at(0).target, "/v1/kv/k?revision=5");
}

TEST(ClientTest, ShowsRequestsInPlaceOfSendingThem) {
  DeadAddress dead;
  std::vector<ClientRequest> shown;
  auto client = Client::Create(
      {.endpoints = {dead.address()},
       .instead_of_sending = [&](const ClientRequest& request) { shown.push_back(request); }});
  ASSERT_TRUE(client.ok());
  EXPECT_EQ((*client)->Put("a b", "v", {.ttl = milliseconds(90'000)}).status().code(),
            StatusCode::kCancelled);
  EXPECT_EQ(
      (*client)->Watch(KeyRange::Prefix("x"), {}, [](const WatchEvent&) { return true; }).code(),
      StatusCode::kCancelled);
  ASSERT_EQ(shown.size(), 2u);
  EXPECT_EQ(shown[0].method, "PUT");
  EXPECT_EQ(shown[0].url, dead.address() + "/v1/kv/a%20b?ttl=90s");
  EXPECT_EQ(shown[0].body, "v");
  EXPECT_EQ(shown[1].url, dead.address() + "/v1/watch?start=x&end=y");
  EXPECT_TRUE(shown[1].endless);
}

TEST(ClientTest, ReadyChecksAreReadAlsoWhenOneFails) {
  TestServer server([](const SeenRequest&) {
    return ScriptedAnswer{
        503,
        R"({"code":"not_ready","message":"member: ok (a voter)\nleader: failed (none (yet))\n"})"};
  });
  const auto checks = MakeClient({server.address()})->ReadyChecks();
  ASSERT_TRUE(checks.ok()) << checks.status();
  ASSERT_EQ(checks->size(), 2u);
  EXPECT_EQ((*checks)[0].name, "member");
  EXPECT_TRUE((*checks)[0].ok);
  EXPECT_FALSE((*checks)[1].ok);
  EXPECT_EQ((*checks)[1].detail, "none (yet)");
}

TEST(ClientTest, ABrokenConnectionRaisesNoSignal) {
  ASSERT_NE(signal(SIGPIPE, SIG_DFL), SIG_ERR);
  SilentServer hangs_up(/*hang_up=*/true);
  auto client = MakeClient({hangs_up.address()}, milliseconds(2000));
  const std::string large(8 << 20, 'x');  // More than the socket's buffers: the write must fail.
  const auto status = client->Put("k", large).status();
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded) << status;
}

}  // namespace
}  // namespace sisyphus::client
