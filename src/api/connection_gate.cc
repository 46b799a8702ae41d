#include "api/connection_gate.h"

namespace sisyphus::api {
namespace {

// Told at one time that they are refused.
constexpr size_t kRefusalsAtOnce = 128;

}  // namespace

void ConnectionGate::Pass::Return() {
  ConnectionGate* const gate = std::exchange(gate_, nullptr);
  if (gate != nullptr) gate->Leave(admission_, address_);
}

uint64_t ConnectionGate::KeyOf(const boost::asio::ip::address& peer) {
  if (peer.is_v4()) return peer.to_v4().to_uint();
  const boost::asio::ip::address_v6::bytes_type bytes = peer.to_v6().to_bytes();
  const bool mapped = peer.to_v6().is_v4_mapped();
  uint64_t key = 0;
  for (size_t i = 0; i < 8; ++i) key = key << 8 | bytes[mapped ? i + 8 : i];
  // The last four bytes are the IPv4 address. No network begins with 32 zero bits but ::/64, where
  // ::1 lives, so neither kind is taken for the other.
  return mapped ? key & 0xFFFF'FFFF : key;
}

ConnectionGate::Pass ConnectionGate::Enter(const boost::asio::ip::address& peer) {
  const uint64_t key = KeyOf(peer);
  MutexLock lock(mu_);
  const bool total = stats_.open >= max_connections_;
  const auto of_peer = of_address_.find(key);
  const bool address = of_peer != of_address_.end() && of_peer->second >= max_per_address_;
  if (!total && !address) {
    ++stats_.open;
    ++stats_.accepted;
    ++of_address_[key];
    return {this, Admission::kServed, key};
  }
  ++(total ? stats_.refused_by_total : stats_.refused_by_address);
  if (being_refused_ >= kRefusalsAtOnce) return {};
  ++being_refused_;
  return {this, total ? Admission::kTooMany : Admission::kTooManyOfThisPeer, key};
}

void ConnectionGate::Leave(Admission admission, uint64_t address) {
  MutexLock lock(mu_);
  if (admission != Admission::kServed) {
    --being_refused_;
    return;
  }
  --stats_.open;
  const auto of_peer = of_address_.find(address);
  if (--of_peer->second == 0) of_address_.erase(of_peer);
}

ConnectionGate::Stats ConnectionGate::stats() const {
  MutexLock lock(mu_);
  return stats_;
}

}  // namespace sisyphus::api
