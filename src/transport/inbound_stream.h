// InboundStream: one stream that a peer opened to us, from its hello to its end.
//
// Reads one frame at a time: the next one is asked for when the handler has returned, so a slow
// handler slows its sender down and not this process's memory.
#ifndef SISYPHUS_TRANSPORT_INBOUND_STREAM_H_
#define SISYPHUS_TRANSPORT_INBOUND_STREAM_H_

#include <google/protobuf/arena.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <array>
#include <atomic>
#include <memory>
#include <string>

#include "base/types.h"
#include "proto/peer.pb.h"
#include "transport/environment.h"
#include "transport/inbound_service.h"

namespace sisyphus::transport {

class InboundStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                            public std::enable_shared_from_this<InboundStream> {
 public:
  InboundStream(InboundService* service, Environment* env);

  // Waits for the hello. From now on the object keeps itself alive until gRPC is done with it.
  // Requires: env.inbound was entered for it; it exits.
  void Begin();

  // Answers the hello and begins to deliver. On the control actor, before any End.
  void Accept(std::shared_ptr<PeerCounters> counters);

  // Ends the stream with `status`; only the first call counts. From any thread.
  void End(grpc::Status status);

  // Kept from the hello; valid once it came.
  NodeId peer() const { return peer_; }
  const std::shared_ptr<PeerCounters>& counters() const { return counters_; }

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

  void ReadHello(const peer::Frame& frame);
  void Deliver(peer::Frame* frame);
  void Fail(grpc::StatusCode code, const std::string& message);

  InboundService* const service_;
  Environment* const env_;
  std::shared_ptr<InboundStream> self_;  // While gRPC may call back.
  std::atomic<bool> ended_{false};

  // Set by the hello, then by Accept, each before the next read begins.
  NodeId peer_;
  std::shared_ptr<PeerCounters> counters_;  // Null: no hello was accepted.

  // Owned by the callback that runs.
  grpc::ByteBuffer buffer_;
  grpc::ByteBuffer reply_;
  alignas(8) std::array<char, 16 << 10> arena_block_;
  google::protobuf::Arena arena_;
};

}  // namespace sisyphus::transport

#endif  // SISYPHUS_TRANSPORT_INBOUND_STREAM_H_
