#include "tests/support/sim_network.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace sisyphus::testing {
namespace {

// How long a peer takes to notice that a connection is gone without a word.
constexpr Duration kNotice = std::chrono::milliseconds(300);

// Only the core's own messages: the transport promises at most once, and the core needs no promise.
bool MayRepeat(const std::vector<node::PeerMessage>& messages) {
  return std::all_of(messages.begin(), messages.end(), [](const node::PeerMessage& message) {
    return std::holds_alternative<raft::Message>(message);
  });
}

}  // namespace

class SimNetwork::Port final : public node::Transport {
 public:
  Port(SimNetwork* network, NodeId id, SimProcess* process)
      : network_(network), id_(id), process_(process) {}
  ~Port() override { Stop(); }

  Status Start(node::TransportHandler* handler) override {
    handler_ = handler;
    SIS_CHECK(network_->Living(id_) == nullptr, "two living processes with one id");
    network_->ports_[id_] = this;
    network_->Connect(id_);
    return OkStatus();
  }

  void SetPeers(std::vector<raft::Membership::Address> peers) override {
    peers_.clear();
    for (const raft::Membership::Address& peer : peers) peers_.push_back(peer.id);
  }

  void Send(NodeId to, std::vector<node::PeerMessage> messages) override {
    if (handler_ != nullptr && process_->alive()) network_->Send(id_, to, std::move(messages));
  }

  void Stop() override {
    if (handler_ == nullptr) return;
    handler_ = nullptr;
    network_->Leave(this);
  }

  bool living() const { return handler_ != nullptr && process_->alive(); }
  node::TransportHandler* handler() const { return handler_; }
  NodeId id() const { return id_; }

 private:
  SimNetwork* const network_;
  const NodeId id_;
  SimProcess* const process_;
  node::TransportHandler* handler_ = nullptr;
  std::vector<NodeId> peers_;
};

SimNetwork::SimNetwork(SimExecutor* executor, uint64_t seed) : executor_(executor), rng_(seed) {}

SimNetwork::~SimNetwork() {
  SIS_CHECK(ports_.empty(), "the network is destroyed before its transports");
}

std::unique_ptr<node::Transport> SimNetwork::CreateTransport(NodeId id, SimProcess* process) {
  return std::make_unique<Port>(this, id, process);
}

SimNetwork::Port* SimNetwork::Living(NodeId id) const {
  const auto found = ports_.find(id);
  return found != ports_.end() && found->second->living() ? found->second : nullptr;
}

void SimNetwork::Leave(Port* port) {
  const auto found = ports_.find(port->id());
  if (found == ports_.end() || found->second != port) return;
  ports_.erase(found);
  Disconnect(port->id());
}

// What each side says of itself, once a connection stands.
void SimNetwork::Introduce(NodeId from, NodeId to) {
  const uint64_t epoch = links_[{from, to}].epoch;
  executor_->After(faults_.max_delay, [this, from, to, epoch] {
    const LinkState& link = links_[{from, to}];
    Port* receiver = Living(to);
    if (link.cut || link.epoch != epoch || receiver == nullptr || Living(from) == nullptr) return;
    receiver->handler()->OnPeerConnected(
        {from, "node" + std::to_string(from.value()) + ":8080", "sim"});
  });
}

void SimNetwork::Connect(NodeId id) {
  for (const auto& [peer, port] : ports_) {
    if (peer == id) continue;
    Introduce(id, peer);
    Introduce(peer, id);
  }
}

// Tells `from`, once until something gets through again, that `to` does not get its messages.
void SimNetwork::FailSend(NodeId from, NodeId to) {
  LinkState& link = links_[{from, to}];
  if (std::exchange(link.failed, true)) return;
  executor_->After(faults_.min_delay, [this, from, to] {
    if (Port* sender = Living(from)) sender->handler()->OnSendFailed(to);
  });
}

void SimNetwork::Send(NodeId from, NodeId to, std::vector<node::PeerMessage> messages) {
  if (executor_->current() != nullptr && !executor_->current()->alive()) return;
  if (tap_) {
    for (const node::PeerMessage& message : messages) tap_(from, to, message);
  }
  LinkState& link = links_[{from, to}];
  if (Living(to) == nullptr) return FailSend(from, to);
  if (link.cut || rng_.Chance(faults_.drop, 1000)) return;
  const auto draw = [this](Duration low, Duration high) {
    return Duration(static_cast<int64_t>(rng_.Between(
        static_cast<uint64_t>(low.count()), static_cast<uint64_t>(std::max(low, high).count()))));
  };
  Duration delay = draw(faults_.min_delay, faults_.max_delay);
  if (rng_.Chance(faults_.slow, 1000)) delay = draw(delay, faults_.max_slow);
  const bool overtaken = rng_.Chance(faults_.reorder, 1000);
  const MonotonicTime now = executor_->now();
  if (overtaken) {
    delay += draw(faults_.max_delay, 8 * faults_.max_delay);
  } else {
    delay = std::max(delay, link.busy_until - now);
    link.busy_until = now + delay;
  }
  if (rng_.Chance(faults_.duplicate, 1000) && MayRepeat(messages)) {
    const Duration later = delay + draw(Duration(0), 8 * faults_.max_delay);
    executor_->After(later, [this, from, to, epoch = link.epoch, copy = messages]() mutable {
      Deliver(from, to, epoch, std::move(copy));
    });
  }
  executor_->After(delay,
                   [this, from, to, epoch = link.epoch, batch = std::move(messages)]() mutable {
                     Deliver(from, to, epoch, std::move(batch));
                   });
}

void SimNetwork::Deliver(NodeId from, NodeId to, uint64_t epoch,
                         std::vector<node::PeerMessage> messages) {
  LinkState& link = links_[{from, to}];
  Port* receiver = Living(to);
  if (link.cut || link.epoch != epoch || receiver == nullptr) return;
  link.failed = false;
  ++delivered_;
  receiver->handler()->OnMessages(from, std::move(messages));
}

void SimNetwork::Cut(NodeId from, NodeId to) {
  LinkState& link = links_[{from, to}];
  if (link.cut) return;
  link.cut = true;
  const uint64_t epoch = ++link.epoch;
  link.busy_until = {};
  executor_->After(kNotice, [this, from, to, epoch] {
    const LinkState& later = links_[{from, to}];
    if (!later.cut || later.epoch != epoch) return;
    if (Port* receiver = Living(to)) receiver->handler()->OnPeerDisconnected(from);
    FailSend(from, to);
  });
}

void SimNetwork::Heal(NodeId from, NodeId to) {
  LinkState& link = links_[{from, to}];
  if (!std::exchange(link.cut, false)) return;
  link.failed = false;
  Introduce(from, to);
}

void SimNetwork::HealAll() {
  for (const auto& [ends, link] : links_) {
    if (link.cut) Heal(ends.first, ends.second);
  }
}

// What the dead one had sent may still arrive; what was sent to it does not.
void SimNetwork::Break(NodeId id, Duration notice) {
  for (auto& [ends, link] : links_) {
    if (ends.second == id) {
      ++link.epoch;
      link.busy_until = {};
    } else if (ends.first == id) {
      executor_->After(notice, [this, from = id, to = ends.second] {
        if (Port* receiver = Living(to)) receiver->handler()->OnPeerDisconnected(from);
      });
    }
  }
}

void SimNetwork::Vanish(NodeId id) { Break(id, kNotice); }

void SimNetwork::Disconnect(NodeId id) { Break(id, faults_.min_delay); }

}  // namespace sisyphus::testing
