#include "tests/support/sim_network.h"

#include <algorithm>
#include <set>
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
    for (const NodeId peer : peers_) network_->Connect(id_, peer);
    for (const auto& [peer, port] : network_->ports_) {
      if (port->peers_.contains(id_)) network_->Connect(peer, id_);
    }
    return OkStatus();
  }

  void SetPeers(std::vector<raft::Membership::Address> peers) override {
    std::set<NodeId> wanted;
    for (const raft::Membership::Address& peer : peers) {
      if (peer.id != id_) wanted.insert(peer.id);
      if (peer.id == id_) address_ = peer.peer;
    }
    peers_.swap(wanted);
    if (handler_ == nullptr || !process_->alive()) return;
    for (const NodeId peer : wanted) {
      if (!peers_.contains(peer)) network_->Hangup(id_, peer);
    }
    for (const NodeId peer : peers_) {
      if (!wanted.contains(peer)) network_->Connect(id_, peer);
    }
  }

  void Send(NodeId to, std::vector<node::PeerMessage> messages) override {
    if (handler_ != nullptr && process_->alive()) network_->Send(id_, to, std::move(messages));
  }

  void Stop() override {
    if (handler_ == nullptr) return;
    handler_ = nullptr;
    network_->Leave(this);
  }

  bool wants(NodeId peer) const { return peers_.contains(peer); }
  bool living() const { return handler_ != nullptr && process_->alive(); }
  node::TransportHandler* handler() const { return handler_; }
  NodeId id() const { return id_; }
  const std::string& address() const { return address_; }

 private:
  SimNetwork* const network_;
  const NodeId id_;
  SimProcess* const process_;
  node::TransportHandler* handler_ = nullptr;
  std::set<NodeId> peers_;
  std::string address_;  // By its own word.
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

const NetworkFaults& SimNetwork::FaultsBetween(NodeId from, NodeId to) const {
  static const NetworkFaults kSound;
  return sound_.contains(from) && sound_.contains(to) ? kSound : faults_;
}

SimNetwork::LinkState& SimNetwork::Between(NodeId from, NodeId to) {
  SIS_CHECK(from.value() < kMaxNodes && to.value() < kMaxNodes, "an id beyond the network's size");
  return links_[from.value() * kMaxNodes + to.value()];
}

// If it can be and is wanted; both then hear what the other says of itself.
void SimNetwork::Connect(NodeId from, NodeId to) {
  const auto possible = [this, from, to] {
    const LinkState& link = Between(from, to);
    const Port* caller = Living(from);
    return !link.connected && !link.cut && caller != nullptr && caller->wants(to) &&
           Living(to) != nullptr;
  };
  if (!possible()) return;
  const uint64_t epoch = Between(from, to).epoch;
  executor_->After(FaultsBetween(from, to).max_delay, [this, from, to, epoch, possible] {
    LinkState& link = Between(from, to);
    if (!possible() || link.epoch != epoch) return;
    link.connected = true;
    link.failed = false;
    const auto info = [](const Port& port, bool inbound) {
      const std::string http = "node" + std::to_string(port.id().value()) + ":8080";
      return node::PeerInfo{port.id(), inbound ? port.address() : "", http, "sim", inbound};
    };
    Living(from)->handler()->OnPeerConnected(info(*Living(to), /*inbound=*/false));
    Living(to)->handler()->OnPeerConnected(info(*Living(from), /*inbound=*/true));
  });
}

// `from` does not want the connection any more.
void SimNetwork::Hangup(NodeId from, NodeId to) {
  LinkState& link = Between(from, to);
  if (!std::exchange(link.connected, false)) return;
  ++link.epoch;
  link.busy_until = {};
  NoticeEnd(from, to, faults_.min_delay);
}

// `to` notices after a while that nothing comes any more, unless something does.
void SimNetwork::NoticeEnd(NodeId from, NodeId to, Duration notice) {
  executor_->After(notice, [this, from, to] {
    Port* receiver = Living(to);
    if (receiver != nullptr && !Between(from, to).connected) {
      receiver->handler()->OnPeerDisconnected(from);
    }
  });
}

