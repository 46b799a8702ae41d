#include "transport/inbound_service.h"

#include <string>
#include <utility>
#include <vector>

#include "transport/inbound_stream.h"

namespace sisyphus::transport {
namespace {

// What is refused before anything of the transport is touched: it may be stopping.
class Refusal final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Refusal() { Finish(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the node is stopping")); }
  void OnDone() override { delete this; }
};

Status Refused(const std::string& message) {
  return MakeStatus(StatusCode::kFailedPrecondition, message);
}

// Short enough for a status, whatever the peer sent.
std::string Quoted(const std::string& text) {
  constexpr size_t kMaxBytes = 100;
  return '"' + (text.size() > kMaxBytes ? text.substr(0, kMaxBytes) + "..." : text) + '"';
}

}  // namespace

InboundService::InboundService(Environment* env, Accepted accepted)
    : env_(env), accepted_(std::move(accepted)) {}

InboundService::~InboundService() = default;

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* InboundService::Connect(
    grpc::CallbackServerContext*) {
  if (!env_->inbound.Enter()) return new Refusal();
  auto stream = std::make_shared<InboundStream>(this, env_);
  bool closed = false;
  {
    MutexLock lock(mu_);
    closed = closed_;
    if (!closed) streams_.insert(stream);
  }
  if (closed) {
    env_->inbound.Exit();
    return new Refusal();
  }
  stream->Begin();
  return stream.get();
}

Status InboundService::CheckHello(const peer::Hello& hello) const {
  const GrpcTransportOptions& own = env_->options;
  const std::string from = "node " + std::to_string(hello.from());
  if (hello.protocol_version() != kProtocolVersion) {
    return Refused(from + " speaks peer protocol " + std::to_string(hello.protocol_version()) +
                   ", node " + ToString(own.id) + " speaks " + std::to_string(kProtocolVersion));
  }
  if (hello.cluster_id() != own.cluster_id) {
    return Refused(from + " belongs to cluster " + Quoted(hello.cluster_id()) + ", node " +
                   ToString(own.id) + " belongs to cluster " + Quoted(own.cluster_id));
  }
  if (NodeId(hello.to()) != own.id) {
    return Refused(from + " looks for node " + std::to_string(hello.to()) + ", this is node " +
                   ToString(own.id));
  }
  if (NodeId(hello.from()) == kNoNode || NodeId(hello.from()) == own.id) {
    return Refused(from + " cannot be a peer of node " + ToString(own.id));
  }
  if (env_->handler.load() == nullptr) {
    return MakeStatus(StatusCode::kUnavailable, "node " + ToString(own.id) + " is starting");
  }
  return OkStatus();
}

bool InboundService::HelloCame(std::shared_ptr<InboundStream> stream, const peer::Hello& hello) {
  node::PeerInfo info{.id = NodeId(hello.from()),
                      .peer_address = hello.peer_address(),
                      .http_address = hello.http_address(),
                      .version = hello.version(),
                      .inbound = true};
  return env_->control->TryPost(
      [this, stream = std::move(stream), info = std::move(info)] { Accept(stream, info); });
}

void InboundService::Accept(const std::shared_ptr<InboundStream>& stream,
                            const node::PeerInfo& peer) {
  std::shared_ptr<PeerCounters> counters = accepted_(peer.id);
  counters->accepted = true;
  std::shared_ptr<InboundStream> older = std::exchange(current_[peer.id], stream);
  if (older != nullptr) {
    older->End(grpc::Status(grpc::StatusCode::ABORTED,
                            "replaced by a newer stream of node " + ToString(peer.id)));
  }
  env_->handler.load()->OnPeerConnected(peer);
  stream->Accept(std::move(counters));
}

void InboundService::Ended(std::shared_ptr<InboundStream> stream) {
  env_->control->Post([this, stream = std::move(stream)] { HandleEnded(stream); });
}

void InboundService::HandleEnded(const std::shared_ptr<InboundStream>& stream) {
  auto it = current_.find(stream->peer());
  if (it == current_.end() || it->second != stream) return;  // Replaced, or ended already.
  current_.erase(it);
  stream->counters()->accepted = false;
  env_->handler.load()->OnPeerDisconnected(stream->peer());
}

void InboundService::Forget(const std::shared_ptr<InboundStream>& stream) {
  MutexLock lock(mu_);
  streams_.erase(stream);
}

void InboundService::Close() {
  std::vector<std::shared_ptr<InboundStream>> streams;
  {
    MutexLock lock(mu_);
    closed_ = true;
    streams.assign(streams_.begin(), streams_.end());
  }
  for (const auto& stream : streams) {
    stream->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the node is stopping"));
  }
  streams.clear();
  current_.clear();
}

}  // namespace sisyphus::transport
