// A call that another thread ends.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "sisyphus/client.h"
#include "tests/unit/client/test_server.h"

namespace sisyphus::client {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

// Longer than any test may run: who waits for it hangs.
constexpr std::chrono::milliseconds kForever{3'600'000};

std::unique_ptr<Client> MakeClient(const std::string& endpoint) {
  auto client =
      Client::Create({.endpoints = {endpoint}, .timeout = kForever, .attempt_timeout = kForever});
  EXPECT_TRUE(client.ok()) << client.status();
  return std::move(client).value();
}

// What `call` ends with when it is cancelled while a server owes it an answer.
absl::Status Cancelled(const std::function<absl::Status(Client&)>& call) {
  SilentServer silent(/*hang_up=*/false);
  const auto client = MakeClient(silent.address());
  absl::Status status;
  std::thread caller([&] { status = call(*client); });
  while (silent.connections() == 0) std::this_thread::yield();
  client->Cancel();
  caller.join();
  EXPECT_EQ(call(*client).code(), StatusCode::kCancelled);  // Also later.
  return status;
}

TEST(CancelTest, EndsAReadAndAStream) {
  EXPECT_EQ(Cancelled([](Client& client) { return client.Get("k").status(); }),
            absl::CancelledError("cancelled"));
  EXPECT_EQ(Cancelled([](Client& client) {
              return client.Watch(KeyRange::All(), {}, [](const WatchEvent&) { return true; });
            }),
            absl::CancelledError("cancelled"));
  EXPECT_EQ(Cancelled([](Client& client) { return client.ReadyChecks().status(); }).code(),
            StatusCode::kCancelled);
}

TEST(CancelTest, TheOutcomeOfAWriteIsUnknown) {
  const absl::Status status =
      Cancelled([](Client& client) { return client.Put("k", "v").status(); });
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
  // Unless the cancellation came before anything was sent.
  if (status.message() != "cancelled") {
    EXPECT_THAT(std::string(status.message()), HasSubstr("outcome of the write is unknown"));
  }
}

TEST(CancelTest, EndsThePauseBetweenAttempts) {
  DeadAddress dead;
  const auto client = MakeClient(dead.address());
  absl::Status status;
  std::thread caller([&] { status = client->Get("k").status(); });
  client->Cancel();
  caller.join();
  EXPECT_EQ(status.code(), StatusCode::kCancelled);
}

// Wherever the call is: before its connection is made, meanwhile, or behind that.
TEST(CancelTest, EndsACallThatIsJustBeginning) {
  SilentServer silent(/*hang_up=*/false);
  for (int i = 0; i < 300; ++i) {
    const auto client = MakeClient(silent.address());
    absl::Status status;
    std::atomic<bool> begun = false;
    std::thread caller([&] {
      begun = true;
      status = client->Get("k").status();
    });
    while (!begun) std::this_thread::yield();
    for (int turn = 0; turn < i % 100; ++turn) std::this_thread::yield();
    client->Cancel();
    caller.join();
    ASSERT_EQ(status.code(), StatusCode::kCancelled);
  }
}

}  // namespace
}  // namespace sisyphus::client