// Tells `from`, once until something gets through again, that `to` does not get its messages.
void SimNetwork::FailSend(NodeId from, NodeId to) {
  if (std::exchange(Between(from, to).failed, true)) return;
  executor_->After(faults_.min_delay, [this, from, to] {
    if (Port* sender = Living(from)) sender->handler()->OnSendFailed(to);
  });
}

void SimNetwork::Send(NodeId from, NodeId to, std::vector<node::PeerMessage> messages) {
  if (executor_->current() != nullptr && !executor_->current()->alive()) return;
  if (tap_) {
    for (const node::PeerMessage& message : messages) tap_(from, to, message);
  }
  LinkState& link = Between(from, to);
  if (!link.connected) return FailSend(from, to);
  const NetworkFaults& faults = FaultsBetween(from, to);
  if (link.cut || rng_.Chance(faults.drop, 1000)) return;
  const auto draw = [this](Duration low, Duration high) {
    return Duration(static_cast<int64_t>(rng_.Between(
        static_cast<uint64_t>(low.count()), static_cast<uint64_t>(std::max(low, high).count()))));
  };
  Duration delay = draw(faults.min_delay, faults.max_delay);
  if (rng_.Chance(faults.slow, 1000)) delay = draw(delay, faults.max_slow);
  const bool overtaken = rng_.Chance(faults.reorder, 1000);
  const MonotonicTime now = executor_->now();
  if (overtaken) {
    delay += draw(faults.max_delay, 8 * faults.max_delay);
  } else {
    delay = std::max(delay, link.busy_until - now);
    link.busy_until = now + delay;
  }
  if (rng_.Chance(faults.duplicate, 1000) && MayRepeat(messages)) {
    const Duration later = delay + draw(Duration(0), 8 * faults.max_delay);
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
  LinkState& link = Between(from, to);
  Port* receiver = Living(to);
  if (link.cut || link.epoch != epoch || receiver == nullptr) return;
  link.failed = false;
  ++delivered_;
  receiver->handler()->OnMessages(from, std::move(messages));
}

void SimNetwork::Cut(NodeId from, NodeId to) {
  LinkState& link = Between(from, to);
  if (link.cut) return;
  link.cut = true;
  const uint64_t epoch = ++link.epoch;
  link.busy_until = {};
  executor_->After(kNotice, [this, from, to, epoch] {
    LinkState& later = Between(from, to);
    if (!later.cut || later.epoch != epoch) return;
    if (!std::exchange(later.connected, false)) return;
    if (Port* receiver = Living(to)) receiver->handler()->OnPeerDisconnected(from);
    FailSend(from, to);
  });
}

void SimNetwork::Heal(NodeId from, NodeId to) {
  LinkState& link = Between(from, to);
  if (!std::exchange(link.cut, false)) return;
  link.failed = false;
  Connect(from, to);
}

void SimNetwork::HealAll() {
  for (uint64_t from = 0; from < kMaxNodes; ++from) {
    for (uint64_t to = 0; to < kMaxNodes; ++to) Heal(NodeId(from), NodeId(to));
  }
}

// What the dead one had sent may still arrive; what was sent to it does not.
void SimNetwork::Break(NodeId id, Duration notice) {
  for (uint64_t i = 0; i < kMaxNodes; ++i) {
    const NodeId other(i);
    LinkState& to_dead = Between(other, id);
    if (std::exchange(to_dead.connected, false)) {
      ++to_dead.epoch;
      to_dead.busy_until = {};
    }
    if (std::exchange(Between(id, other).connected, false)) NoticeEnd(id, other, notice);
  }
}

void SimNetwork::Vanish(NodeId id) { Break(id, kNotice); }

void SimNetwork::Disconnect(NodeId id) { Break(id, faults_.min_delay); }

}  // namespace sisyphus::testing
