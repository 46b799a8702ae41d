// ConnectionGate: how many clients may be connected, in all and from one address.
//
// Whoever comes in is given a pass and counts until that is gone. Of those beyond a limit a few at
// a time are let in only to be told so; the others are to be closed without a word. An IPv6 client
// has a whole network of 64 bits to itself as a rule, so that is what counts as an address.
// Thread-safe.
#ifndef SISYPHUS_API_CONNECTION_GATE_H_
#define SISYPHUS_API_CONNECTION_GATE_H_

#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "base/mutex.h"

namespace sisyphus::api {

enum class Admission : uint8_t {
  kServed,
  kTooMany,            // Is to be told that there are too many connections in all.
  kTooManyOfThisPeer,  // Is to be told that there are too many from its address.
  kDropped,            // Is not to be told anything.
};

class ConnectionGate {
 public:
  // Ends with the connection. Movable; the gate outlives it.
  class Pass {
   public:
    Pass() = default;
    Pass(ConnectionGate* gate, Admission admission, uint64_t address)
        : gate_(gate), admission_(admission), address_(address) {}
    Pass(Pass&& other) noexcept
        : gate_(std::exchange(other.gate_, nullptr)),
          admission_(other.admission_),
          address_(other.address_) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() { Return(); }

    Admission admission() const { return admission_; }
    void Return();

   private:
    ConnectionGate* gate_ = nullptr;
    Admission admission_ = Admission::kDropped;
    uint64_t address_ = 0;
  };

  struct Stats {
    uint64_t open = 0;  // Of those that are served.
    uint64_t accepted = 0;
    uint64_t refused_by_total = 0;
    uint64_t refused_by_address = 0;
  };

  ConnectionGate(size_t max_connections, size_t max_per_address)
      : max_connections_(max_connections), max_per_address_(max_per_address) {}

  Pass Enter(const boost::asio::ip::address& peer);
  Stats stats() const;

  // What of an address counts: all of an IPv4 address (also one in IPv6's clothes), or the network.
  static uint64_t KeyOf(const boost::asio::ip::address& peer);

 private:
  void Leave(Admission admission, uint64_t address);

  const size_t max_connections_;
  const size_t max_per_address_;

  mutable Mutex mu_;
  Stats stats_ SIS_GUARDED_BY(mu_);
  size_t being_refused_ SIS_GUARDED_BY(mu_) = 0;
  absl::flat_hash_map<uint64_t, size_t> of_address_ SIS_GUARDED_BY(mu_);
};

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_CONNECTION_GATE_H_
