// GrpcTransport: the peers' network of production. One gRPC stream a pair and direction: each node
// opens a stream to each peer and sends on it; the peer's answers travel on the peer's own stream.
//
// Guarantees
//   - What Send was given for a peer arrives at most once. AppendRequests and everything that
//     carries a client's bytes keep their order; so do the other messages (heartbeats, votes,
//     acknowledgements, reads), which may overtake the former.
//   - One write a batch: a batch is what was queued while the previous write was in flight.
//   - A stream is accepted only from a node of the same cluster that means this node and speaks
//     this protocol version; the refusal says what was expected and what came.
//   - OnPeerDisconnected follows the end of a peer's process as fast as the kernel closes its
//     sockets; the silent end of a machine is found by keepalive within two keepalive times.
//   - OnSendFailed is also called when a stream breaks on which something was sent, since what was
//     under way may be lost.
//   - Connections come back by themselves: at once when the peer connects to us, else with a
//     backoff that doubles from min_backoff to max_backoff.
//
// Threads: all methods from any thread; none but Stop and the destructor blocks. The handler is
// called on gRPC's threads (OnMessages: in order for each stream, concurrently for different peers)
// and on one control actor (everything else, one call at a time; a peer's first OnMessages comes
// after its OnPeerConnected). Stop and the destructor must not be called from the handler.
#ifndef SISYPHUS_TRANSPORT_GRPC_TRANSPORT_H_
#define SISYPHUS_TRANSPORT_GRPC_TRANSPORT_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/status.h"
#include "base/types.h"
#include "node/transport.h"
#include "transport/send_queue.h"

namespace sisyphus::transport {

struct GrpcTransportOptions {
  NodeId id;
  std::string cluster_id;
  std::string listen_address;  // HOST:PORT; port 0 takes a free one, see address().
  std::string http_address;    // Told to the peers.
  std::string version;         // Likewise.

  Executor* executor = nullptr;  // Not owned; must outlive the transport.
  uint64_t seed = 0;             // Of the jitter of the backoff.

  // Queued for one peer beyond the write in flight; see send_queue.h for the lanes.
  SendWindow bulk_window{.bytes = 64 << 20, .messages = 65'536};
  SendWindow urgent_window{.bytes = 4 << 20, .messages = 16'384};
  size_t max_batch_bytes = 4 << 20;  // Of one write; a larger message travels alone.

  Duration min_backoff = std::chrono::milliseconds(50);
  Duration max_backoff = std::chrono::seconds(1);
  Duration connect_timeout = std::chrono::seconds(1);  // Until the peer has answered our hello.
  Duration keepalive = std::chrono::seconds(2);        // Of silence, and again for the answer.

  // For the log: why there is no connection to a peer. Called on the control actor when the reason
  // differs from the one before. May be empty.
  std::function<void(NodeId, const Status&)> on_connection_error;
};

// About one peer, since the transport was created.
struct PeerStats {
  NodeId peer;
  std::string address;     // Empty: not in the list of peers (it connected to us).
  bool connected = false;  // We can send to it.
  bool accepted = false;   // It can send to us.
  uint64_t sent_bytes = 0;
  uint64_t sent_messages = 0;
  uint64_t received_bytes = 0;
  uint64_t received_messages = 0;
  uint64_t dropped_messages = 0;  // Given to Send and not written.
  uint64_t connects = 0;          // Streams opened to it; reconnects are one less.
  uint64_t queued_bytes = 0;
  std::string last_error;  // Why the last attempt or stream ended. Empty: none has.
};

class GrpcTransport final : public node::Transport {
 public:
  // Binds the listener. Streams are accepted from Start on. kUnavailable: "cannot listen on ...".
  static StatusOr<std::unique_ptr<GrpcTransport>> Listen(GrpcTransportOptions options);
  ~GrpcTransport() override;  // Stops first.

  // HOST:PORT with the port that was really bound.
  std::string address() const;

  // Ascending by id.
  std::vector<PeerStats> Stats() const;

  // node::Transport.
  Status Start(node::TransportHandler* handler) override;
  void SetPeers(std::vector<raft::Membership::Address> peers) override;
  void Send(NodeId to, std::vector<node::PeerMessage> messages) override;
  void Stop() override;

 private:
  class Impl;
  explicit GrpcTransport(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sisyphus::transport

#endif  // SISYPHUS_TRANSPORT_GRPC_TRANSPORT_H_
