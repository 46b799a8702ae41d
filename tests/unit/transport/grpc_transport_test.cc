#include "transport/grpc_transport.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

#include "tests/unit/transport/harness.h"

namespace sisyphus::transport {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(GrpcTransportTest, BothEndsHearWhoIsThere) {
  Peer a(1);
  Peer b(2);
  Link(a, b);
  for (const node::PeerInfo& info : a.recorder.Connected()) {
    EXPECT_EQ(info.id, NodeId(2));
    EXPECT_EQ(info.http_address, "http-2");
    EXPECT_EQ(info.version, "1.2.2");
  }
  EXPECT_TRUE(a.StatsOf(2).connected);
  EXPECT_TRUE(a.StatsOf(2).accepted);
  EXPECT_EQ(a.StatsOf(2).address, b.transport->address());
}

TEST(GrpcTransportTest, DeliversInOrderAndInBatches) {
  Peer a(1);
  Peer b(2);
  Link(a, b);
  constexpr uint64_t kMessages = 20'000;
  for (uint64_t i = 1; i <= kMessages; ++i) {
    a.transport->Send(b.id, One(Append(a.id, b.id, i, 20)));
  }
  ASSERT_TRUE(b.recorder.WaitForMessages(kMessages));
  EXPECT_LT(b.recorder.Deliveries(), kMessages);  // Some waited for an earlier write.
  const auto messages = b.recorder.TakeMessages();
  ASSERT_EQ(messages.size(), kMessages);
  for (uint64_t i = 1; i <= kMessages; ++i) {
    const auto* append = RaftBody<raft::AppendRequest>(messages[i - 1]);
    ASSERT_NE(append, nullptr);
    ASSERT_EQ(append->entries[0].index, Index(i));
    ASSERT_EQ(*append->entries[0].payload, std::string(20, 'a' + i % 26));
  }
  // Written here may be said after it was read there.
  ASSERT_TRUE(a.recorder.WaitFor([&] { return true; }));
  EXPECT_EQ(a.StatsOf(2).dropped_messages, 0u);
  EXPECT_EQ(b.StatsOf(1).received_messages, kMessages);
  EXPECT_GT(b.StatsOf(1).received_bytes, 20 * kMessages);
  EXPECT_EQ(a.recorder.Count("send failed 2"), 0);
}

TEST(GrpcTransportTest, ThreeNodesTalkToEachOther) {
  Peer a(1);
  Peer b(2);
  Peer c(3);
  std::vector<Peer*> all = {&a, &b, &c};
  for (Peer* p : all) p->transport->SetPeers({a.Address(), b.Address(), c.Address()});
  for (Peer* p : all) {
    for (Peer* q : all) {
      if (p == q) continue;
      ASSERT_TRUE(p->recorder.WaitForEvent("connected " + ToString(q->id), 2));
    }
  }
  for (Peer* p : all) {
    for (Peer* q : all) {
      if (p != q) p->transport->Send(q->id, One(Heartbeat(p->id, q->id, p->id.value())));
    }
  }
  for (Peer* p : all) ASSERT_TRUE(p->recorder.WaitForMessages(2));
}

TEST(GrpcTransportTest, CarriesThreeOfTheLargestValuesAtOnce) {
  Peer a(1);
  Peer b(2);
  Link(a, b);
  constexpr size_t kSize = (16 << 20) + (64 << 10);
  for (uint64_t i = 1; i <= 3; ++i) a.transport->Send(b.id, One(Append(a.id, b.id, i, kSize)));
  a.transport->Send(b.id, One(Heartbeat(a.id, b.id, 1)));
  ASSERT_TRUE(b.recorder.WaitForMessages(4));
  uint64_t next = 1;
  for (const auto& message : b.recorder.TakeMessages()) {
    const auto* append = RaftBody<raft::AppendRequest>(message);
    if (append == nullptr) continue;
    EXPECT_EQ(append->entries[0].index, Index(next));
    EXPECT_EQ(*append->entries[0].payload, std::string(kSize, 'a' + next % 26));
    ++next;
  }
  EXPECT_EQ(next, 4u);
}

TEST(GrpcTransportTest, WhatNoFrameHoldsIsDroppedAndTheStreamLives) {
  Peer a(1);
  Peer b(2);
  Link(a, b);
  a.transport->Send(b.id, One(Append(a.id, b.id, 1, 64 << 20)));
  ASSERT_TRUE(a.recorder.WaitForEvent("send failed 2"));
  a.transport->Send(b.id, One(Append(a.id, b.id, 2, 10)));
  ASSERT_TRUE(b.recorder.WaitForMessages(1));
  EXPECT_EQ(a.StatsOf(2).connects, 1u);
  EXPECT_EQ(a.StatsOf(2).dropped_messages, 1u);
}

// A handler that does not return stops the reads; the sender's window fills, once reported, and
// what got in arrives in order without a hole before the first drop.
TEST(GrpcTransportTest, AFullWindowIsReportedOnceUntilSomethingGetsThrough) {
  GrpcTransportOptions options = TestOptions(1);
  options.bulk_window = {.bytes = 1 << 20, .messages = 1'000};
  Peer a(std::move(options));
  Peer b(2);
  Link(a, b);

  Mutex mu;
  CondVar changed;
  bool blocked = true;
  b.recorder.SetHook([&] {
    MutexLock lock(mu);
    while (blocked) changed.Wait(mu);
  });
  uint64_t sent = 0;
  while (a.StatsOf(2).dropped_messages < 100) {
    a.transport->Send(b.id, One(Append(a.id, b.id, ++sent, 200'000)));
  }
  ASSERT_TRUE(a.recorder.WaitForEvent("send failed 2"));
  EXPECT_LE(a.StatsOf(2).queued_bytes, 1u << 20);
  b.recorder.SetHook(nullptr);
  {
    MutexLock lock(mu);
    blocked = false;
    changed.SignalAll();
  }
  const uint64_t dropped = a.StatsOf(2).dropped_messages;
  ASSERT_TRUE(b.recorder.WaitForMessages(sent - dropped));
  Index last;
  for (const auto& message : b.recorder.TakeMessages()) {
    const Index index = RaftBody<raft::AppendRequest>(message)->entries[0].index;
    EXPECT_LT(last, index);
    last = index;
  }
  EXPECT_TRUE(a.StatsOf(2).connected);
}

TEST(GrpcTransportTest, SendingToNobodyFailsOnce) {
  GrpcTransportOptions options = TestOptions(1);
  options.min_backoff = options.max_backoff = seconds(100);
  Peer a(std::move(options));
  a.transport->SetPeers({{NodeId(2), "127.0.0.1:1"}});  // Nobody listens there.
  for (uint64_t i = 1; i <= 10; ++i) {
    a.transport->Send(NodeId(2), One(Heartbeat(a.id, NodeId(2), i)));
    a.transport->Send(NodeId(3), One(Heartbeat(a.id, NodeId(3), i)));  // Not a peer at all.
  }
  ASSERT_TRUE(a.recorder.WaitForEvent("send failed 2"));
  ASSERT_TRUE(a.recorder.WaitForEvent("send failed 3"));
  EXPECT_EQ(a.recorder.Events().size(), 2u);
  EXPECT_EQ(a.StatsOf(2).dropped_messages, 10u);
}

TEST(GrpcTransportTest, ReconnectsToAPeerThatRestarts) {
  Peer a(1);
  auto b = std::make_unique<Peer>(2);
  Link(a, *b);
  const std::string address = b->transport->address();
  for (int round = 1; round <= 5; ++round) {
    b.reset();
    ASSERT_TRUE(a.recorder.WaitForEvent("disconnected 2", round));
    b = std::make_unique<Peer>(TestOptions(2, address));
    b->transport->SetPeers({a.Address()});
    ASSERT_TRUE(a.recorder.WaitForEvent("connected 2", 2 + 2 * round));
    ASSERT_TRUE(b->recorder.WaitForEvent("connected 1", 2));
    a.transport->Send(b->id, One(Heartbeat(a.id, b->id, round)));
    b->transport->Send(a.id, One(Heartbeat(b->id, a.id, round)));
    ASSERT_TRUE(b->recorder.WaitForMessages(1));
    ASSERT_TRUE(a.recorder.WaitForMessages(round));
  }
  EXPECT_EQ(a.StatsOf(2).connects, 6u);
}

// The backoff is far longer than the test: only the peer's own stream can cause the second try.
TEST(GrpcTransportTest, APeerThatConnectsIsCalledBackAtOnce) {
  GrpcTransportOptions options = TestOptions(1);
  options.min_backoff = options.max_backoff = seconds(1'000);
  Mutex mu;
  CondVar failed;
  int failures = 0;
  options.on_connection_error = [&](NodeId, const Status& status) {
    EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status;
    MutexLock lock(mu);
    ++failures;
    failed.SignalAll();
  };
  Peer a(std::move(options));
  auto b = std::make_unique<Peer>(2);
  const std::string address = b->transport->address();
  b.reset();
  a.transport->SetPeers({{NodeId(2), address}});
  {
    MutexLock lock(mu);
    while (failures == 0) failed.Wait(mu);
  }
  b = std::make_unique<Peer>(TestOptions(2, address));
  b->transport->SetPeers({a.Address()});
  EXPECT_TRUE(a.recorder.WaitForEvent("connected 2", 2));
  EXPECT_TRUE(a.StatsOf(2).connected);
  a.transport->Stop();
}

TEST(GrpcTransportTest, PeersAreRemovedAddedAndMoved) {
  Peer a(1);
  Peer b(2);
  Link(a, b);
  a.transport->SetPeers({});
  ASSERT_TRUE(b.recorder.WaitForEvent("disconnected 1"));
  a.transport->Send(b.id, One(Heartbeat(a.id, b.id, 1)));
  ASSERT_TRUE(a.recorder.WaitForEvent("send failed 2"));

  // Node 3 has an address that is first wrong, then right.
  Peer c(3);
  a.transport->SetPeers({{c.id, "127.0.0.1:1"}, b.Address()});
  ASSERT_TRUE(b.recorder.WaitForEvent("connected 1", 3));
  a.transport->SetPeers({c.Address(), b.Address()});
  ASSERT_TRUE(c.recorder.WaitForEvent("connected 1"));
  EXPECT_EQ(b.recorder.Count("disconnected 1"), 1);  // Its stream was left alone.
}

TEST(GrpcTransportTest, ABusyAddressIsAClearError) {
  Peer a(1);
  const auto second = GrpcTransport::Listen(TestOptions(2, a.transport->address()));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), StatusCode::kUnavailable);
  EXPECT_EQ(MessageOf(second.status()),
            "cannot listen on " + a.transport->address() + ": Address already in use");

  for (const char* address : {"", "nonsense", ":7", "127.0.0.1:", "127.0.0.1:70000", "h:7x"}) {
    const auto bad = GrpcTransport::Listen(TestOptions(2, address));
    ASSERT_FALSE(bad.ok());
    EXPECT_EQ(bad.status().code(), StatusCode::kInvalidArgument) << bad.status();
  }
}

TEST(GrpcTransportTest, StartsOnlyOnce) {
  Peer a(1);
  Recorder other;
  EXPECT_EQ(a.transport->Start(&other).code(), StatusCode::kFailedPrecondition);
  a.transport->Stop();
  EXPECT_EQ(a.transport->Start(&other).code(), StatusCode::kFailedPrecondition);
}

// With peers that are up, down, and silent (a socket that nobody accepts from).
TEST(GrpcTransportTest, StopIsPromptAndFinal) {
  Peer a(1);
  Peer b(2);
  Link(a, b);
  a.transport->SetPeers({b.Address(), {NodeId(3), "127.0.0.1:1"}, {NodeId(4), "192.0.2.1:9"}});
  for (uint64_t i = 1; i <= 50; ++i) {
    a.transport->Send(b.id, One(Append(a.id, b.id, i, 1 << 20)));
    b.transport->Send(a.id, One(Append(b.id, a.id, i, 1 << 20)));
  }
  const MonotonicTime before = RealClock().Now();
  a.transport->Stop();
  EXPECT_LT(RealClock().Now() - before, seconds(2));  // Milliseconds, on a machine that is free.
  const size_t events = a.recorder.Events().size();
  const size_t deliveries = a.recorder.Deliveries();
  a.transport->Stop();
  a.transport->SetPeers({b.Address()});
  a.transport->Send(b.id, One(Heartbeat(a.id, b.id, 1)));
  ASSERT_TRUE(b.recorder.WaitForEvent("disconnected 1"));
  EXPECT_EQ(a.recorder.Events().size(), events);
  EXPECT_EQ(a.recorder.Deliveries(), deliveries);
  EXPECT_EQ(a.recorder.Count("disconnected 2"), 0);  // It was we who went.
}

TEST(GrpcTransportTest, StopsWhileOthersSendAndChangePeers) {
  Peer b(2);
  for (int round = 0; round < 10; ++round) {
    Peer a(1);
    a.transport->SetPeers({b.Address()});
    std::thread sender([&] {
      for (uint64_t i = 1; i <= 500; ++i) {
        a.transport->Send(b.id, One(Append(a.id, b.id, i, 1'000)));
        if (i % 100 == 0) a.transport->SetPeers({});
        if (i % 100 == 50) a.transport->SetPeers({b.Address()});
      }
    });
    a.transport->Stop();
    sender.join();
  }
}

}  // namespace
}  // namespace sisyphus::transport
