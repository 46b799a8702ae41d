// What all streams of one transport share, and the numbers they have in common.
#ifndef SISYPHUS_TRANSPORT_ENVIRONMENT_H_
#define SISYPHUS_TRANSPORT_ENVIRONMENT_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "base/executor.h"
#include "base/mutex.h"
#include "node/transport.h"
#include "transport/grpc_transport.h"
#include "transport/in_flight.h"

namespace sisyphus::transport {

// Version 1: proto/peer.proto.
inline constexpr uint32_t kProtocolVersion = 1;

// A value may have 16 MiB, a transaction likewise; an entry of them travels alone in its frame.
inline constexpr int kMaxFrameBytes = 64 << 20;
// Room for a frame's fields around payloads, which SizeBytes only estimates.
inline constexpr size_t kFrameSlackBytes = 1 << 20;

// Outlives every stream: GrpcTransport::Stop waits for the calls and for the inbound streams.
struct Environment {
  explicit Environment(GrpcTransportOptions o) : options(std::move(o)) {}

  const GrpcTransportOptions options;
  Mutex own_mu;
  std::string own_address SIS_GUARDED_BY(own_mu);  // As SetPeers said last; empty: it did not.
  // Owns who is connected: streams come and go, timers fire and the handler hears of it here.
  std::unique_ptr<Actor> control;
  std::atomic<node::TransportHandler*> handler{nullptr};  // Null until Start.
  InFlight deliveries;                                    // OnMessages calls.
  InFlight calls;    // OutboundCalls, until gRPC is done with them.
  InFlight inbound;  // InboundStreams, likewise.
};

struct PeerCounters {
  std::atomic<uint64_t> sent_bytes{0};
  std::atomic<uint64_t> sent_messages{0};
  std::atomic<uint64_t> received_bytes{0};
  std::atomic<uint64_t> received_messages{0};
  std::atomic<uint64_t> dropped_messages{0};
  std::atomic<uint64_t> connects{0};
  std::atomic<bool> accepted{false};
};

}  // namespace sisyphus::transport

#endif  // SISYPHUS_TRANSPORT_ENVIRONMENT_H_
