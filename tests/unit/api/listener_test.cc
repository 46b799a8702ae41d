#include "api/listener.h"

#include <gtest/gtest.h>

#include <optional>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/thread_executor.h"
#include "tests/unit/api/raw_client.h"

namespace sisyphus::api {
namespace {

// Far more than the kernel holds for both sides of a connection.
constexpr size_t kBigBytes = 24 << 20;

// Answers with what it was asked: "METHOD TARGET BODY". GET /hold waits until Release.
class EchoHandler final : public HttpHandler {
 public:
  void OnHead(Exchange& exchange) override {
    if (exchange.head().target() == "/refuse") exchange.RespondProblem(MakeProblem(404, "no"));
    if (exchange.head().target() == "/small") exchange.set_body_limit(10);
  }
  void OnRequest(Exchange& exchange) override {
    if (exchange.head().target() == "/hold") {
      Resumer resumer = exchange.Suspend();
      MutexLock lock(mu_);
      held_.push_back(std::move(resumer));
      changed_.SignalAll();
      return;
    }
    if (exchange.head().target() == "/later") {
      return exchange.Suspend().Resume([](Exchange& e) { e.Respond({.body = "later"}); });
    }
    if (exchange.head().target() == "/big") {
      return exchange.Respond({.owned_body = std::string(kBigBytes, 'b')});
    }
    if (exchange.head().target() == "/drop") {
      const Resumer dropped = exchange.Suspend();
      return;
    }
    std::string text;
    text.append(exchange.head().method()).append(" ").append(exchange.head().target());
    if (!exchange.body().empty()) text.append(" ").append(exchange.body());
    exchange.Respond({.content_type = "text/plain", .owned_body = std::move(text)});
  }
  void OnAnswered(const Exchange&, int) override {}
  void AppendCommonHeaders(const Answer&, std::string* out) override {
    out->append("X-Echo: 1\r\n");
  }
  NodeId Leader() const override { return NodeId(7); }

  // Waits until `count` requests are held, then gives them back.
  std::vector<Resumer> TakeHeld(size_t count) {
    MutexLock lock(mu_);
    while (held_.size() < count) changed_.Wait(mu_);
    return std::move(held_);
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::vector<Resumer> held_ SIS_GUARDED_BY(mu_);
};

class ListenerTest : public ::testing::Test {
 protected:
  void Start(ListenerOptions options = {}) {
    options.address = "127.0.0.1:0";
    options.clock = &RealClock();
    StatusOr<std::unique_ptr<Listener>> listener = Listener::Create(options, &handler_);
    ASSERT_TRUE(listener.ok()) << listener.status();
    listener_ = *std::move(listener);
    listener_->Run();
  }
  std::string address() const { return listener_->bound_address(); }

