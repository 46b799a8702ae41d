// OutboundCall: one gRPC stream to a peer, from the attempt to its end. Says hello, then writes one
// frame at a time.
#ifndef SISYPHUS_TRANSPORT_OUTBOUND_CALL_H_
#define SISYPHUS_TRANSPORT_OUTBOUND_CALL_H_

#include <google/protobuf/arena.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <array>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/types.h"
#include "node/transport.h"
#include "proto/peer.grpc.pb.h"
#include "transport/outbound_stream.h"

namespace sisyphus::transport {

class OutboundCall final : public grpc::ClientBidiReactor<peer::Frame, peer::HelloReply>,
                           public std::enable_shared_from_this<OutboundCall> {
 public:
  // `own_address` is told to the peer.
  OutboundCall(std::shared_ptr<OutboundStream> stream, const GrpcTransportOptions& options,
               NodeId peer, const std::string& address, const std::string& own_address);

  // Begins the attempt. From now on the object keeps itself alive until gRPC is done with it.
  // Requires: env.calls was entered for it; it exits.
  void Begin(InFlight* calls);

  // Encodes and writes `batch` as one frame; the stream hears CallWrote or CallBroke. False: the
  // stream is broken, nothing was done. Requires: ready, and no other write in flight.
  [[nodiscard]] bool Write(const std::vector<node::PeerMessage>& batch);

  void Cancel() { context_.TryCancel(); }

  // Ends an attempt that takes too long.
  void TimedOut();

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  void HelloDone();
  // Marks the stream broken and lets gRPC end it, unless a write is still in flight.
  void Break();
  peer::Frame* NewFrame();

  const std::shared_ptr<OutboundStream> stream_;
  const NodeId peer_;
  InFlight* calls_ = nullptr;
  std::shared_ptr<OutboundCall> self_;  // While gRPC may call back.

  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<peer::PeerStream::Stub> stub_;
  grpc::ClientContext context_;
  peer::HelloReply reply_;

  // The frame in flight. Owned by whoever writes.
  alignas(8) std::array<char, 16 << 10> arena_block_;
  google::protobuf::Arena arena_;
  size_t frame_messages_ = 0;
  size_t frame_bytes_ = 0;

  // gRPC's OnDone waits for a hold, since writes begin outside its callbacks. It is given back once
  // the stream is broken and no write can begin or be in flight.
  Mutex mu_;
  bool hello_written_ SIS_GUARDED_BY(mu_) = false;
  bool hello_answered_ SIS_GUARDED_BY(mu_) = false;
  bool hello_done_ SIS_GUARDED_BY(mu_) = false;  // Both of these, and the stream knows.
  bool writing_ SIS_GUARDED_BY(mu_) = true;      // The hello.
  bool broken_ SIS_GUARDED_BY(mu_) = false;
  bool held_ SIS_GUARDED_BY(mu_) = true;
  Status protocol_error_ SIS_GUARDED_BY(mu_);  // What we have against the peer's answer.
};

}  // namespace sisyphus::transport

#endif  // SISYPHUS_TRANSPORT_OUTBOUND_CALL_H_
