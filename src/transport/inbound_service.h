// InboundService: accepts the peers' streams, checks their hellos and delivers what they say.
//
// Which stream of a peer counts is decided on the control actor: the newest. An older one is ended
// when a newer one comes, and its end is then no disconnect.
#ifndef SISYPHUS_TRANSPORT_INBOUND_SERVICE_H_
#define SISYPHUS_TRANSPORT_INBOUND_SERVICE_H_

#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "base/mutex.h"
#include "base/status.h"
#include "base/types.h"
#include "proto/peer.grpc.pb.h"
#include "transport/environment.h"

namespace sisyphus::transport {

class InboundStream;

// Raw: frames are parsed here, so that what cannot be parsed is told from a stream that ended.
class InboundService final
    : public peer::PeerStream::WithRawCallbackMethod_Connect<peer::PeerStream::Service> {
 public:
  // Called on the control actor with a peer whose stream was accepted; answers where to count it.
  using Accepted = std::function<std::shared_ptr<PeerCounters>(NodeId)>;

  InboundService(Environment* env, Accepted accepted);
  ~InboundService() override;

  // Ends every stream and refuses new ones. Requires: the control actor is stopped.
  void Close();

 private:
  friend class InboundStream;

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Connect(
      grpc::CallbackServerContext* context) override;

  // OK if the stream may be accepted.
  Status CheckHello(const peer::Hello& hello) const;

  // From InboundStream, on gRPC's threads. False: too many hellos wait already.
  [[nodiscard]] bool HelloCame(std::shared_ptr<InboundStream> stream, const peer::Hello& hello);
  void Ended(std::shared_ptr<InboundStream> stream);
  void Forget(const std::shared_ptr<InboundStream>& stream);

  // On the control actor.
  void Accept(const std::shared_ptr<InboundStream>& stream, const node::PeerInfo& peer);
  void HandleEnded(const std::shared_ptr<InboundStream>& stream);

  Environment* const env_;
  const Accepted accepted_;

  // Owned by the control actor.
  std::unordered_map<NodeId, std::shared_ptr<InboundStream>> current_;

  Mutex mu_;
  std::unordered_set<std::shared_ptr<InboundStream>> streams_ SIS_GUARDED_BY(mu_);
  bool closed_ SIS_GUARDED_BY(mu_) = false;
};

}  // namespace sisyphus::transport

#endif  // SISYPHUS_TRANSPORT_INBOUND_SERVICE_H_
