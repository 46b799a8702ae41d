// SimNetwork: the peers' connections in a simulation, with the faults that a seed draws.
//
// Every (from, to) pair has a connection of its own. It is made when `from` has `to` among its
// peers and both live, and lasts until that changes or the link is cut for longer than its peer
// would wait; then it is made anew as soon as it can be. Batches are delayed, and dropped, repeated
// or overtaken as the faults say. That is harder than the transport's contract where the core is
// concerned, which must live without order and may be told things twice; requests that are
// forwarded are never repeated, as the contract says.
//
// A message is a C++ value and is delivered as one; payloads are shared. Everything is decided by
// the seed and the order of calls.
#ifndef SISYPHUS_TESTS_SUPPORT_SIM_NETWORK_H_
#define SISYPHUS_TESTS_SUPPORT_SIM_NETWORK_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"
#include "base/types.h"
#include "node/transport.h"
#include "tests/support/sim_executor.h"

namespace sisyphus::testing {

struct NetworkFaults {
  Duration min_delay = std::chrono::microseconds(50);
  Duration max_delay = std::chrono::microseconds(500);
  // In 1000 batches:
  uint32_t drop = 0;
  uint32_t duplicate = 0;
  uint32_t reorder = 0;  // Delayed beyond those that were sent later.
  uint32_t slow = 0;     // Takes up to max_slow.
  Duration max_slow = std::chrono::milliseconds(50);
};

class SimNetwork {
 public:
  SimNetwork(SimExecutor* executor, uint64_t seed);
  ~SimNetwork();

  // The transport of `process`, which is node `id` until the transport stops or the process dies.
  std::unique_ptr<node::Transport> CreateTransport(NodeId id, SimProcess* process);

  void SetFaults(const NetworkFaults& faults) { faults_ = faults; }

  // Between any two of these the network is sound from now on, whatever the faults; cuts hold.
  void SetSound(std::set<NodeId> nodes) { sound_ = std::move(nodes); }

  // One direction. Cutting drops what is under way. The receiver notices after `notice` that
  // nothing comes any more, and the sender that nothing arrives.
  void Cut(NodeId from, NodeId to);
  void Heal(NodeId from, NodeId to);
  void HealAll();

  // `id`'s process died: its connections break, as its kernel would tell their peers.
  void Disconnect(NodeId id);
  // The same without a word: the machine lost its power.
  void Vanish(NodeId id);

  // Sees every message handed to Send by a living process, before any fault.
  using Tap = std::function<void(NodeId from, NodeId to, const node::PeerMessage& message)>;
  void SetTap(Tap tap) { tap_ = std::move(tap); }

  uint64_t delivered() const { return delivered_; }

 private:
  class Port;
  static constexpr uint64_t kMaxNodes = 64;  // Ids are below.
  struct LinkState {
    bool cut = false;
    bool connected = false;      // As `from` sees it.
    bool failed = false;         // OnSendFailed has been said.
    uint64_t epoch = 0;          // Grows with each break: what was under way is lost.
    MonotonicTime busy_until{};  // In order up to here.
  };

  void Send(NodeId from, NodeId to, std::vector<node::PeerMessage> messages);
  void Deliver(NodeId from, NodeId to, uint64_t epoch, std::vector<node::PeerMessage> messages);
  void Connect(NodeId from, NodeId to);
  void Hangup(NodeId from, NodeId to);
  void NoticeEnd(NodeId from, NodeId to, Duration notice);
  void Break(NodeId id, Duration notice);
  void FailSend(NodeId from, NodeId to);
  Port* Living(NodeId id) const;
  const NetworkFaults& FaultsBetween(NodeId from, NodeId to) const;
  LinkState& Between(NodeId from, NodeId to);
  void Leave(Port* port);

  SimExecutor* const executor_;
  Rng rng_;
  NetworkFaults faults_;
  Tap tap_;
  std::set<NodeId> sound_;
  std::map<NodeId, Port*> ports_;
  std::vector<LinkState> links_{kMaxNodes * kMaxNodes};
  uint64_t delivered_ = 0;
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SUPPORT_SIM_NETWORK_H_
