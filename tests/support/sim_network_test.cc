#include "tests/support/sim_network.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sisyphus::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr NodeId kA{1}, kB{2};

struct Receiver final : node::TransportHandler {
  std::vector<uint64_t> ids;  // Of the read-index requests that arrived, and rounds of heartbeats.
  int connected = 0, disconnected = 0, failed = 0;

  void OnMessages(NodeId, std::vector<node::PeerMessage> messages) override {
    for (const node::PeerMessage& message : messages) {
      if (const auto* raft = std::get_if<raft::Message>(&message)) {
        ids.push_back(std::get<raft::HeartbeatRequest>(raft->body).round);
      } else {
        ids.push_back(std::get<node::ReadIndexRequest>(message).id);
      }
    }
  }
  void OnPeerConnected(const node::PeerInfo&) override { ++connected; }
  void OnPeerDisconnected(NodeId) override { ++disconnected; }
  void OnSendFailed(NodeId) override { ++failed; }
};

// Two nodes.
class SimNetworkTest : public ::testing::Test {
 protected:
  struct End {
    End(SimNetworkTest* test, NodeId id)
        : process(test->sim_.CreateProcess("n")),
          transport(test->network_.CreateTransport(id, process.get())) {
      transport->SetPeers({{id == kA ? kB : kA, "other"}});
      EXPECT_TRUE(transport->Start(&receiver).ok());
      test->sim_.RunFor(milliseconds(10));
    }
    Receiver receiver;
    std::unique_ptr<SimProcess> process;
    std::unique_ptr<node::Transport> transport;
  };

  void Send(End& from, NodeId to, uint64_t first, uint64_t last) {
    for (uint64_t id = first; id <= last; ++id) {
      from.transport->Send(to, {node::ReadIndexRequest{id}});
    }
  }

  SimExecutor sim_{{.seed = 1}};
  SimNetwork network_{&sim_, 1};
  std::optional<End> a_{std::in_place, this, kA};
  std::optional<End> b_{std::in_place, this, kB};
};

TEST_F(SimNetworkTest, AHealthyNetworkDeliversInOrder) {
  Send(*a_, kB, 1, 100);
  sim_.RunFor(seconds(1));
  ASSERT_EQ(b_->receiver.ids.size(), 100u);
  for (uint64_t i = 0; i < 100; ++i) EXPECT_EQ(b_->receiver.ids[i], i + 1);
  EXPECT_EQ(a_->receiver.connected, 2);
  EXPECT_EQ(b_->receiver.connected, 2);
}

TEST_F(SimNetworkTest, AFaultyOneLosesRepeatsAndReorders) {
  network_.SetFaults({.drop = 200, .duplicate = 200, .reorder = 200});
  for (uint64_t round = 1; round <= 1000; ++round) {
    a_->transport->Send(
        kB, {raft::Message{kA, kB, Term(1), raft::HeartbeatRequest{Index(0), round, false}}});
  }
  sim_.RunFor(seconds(1));
  std::map<uint64_t, int> times;
  int overtaken = 0;
  uint64_t highest = 0;
  for (const uint64_t id : b_->receiver.ids) {
    ++times[id];
    if (id < highest) ++overtaken;
    highest = std::max(highest, id);
  }
  EXPECT_NEAR(static_cast<double>(times.size()), 800, 60);
  EXPECT_GT(b_->receiver.ids.size(), times.size() + 100);
  EXPECT_GT(overtaken, 100);
}

TEST_F(SimNetworkTest, RequestsAreNeverRepeated) {
  network_.SetFaults({.duplicate = 1000});
  Send(*a_, kB, 1, 100);
  sim_.RunFor(seconds(1));
  EXPECT_EQ(b_->receiver.ids.size(), 100u);
}

TEST_F(SimNetworkTest, ACutIsOneWayAndIsNoticedInTheEnd) {
  network_.Cut(kA, kB);
  Send(*a_, kB, 1, 1);
  Send(*b_, kA, 2, 2);
  sim_.RunFor(seconds(1));
  EXPECT_TRUE(b_->receiver.ids.empty());
  EXPECT_EQ(a_->receiver.ids, std::vector<uint64_t>{2});
  EXPECT_EQ(b_->receiver.disconnected, 1);
  EXPECT_EQ(a_->receiver.disconnected, 0);
  EXPECT_EQ(a_->receiver.failed, 1);
  network_.HealAll();
  sim_.RunFor(milliseconds(10));
  Send(*a_, kB, 3, 3);
  sim_.RunFor(seconds(1));
  EXPECT_EQ(b_->receiver.ids, std::vector<uint64_t>{3});
}

TEST_F(SimNetworkTest, WhatIsUnderWayIsLostWhenTheReceiverDies) {
  Send(*a_, kB, 1, 5);
  b_->process->Kill();
  b_.reset();
  b_.emplace(this, kB);
  sim_.RunFor(seconds(1));
  EXPECT_TRUE(b_->receiver.ids.empty());
  EXPECT_EQ(a_->receiver.disconnected, 1);
}

TEST_F(SimNetworkTest, SendingToNobodyFailsOnceUntilSomethingGetsThrough) {
  b_.reset();
  Send(*a_, kB, 1, 5);
  sim_.RunFor(seconds(1));
  EXPECT_EQ(a_->receiver.failed, 1);
  b_.emplace(this, kB);
  Send(*a_, kB, 6, 6);
  sim_.RunFor(seconds(1));
  EXPECT_EQ(b_->receiver.ids, std::vector<uint64_t>{6});
  b_.reset();
  Send(*a_, kB, 7, 7);
  sim_.RunFor(seconds(1));
  EXPECT_EQ(a_->receiver.failed, 2);
}

TEST_F(SimNetworkTest, NoConnectionThatIsNotWanted) {
  a_->transport->SetPeers({});
  Send(*a_, kB, 1, 5);
  Send(*b_, kA, 6, 6);
  sim_.RunFor(seconds(1));
  EXPECT_EQ(a_->receiver.failed, 1);
  EXPECT_EQ(b_->receiver.disconnected, 1);
  EXPECT_EQ(a_->receiver.ids, std::vector<uint64_t>{6});
  a_->transport->SetPeers({{kB, "other"}});
  sim_.RunFor(milliseconds(10));
  Send(*a_, kB, 7, 7);
  sim_.RunFor(seconds(1));
  EXPECT_EQ(b_->receiver.ids, std::vector<uint64_t>{7});
}

TEST_F(SimNetworkTest, BetweenSoundNodesNothingIsLost) {
  network_.SetFaults({.drop = 1000});
  network_.SetSound({kA});
  Send(*a_, kB, 1, 1);
  sim_.RunFor(seconds(1));
  EXPECT_TRUE(b_->receiver.ids.empty());
  network_.SetSound({kA, kB});
  Send(*a_, kB, 2, 2);
  sim_.RunFor(seconds(1));
  EXPECT_EQ(b_->receiver.ids, std::vector<uint64_t>{2});
}

TEST_F(SimNetworkTest, ADeadProcessSendsNothing) {
  a_->process->Kill();
  Send(*a_, kB, 1, 1);
  sim_.RunFor(seconds(1));
  EXPECT_TRUE(b_->receiver.ids.empty());
}

}  // namespace
}  // namespace sisyphus::testing