  EchoHandler handler_;
  std::unique_ptr<Listener> listener_;
};

TEST_F(ListenerTest, AnswersPipelinedRequestsInOrder) {
  Start();
  RawClient client(address());
  std::string all;
  for (int i = 0; i < 500; ++i) {
    all += Request("GET", i % 3 == 0 ? "/later" : "/" + std::to_string(i));
  }
  client.Send(all);
  for (int i = 0; i < 500; ++i) {
    const RawAnswer answer = client.Read();
    ASSERT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, i % 3 == 0 ? "later" : "GET /" + std::to_string(i));
    EXPECT_EQ(answer.header("X-Echo"), "1");
  }
}

TEST_F(ListenerTest, ReadsARequestCutAtEachByte) {
  Start();
  const std::string request = Request("PUT", "/x", "value") +
                              "PUT /y HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
  RawClient client(address());
  for (size_t cut = 0; cut <= request.size(); ++cut) {
    client.Send(std::string_view(request).substr(0, cut));
    client.Send(std::string_view(request).substr(cut));
    ASSERT_EQ(client.Read().body, "PUT /x value") << cut;
    ASSERT_EQ(client.Read().body, "PUT /y abcde") << cut;
  }
  for (const char byte : request) client.Send({&byte, 1});
  EXPECT_EQ(client.Read().body, "PUT /x value");
  EXPECT_EQ(client.Read().body, "PUT /y abcde");
}

TEST_F(ListenerTest, TakesAndGivesLargeBodies) {
  Start();
  RawClient client(address());
  const std::string value(3 << 20, 'v');
  client.Send(Request("PUT", "/x", value) + Request("GET", "/next"));
  EXPECT_EQ(client.Read().body, "PUT /x " + value);
  EXPECT_EQ(client.Read().body, "GET /next");
}

TEST_F(ListenerTest, ClosesWhenTheRequestSaysSo) {
  Start();
  for (const char* request :
       {"GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "GET /a HTTP/1.0\r\n\r\n"}) {
    RawClient client(address());
    client.Send(std::string(request) + Request("GET", "/never"));
    const RawAnswer answer = client.Read();
    EXPECT_EQ(answer.body, "GET /a");
    EXPECT_TRUE(answer.closes());
    EXPECT_TRUE(client.AtEnd());
  }
  RawClient client(address());
  const RawAnswer answer = client.Ask("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(answer.header("Connection"), "keep-alive");
  EXPECT_EQ(client.Ask(Request("GET", "/b")).body, "GET /b");
}

TEST_F(ListenerTest, HeadHasTheLengthButNoBody) {
  Start();
  RawClient client(address());
  client.Send(Request("HEAD", "/abc") + Request("GET", "/b"));
  EXPECT_EQ(client.Read(true).header("Content-Length"), "9");
  EXPECT_EQ(client.Read().body, "GET /b");
}

TEST_F(ListenerTest, AnswersAfterTheClientHasClosedItsSide) {
  Start();
  RawClient client(address());
  client.Send(Request("GET", "/a") + Request("GET", "/hold") + Request("GET", "/b"));
  client.CloseSending();
  EXPECT_EQ(client.Read().body, "GET /a");
  handler_.TakeHeld(1)[0].Resume([](Exchange& e) { e.Respond({.body = "held"}); });
  EXPECT_EQ(client.Read().body, "held");
  EXPECT_EQ(client.Read().body, "GET /b");
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(ListenerTest, DropsARequestThatEndsEarly) {
  Start();
  const std::string request = Request("PUT", "/x", "value");
  for (const size_t size : {size_t{1}, size_t{20}, request.size() - 1}) {
    RawClient client(address());
    client.Send(request.substr(0, size));
    client.CloseSending();
    EXPECT_TRUE(client.AtEnd());
  }
}

TEST_F(ListenerTest, ContinuesWhenAsked) {
  Start();
  RawClient client(address());
  client.Send("PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.Read().status, 100);
  EXPECT_EQ(client.Ask("abc").body, "PUT /x abc");
  // Not when the body comes along, nor when it is not wanted.
  EXPECT_EQ(client.Ask(Request("PUT", "/x", "abc", "Expect: 100-continue\r\n")).body, "PUT /x abc");
  const RawAnswer refused = client.Ask(
      "PUT /small HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
      "Content-Length: 11\r\n\r\n");
  EXPECT_EQ(refused.status, 413);
  EXPECT_TRUE(refused.closes());
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(ListenerTest, RefusesABodyThatIsTooLarge) {
  Start();
  {
    RawClient client(address());
    const RawAnswer answer = client.Ask(Request("PUT", "/small", std::string(5'000'000, 'x')));
    EXPECT_EQ(answer.status, 413);
    EXPECT_TRUE(answer.closes());
  }
  {
    RawClient client(address());
    const RawAnswer answer = client.Ask(
        "PUT /small HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "6\r\nabcdef\r\n5\r\n");
    EXPECT_EQ(answer.status, 413);
    EXPECT_TRUE(answer.closes());
  }
  RawClient client(address());
  EXPECT_EQ(client.Ask(Request("PUT", "/small", "0123456789")).status, 200);
}

TEST_F(ListenerTest, ARefusalAtTheHeadKeepsTheConnectionIfTheBodyIsThere) {
  Start();
  RawClient client(address());
  client.Send(Request("PUT", "/refuse", "body") + Request("GET", "/b"));
  const RawAnswer answer = client.Read();
  EXPECT_EQ(answer.status, 404);
  EXPECT_FALSE(answer.closes());
  EXPECT_EQ(client.Read().body, "GET /b");
  EXPECT_TRUE(client.Ask("PUT /refuse HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n").closes());
  EXPECT_TRUE(client.AtEnd());
}

TEST_F(ListenerTest, TellsWhatIsWrongAndCloses) {
  Start({.max_request_line_bytes = 1'000, .max_field_bytes = 1'000});
  struct Row {
    std::string bytes;
    int status;
    const char* code;
  };
  const Row rows[] = {
      {"nonsense\r\n\r\n", 400, "bad_request"},
      {"GET / HTTP/1.1\n", 400, "bad_request"},
      {"GET /" + std::string(1'001, 'a'), 414, "uri_too_long"},
      {"GET / HTTP/1.1\r\nA: " + std::string(1'001, 'a'), 431, "headers_too_large"},
      {"GET / HTTP/2.0\r\n\r\n", 505, "version_not_supported"},
      {"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "not_implemented"},
      {"GET / HTTP/1.1\r\nExpect: x\r\n\r\n", 417, "expectation_failed"},
  };
  for (const Row& row : rows) {
    RawClient client(address());
    const RawAnswer answer = client.Ask(row.bytes);
    EXPECT_EQ(answer.status, row.status) << row.bytes;
    EXPECT_EQ(answer.header("Content-Type"), "application/problem+json");
    EXPECT_EQ(answer.header("X-Echo"), "1");
    EXPECT_NE(answer.body.find(std::string("\"code\":\"") + row.code + "\""), std::string::npos);
    EXPECT_NE(answer.body.find("\"leader\":7"), std::string::npos);
    EXPECT_TRUE(answer.closes());
    EXPECT_TRUE(client.AtEnd());
  }
  RawClient client(address());
  EXPECT_EQ(client.Ask("GET / HTTP/1.1\r\n\r\n").status, 400) << "Host is missing";
  EXPECT_EQ(client.Ask(Request("GET", "/b")).status, 200) << "but where it ended is clear";
}

TEST_F(ListenerTest, SlowRequestsEndIn408AndIdleConnectionsJustEnd) {
  constexpr Duration kSoon = std::chrono::milliseconds(50);
  Start({.header_timeout = kSoon, .body_timeout = kSoon, .idle_timeout = kSoon});
  for (const char* start :
       {"GET / HT", "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab"}) {
    RawClient client(address());
    const RawAnswer answer = client.Ask(start);
    EXPECT_EQ(answer.status, 408) << start;
    EXPECT_TRUE(answer.closes());
    EXPECT_TRUE(client.AtEnd());
  }
  RawClient silent(address());
  RawClient served(address());
  RawClient blank(address());
  EXPECT_EQ(served.Ask(Request("GET", "/a")).status, 200);
  blank.Send("\r\n");
  EXPECT_TRUE(silent.AtEnd());
  EXPECT_TRUE(served.AtEnd());
  EXPECT_TRUE(blank.AtEnd());
}

// Progress, however slow, does not move a deadline: not of the head, nor of a body, nor between two
// requests. Others are served meanwhile.
TEST_F(ListenerTest, ADripOfBytesGainsNoTime) {
  constexpr Duration kSoon = std::chrono::milliseconds(200);
  Start({.header_timeout = kSoon, .body_timeout = kSoon, .idle_timeout = kSoon});
  constexpr int kBytes = 5'000;
  struct Row {
    std::string start;
    std::string drip;
    int status;  // 0: the connection just ends.
  };
  const Row rows[] = {
      {"GET / HTTP/1.1\r\nHost: h\r\nA: ", "a", 408},
      {"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10000\r\n\r\n", "a", 408},
      {"PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", 408},
      {"", "\r\n", 0},
  };
  RawClient other(address());
  for (const Row& row : rows) {
    RawClient slow(address());
    slow.Send(row.start);
    int sent = 0;
    while (sent < kBytes && !slow.Readable(std::chrono::milliseconds(2))) {
      slow.Send(row.drip);
      ++sent;
      ASSERT_TRUE(sent % 16 != 0 || other.Ask(Request("GET", "/a")).status == 200);
    }
    EXPECT_GT(sent, 0) << row.start;
    EXPECT_LT(sent, kBytes) << row.start;
    EXPECT_EQ(slow.Read().status, row.status) << row.start;
    EXPECT_TRUE(row.status == 0 || slow.AtEnd()) << row.start;
  }
}

TEST_F(ListenerTest, AWaitingRequestIsNotIdle) {
  Start({.idle_timeout = std::chrono::milliseconds(40)});
  RawClient client(address());
  RawClient idle(address());
  client.Send(Request("GET", "/hold"));
  std::vector<Resumer> held = handler_.TakeHeld(1);
  EXPECT_TRUE(idle.AtEnd()) << "the timeout has passed";
  held[0].Resume([](Exchange& e) { e.Respond({.body = "held"}); });
  EXPECT_EQ(client.Read().body, "held");
}

TEST_F(ListenerTest, AClientThatDoesNotReadIsLetGo) {
  Start({.body_timeout = std::chrono::milliseconds(50)});
  RawClient client(address());
  const std::string request = Request("PUT", "/x", std::string(8 << 20, 'x'));
  client.Send(request);
  // Far more than the kernel holds for both sides; then the server is gone.
  while (client.Send(Request("PUT", "/x", std::string(1 << 20, 'x')))) {
  }
  RawClient other(address());
  EXPECT_EQ(other.Ask(Request("GET", "/b")).status, 200);
}

TEST_F(ListenerTest, RefusesConnectionsBeyondTheLimit) {
  Start({.max_connections = 2});
  RawClient first(address());
  RawClient second(address());
  EXPECT_EQ(first.Ask(Request("GET", "/a")).status, 200);
  EXPECT_EQ(second.Ask(Request("GET", "/a")).status, 200);
  {
    RawClient third(address());
    const RawAnswer answer = third.Read();
    EXPECT_EQ(answer.status, 429);
    EXPECT_EQ(answer.header("Retry-After"), "1");
    EXPECT_TRUE(third.AtEnd());
  }
  EXPECT_EQ(listener_->stats().refused_overload, 1u);
  EXPECT_EQ(listener_->stats().refused_by_total, 1u);
  EXPECT_EQ(first.Ask(Request("GET", "/a")).status, 200);
}

TEST_F(ListenerTest, RefusesConnectionsOfOneAddressBeyondItsLimit) {
  Start({.max_connections = 4, .max_connections_per_address = 2});
  auto first = std::make_unique<RawClient>(address());
  RawClient second(address());
  EXPECT_EQ(first->Ask(Request("GET", "/a")).status, 200);
  EXPECT_EQ(second.Ask(Request("GET", "/a")).status, 200);
  {
    RawClient third(address());
    const RawAnswer answer = third.Read();
    EXPECT_EQ(answer.status, 429);
    EXPECT_EQ(answer.header("Retry-After"), "1");
    EXPECT_NE(answer.body.find("your address"), std::string::npos) << answer.body;
    EXPECT_TRUE(third.AtEnd());
  }
  RawClient elsewhere(address(), "127.0.0.2");
  EXPECT_EQ(elsewhere.Ask(Request("GET", "/a")).status, 200);
  first->CloseSending();
  EXPECT_TRUE(first->AtEnd());
  EXPECT_EQ(RawClient(address()).Ask(Request("GET", "/a")).status, 200);
  EXPECT_EQ(listener_->stats().refused_by_address, 1u);
  EXPECT_EQ(listener_->stats().refused_by_total, 0u);
  EXPECT_EQ(listener_->stats().accepted_connections, 4u);
}

TEST_F(ListenerTest, RefusesBodiesBeyondTheBytesInFlight) {
  Start({.max_inflight_bytes = 100});
  RawClient holder(address());
  holder.Send("GET /hold HTTP/1.1\r\nHost: h\r\nContent-Length: 60\r\n\r\n" + std::string(60, 'x'));
  std::vector<Resumer> held = handler_.TakeHeld(1);
  RawClient client(address());
  RawAnswer answer = client.Ask(Request("PUT", "/x", std::string(41, 'x')));
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.header("Retry-After"), "1");
  EXPECT_FALSE(answer.closes()) << "its body had come";
  EXPECT_EQ(client.Ask(Request("PUT", "/x", std::string(40, 'x'))).status, 200);
  answer = client.Ask("PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n29\r\n" +
                      std::string(41, 'x'));
  EXPECT_EQ(answer.status, 429);
  EXPECT_TRUE(answer.closes());
  held[0].Resume([](Exchange& e) { e.Respond({}); });
  EXPECT_EQ(holder.Read().status, 200);
  RawClient after(address());
  EXPECT_EQ(after.Ask(Request("PUT", "/x", std::string(100, 'x'))).status, 200);
}

// Answers that nobody takes would fill the memory.
TEST_F(ListenerTest, RefusesReadsBeyondTheBytesInFlight) {
  Start({.max_inflight_bytes = kBigBytes + kBigBytes / 2});
  RawClient lazy(address());
  lazy.Send(Request("GET", "/big"));
  ASSERT_TRUE(lazy.Readable(std::chrono::seconds(30)));
  RawClient client(address());
  const RawAnswer answer = client.Ask(Request("GET", "/big"));
  EXPECT_EQ(answer.status, 429);
  EXPECT_EQ(answer.header("Retry-After"), "1");
  EXPECT_FALSE(answer.closes());
  EXPECT_EQ(client.Ask(Request("GET", "/small")).status, 200);
  client.Send(Request("HEAD", "/big"));
  EXPECT_EQ(client.Read(/*head=*/true).status, 200);
  // The outcome of a write is told all the same.
  EXPECT_EQ(client.Ask(Request("PUT", "/big")).body.size(), kBigBytes);
  EXPECT_EQ(client.Ask(Request("GET", "/big")).status, 429);
  EXPECT_EQ(lazy.Read().body.size(), kBigBytes);
  EXPECT_EQ(client.Ask(Request("GET", "/big")).body.size(), kBigBytes);
  // Also if the client goes away without taking it.
  lazy.Send(Request("GET", "/big"));
  ASSERT_TRUE(lazy.Readable(std::chrono::seconds(30)));
  EXPECT_EQ(client.Ask(Request("GET", "/big")).status, 429);
  lazy.Reset();
  while (client.Ask(Request("GET", "/big")).status == 429) {
  }
}

TEST_F(ListenerTest, AnswersForConnectionsThatAreGoneGoNowhere) {
  Start();
  for (int round = 0; round < 20; ++round) {
    {
      RawClient client(address());
      client.Send(Request("GET", "/hold"));
      for (Resumer& resumer : handler_.TakeHeld(1)) {
        if (round % 2 == 0) client.Reset();
        resumer.Resume([](Exchange& e) { e.Respond({.owned_body = std::string(100'000, 'x')}); });
      }
    }
    RawClient next(address());
    EXPECT_EQ(next.Ask(Request("GET", "/a")).body, "GET /a");
  }
}

TEST_F(ListenerTest, ADroppedRequestIsAnswered) {
  Start();
  RawClient client(address());
  EXPECT_EQ(client.Ask(Request("PUT", "/drop")).status, 500);
  EXPECT_EQ(client.Ask(Request("GET", "/a")).status, 200);
}

TEST_F(ListenerTest, DrainsAndStops) {
  Start();
  RawClient idle(address());
  EXPECT_FALSE(idle.Ask(Request("GET", "/a")).closes());
  RawClient holder(address());
  holder.Send(Request("GET", "/hold"));
  std::vector<Resumer> held = handler_.TakeHeld(1);
  EXPECT_EQ(listener_->stats().inflight_requests, 1u);
  listener_->BeginDrain();
  RawClient late(address());
  EXPECT_TRUE(late.Ask(Request("GET", "/a")).closes());
  const auto answering = ThreadExecutor().CreateActor({.name = "answer"});
  answering->Post([&] { held[0].Resume([](Exchange& e) { e.Respond({.body = "held"}); }); });
  listener_->Stop(std::chrono::seconds(30));
  EXPECT_EQ(holder.Read().body, "held");
  EXPECT_TRUE(holder.AtEnd());
  EXPECT_TRUE(idle.AtEnd());
  EXPECT_EQ(listener_->stats().open_connections, 0u);
  EXPECT_FALSE(RawClient(address()).Send("x"));
}

TEST_F(ListenerTest, StopsWithoutWaitingForEver) {
  Start();
  RawClient holder(address());
  holder.Send(Request("GET", "/hold"));
  std::vector<Resumer> held = handler_.TakeHeld(1);
  listener_->Stop(std::chrono::milliseconds(20));
  EXPECT_TRUE(holder.AtEnd());
  listener_.reset();
  held[0].Resume([](Exchange& e) { e.Respond({}); });
}

TEST_F(ListenerTest, ServesOnSeveralThreads) {
  Start({.io_threads = 3});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 30; ++i) {
    clients.push_back(std::make_unique<RawClient>(address()));
    clients.back()->Send(Request("GET", "/later") + Request("GET", "/a"));
  }
  for (const auto& client : clients) {
    EXPECT_EQ(client->Read().body, "later");
    EXPECT_EQ(client->Read().body, "GET /a");
  }
  EXPECT_EQ(listener_->stats().accepted_connections, 30u);
}

TEST(Listener, SaysWhyItCannotListen) {
  EchoHandler handler;
  for (const char* bad : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000",
                          "nowhere.invalid:80", ":80x"}) {
    EXPECT_EQ(Listener::Create({.address = bad, .clock = &RealClock()}, &handler).status().code(),
              StatusCode::kInvalidArgument)
        << bad;
  }
  const auto first = Listener::Create({.address = "127.0.0.1:0", .clock = &RealClock()}, &handler);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(
      Listener::Create({.address = (*first)->bound_address(), .clock = &RealClock()}, &handler)
          .status()
          .code(),
      StatusCode::kUnavailable);
}

}  // namespace
}  // namespace sisyphus::api
