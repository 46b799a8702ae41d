// What the transport's tests share: a handler that remembers, and one node's end of the network.
#ifndef SISYPHUS_TESTS_UNIT_TRANSPORT_HARNESS_H_
#define SISYPHUS_TESTS_UNIT_TRANSPORT_HARNESS_H_

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "base/thread_executor.h"
#include "node/transport.h"
#include "transport/grpc_transport.h"

namespace sisyphus::transport {

inline raft::Payload MakePayload(std::string bytes) {
  return std::make_shared<const std::string>(std::move(bytes));
}

template <typename T>
const T* RaftBody(const node::PeerMessage& message) {
  const auto* m = std::get_if<raft::Message>(&message);
  return m == nullptr ? nullptr : std::get_if<T>(&m->body);
}

// Remembers everything that the transport said; tests wait for it.
class Recorder : public node::TransportHandler {
 public:
  struct Delivery {
    NodeId from;
    std::vector<node::PeerMessage> messages;
  };

  void OnMessages(NodeId from, std::vector<node::PeerMessage> messages) override {
    std::function<void()> hook;
    {
      MutexLock lock(mu_);
      for (const node::PeerMessage& message : messages) {
        const auto* reply = RaftBody<raft::HeartbeatReply>(message);
        if (reply != nullptr) last_round_ = reply->round;
      }
      deliveries_.push_back({from, std::move(messages)});
      hook = on_messages_;
      changed_.SignalAll();
    }
    if (hook) hook();
  }
  void OnPeerConnected(const node::PeerInfo& peer) override {
    MutexLock lock(mu_);
    connected_.push_back(peer);
    events_.push_back("connected " + ToString(peer.id));
    changed_.SignalAll();
  }
  void OnPeerDisconnected(NodeId peer) override {
    MutexLock lock(mu_);
    events_.push_back("disconnected " + ToString(peer));
    changed_.SignalAll();
  }
  void OnSendFailed(NodeId peer) override {
    MutexLock lock(mu_);
    events_.push_back("send failed " + ToString(peer));
    changed_.SignalAll();
  }

  // Runs inside every later OnMessages, after it was recorded.
  void SetHook(std::function<void()> hook) {
    MutexLock lock(mu_);
    on_messages_ = std::move(hook);
  }

  // Waits until `holds` (called with the lock held); false when it takes too long.
  bool WaitFor(const std::function<bool()>& holds, Duration patience = std::chrono::seconds(20)) {
    const MonotonicTime deadline = RealClock().Now() + patience;
    MutexLock lock(mu_);
    while (!holds()) {
      if (RealClock().Now() >= deadline) return false;
      changed_.WaitUntil(mu_, deadline);
    }
    return true;
  }
  bool WaitForEvent(const std::string& event, int times = 1) {
    return WaitFor([&] { return CountLocked(event) >= times; });
  }
  bool WaitForMessages(size_t n) {
    return WaitFor([&] {
      size_t have = 0;
      for (const Delivery& d : deliveries_) have += d.messages.size();
      return have >= n;
    });
  }
  // Waits for the HeartbeatReply of `round`.
  bool WaitForRound(raft::Round round) {
    return WaitFor([&] { return last_round_ == round; });
  }
  int Count(const std::string& event) {
    MutexLock lock(mu_);
    return CountLocked(event);
  }
  std::vector<std::string> Events() {
    MutexLock lock(mu_);
    return events_;
  }
  std::vector<node::PeerInfo> Connected() {
    MutexLock lock(mu_);
    return connected_;
  }
  size_t Deliveries() {
    MutexLock lock(mu_);
    return deliveries_.size();
  }
  // Everything delivered so far, in order.
  std::vector<node::PeerMessage> TakeMessages() {
    MutexLock lock(mu_);
    std::vector<node::PeerMessage> all;
    for (Delivery& d : deliveries_) {
      for (node::PeerMessage& m : d.messages) all.push_back(std::move(m));
    }
    deliveries_.clear();
    return all;
  }

 private:
  int CountLocked(const std::string& event) {
    int n = 0;
    for (const std::string& e : events_) n += e == event;
    return n;
  }

  Mutex mu_;
  CondVar changed_;
  std::vector<Delivery> deliveries_;
  std::vector<node::PeerInfo> connected_;
  std::vector<std::string> events_;
  raft::Round last_round_ = 0;
  std::function<void()> on_messages_;
};

inline ThreadExecutor& TestExecutor() {
  static ThreadExecutor executor;
  return executor;
}

inline GrpcTransportOptions TestOptions(uint64_t id,
                                        const std::string& listen_address = "127.0.0.1:0") {
  GrpcTransportOptions options;
  options.id = NodeId(id);
  options.cluster_id = "cluster-a";
  options.listen_address = listen_address;
  options.http_address = "http-" + std::to_string(id);
  options.version = "1.2." + std::to_string(id);
  options.executor = &TestExecutor();
  options.seed = id;
  return options;
}

// A transport that listens and has started.
struct Peer {
  explicit Peer(GrpcTransportOptions options) {
    id = options.id;
    auto made = GrpcTransport::Listen(std::move(options));
    EXPECT_TRUE(made.ok()) << made.status();
    transport = *std::move(made);
    EXPECT_TRUE(transport->Start(&recorder).ok());
  }
  explicit Peer(uint64_t node_id) : Peer(TestOptions(node_id)) {}
  ~Peer() { transport->Stop(); }

  raft::Membership::Address Address() const { return {id, transport->address()}; }
  PeerStats StatsOf(uint64_t peer) const {
    for (const PeerStats& stats : transport->Stats()) {
      if (stats.peer == NodeId(peer)) return stats;
    }
    return {};
  }

  NodeId id;
  Recorder recorder;
  std::unique_ptr<GrpcTransport> transport;
};

// Connects both, in both directions. A stream that is ready and one that was accepted are both told
// as "connected", hence two events each.
inline void Link(Peer& a, Peer& b) {
  a.transport->SetPeers({b.Address()});
  b.transport->SetPeers({a.Address()});
  ASSERT_TRUE(a.recorder.WaitForEvent("connected " + ToString(b.id), 2));
  ASSERT_TRUE(b.recorder.WaitForEvent("connected " + ToString(a.id), 2));
}

inline node::PeerMessage Heartbeat(NodeId from, NodeId to, raft::Round round) {
  return raft::Message{.from = from,
                       .to = to,
                       .term = Term(7),
                       .body = raft::HeartbeatRequest{.commit = Index(3), .round = round}};
}

// One entry at `index` whose payload has `bytes` bytes.
inline node::PeerMessage Append(NodeId from, NodeId to, uint64_t index, size_t bytes) {
  raft::AppendRequest append;
  append.previous = {Index(index - 1), Term(7)};
  append.entries.push_back({.index = Index(index),
                            .term = Term(7),
                            .type = raft::EntryType::kCommand,
                            .payload = MakePayload(std::string(bytes, 'a' + index % 26))});
  return raft::Message{.from = from, .to = to, .term = Term(7), .body = std::move(append)};
}

inline std::vector<node::PeerMessage> One(node::PeerMessage message) {
  std::vector<node::PeerMessage> messages;
  messages.push_back(std::move(message));
  return messages;
}

}  // namespace sisyphus::transport

#endif  // SISYPHUS_TESTS_UNIT_TRANSPORT_HARNESS_H_
