#include "transport/grpc_transport.h"

#include <grpc/support/time.h>
#include <grpcpp/support/time.h>

#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "transport/environment.h"
#include "transport/inbound_service.h"
#include "transport/listener.h"
#include "transport/outbound_stream.h"

namespace sisyphus::transport {

class GrpcTransport::Impl {
 public:
  explicit Impl(GrpcTransportOptions options);
  ~Impl() { Stop(); }

  Status Listen();
  const std::string& address() const { return listener_.address; }
  std::vector<PeerStats> Stats() const;

  Status Start(node::TransportHandler* handler);
  void SetPeers(std::vector<raft::Membership::Address> addresses);
  void Send(NodeId to, std::vector<node::PeerMessage> messages);
  void Stop();

 private:
  struct Peer {
    std::shared_ptr<PeerCounters> counters = std::make_shared<PeerCounters>();
    std::shared_ptr<OutboundStream> stream;  // Null: not in the list of peers.
  };

  // On the control actor.
  std::shared_ptr<PeerCounters> Accepted(NodeId id);

  void PostConnect(std::shared_ptr<OutboundStream> stream);
  void DoStop();

  Environment env_;
  InboundService service_;
  Listener listener_;
  std::once_flag stop_once_;

  mutable Mutex mu_;
  Rng rng_ SIS_GUARDED_BY(mu_);
  std::map<NodeId, Peer> peers_ SIS_GUARDED_BY(mu_);
  std::set<NodeId> unknown_reported_ SIS_GUARDED_BY(mu_);  // OnSendFailed was called for these.
  bool started_ SIS_GUARDED_BY(mu_) = false;
  bool stopped_ SIS_GUARDED_BY(mu_) = false;
};

GrpcTransport::Impl::Impl(GrpcTransportOptions options)
    : env_(std::move(options)),
      service_(&env_, [this](NodeId id) { return Accepted(id); }),
      rng_(env_.options.seed) {}

Status GrpcTransport::Impl::Listen() {
  SIS_CHECK(env_.options.executor != nullptr, "the transport needs an executor");
  env_.control = env_.options.executor->CreateActor({.name = "peers", .capacity = 4096});
  SIS_ASSIGN_OR_RETURN(listener_, StartListener(env_.options, &service_));
  return OkStatus();
}

Status GrpcTransport::Impl::Start(node::TransportHandler* handler) {
  std::vector<std::shared_ptr<OutboundStream>> streams;
  {
    MutexLock lock(mu_);
    if (started_ || stopped_) {
      return MakeStatus(StatusCode::kFailedPrecondition, "the transport was started before");
    }
    started_ = true;
    env_.handler = handler;
    for (const auto& [id, peer] : peers_) {
      if (peer.stream != nullptr) streams.push_back(peer.stream);
    }
  }
  for (auto& stream : streams) PostConnect(std::move(stream));
  return OkStatus();
}

void GrpcTransport::Impl::PostConnect(std::shared_ptr<OutboundStream> stream) {
  env_.control->Post([stream = std::move(stream)] { stream->Connect(); });
}

void GrpcTransport::Impl::SetPeers(std::vector<raft::Membership::Address> addresses) {
  std::map<NodeId, std::string> wanted;
  for (auto& address : addresses) {
    if (address.id != env_.options.id) {
      wanted[address.id] = std::move(address.peer);
    } else {
      MutexLock lock(env_.own_mu);
      env_.own_address = std::move(address.peer);
    }
  }
  std::vector<std::shared_ptr<OutboundStream>> obsolete;
  std::vector<std::shared_ptr<OutboundStream>> fresh;
  bool connect = false;
  {
    MutexLock lock(mu_);
    if (stopped_) return;
    unknown_reported_.clear();
    for (auto& [id, peer] : peers_) {
      auto it = wanted.find(id);
      if (peer.stream == nullptr) continue;
      if (it == wanted.end() || it->second != peer.stream->address()) {
        obsolete.push_back(std::exchange(peer.stream, nullptr));
      }
    }
    for (auto& [id, address] : wanted) {
      Peer& peer = peers_[id];
      if (peer.stream != nullptr) continue;
      peer.stream = std::make_shared<OutboundStream>(&env_, id, std::move(address), peer.counters,
                                                     rng_.Next());
      fresh.push_back(peer.stream);
    }
    connect = started_;
  }
  for (const auto& stream : obsolete) stream->Close();
  if (!connect) return;
  for (auto& stream : fresh) PostConnect(std::move(stream));
}

void GrpcTransport::Impl::Send(NodeId to, std::vector<node::PeerMessage> messages) {
  if (messages.empty()) return;
  for (const node::PeerMessage& message : messages) {
    if (const auto* m = std::get_if<raft::Message>(&message)) {
      SIS_CHECK(m->from == env_.options.id && m->to == to, "a message for somebody else");
    }
  }
  std::shared_ptr<OutboundStream> stream;
  bool report = false;
  {
    MutexLock lock(mu_);
    auto it = peers_.find(to);
    if (it != peers_.end()) stream = it->second.stream;
    if (stream == nullptr) report = started_ && !stopped_ && unknown_reported_.insert(to).second;
  }
  if (stream != nullptr) return stream->Send(std::move(messages));
  if (report) env_.control->Post([this, to] { env_.handler.load()->OnSendFailed(to); });
}

std::shared_ptr<PeerCounters> GrpcTransport::Impl::Accepted(NodeId id) {
  std::shared_ptr<PeerCounters> counters;
  std::shared_ptr<OutboundStream> stream;
  {
    MutexLock lock(mu_);
    Peer& peer = peers_[id];
    counters = peer.counters;
    stream = peer.stream;
  }
  if (stream != nullptr) stream->PeerIsAlive();
  return counters;
}

std::vector<PeerStats> GrpcTransport::Impl::Stats() const {
  std::map<NodeId, Peer> peers;
  {
    MutexLock lock(mu_);
    peers = peers_;
  }
  std::vector<PeerStats> all;
  for (const auto& [id, peer] : peers) {
    const PeerCounters& counters = *peer.counters;
    PeerStats stats;
    stats.peer = id;
    stats.accepted = counters.accepted;
    stats.sent_bytes = counters.sent_bytes;
    stats.sent_messages = counters.sent_messages;
    stats.received_bytes = counters.received_bytes;
    stats.received_messages = counters.received_messages;
    stats.dropped_messages = counters.dropped_messages;
    stats.connects = counters.connects;
    if (peer.stream != nullptr) peer.stream->FillStats(&stats);
    all.push_back(std::move(stats));
  }
  return all;
}

void GrpcTransport::Impl::Stop() {
  std::call_once(stop_once_, [this] { DoStop(); });
}

void GrpcTransport::Impl::DoStop() {
  std::vector<std::shared_ptr<OutboundStream>> streams;
  {
    MutexLock lock(mu_);
    stopped_ = true;
    for (auto& [id, peer] : peers_) {
      if (peer.stream != nullptr) streams.push_back(peer.stream);
    }
  }
  // First the handler's peace, then the streams, then whatever gRPC still has to call back.
  env_.deliveries.CloseAndWait();
  if (env_.control != nullptr) env_.control->Stop();
  for (const auto& stream : streams) stream->Close();
  // The server outlasts the calls: whoever gives back the last reference to gRPC's shared pollers
  // joins their threads, and a call ends on one of them. The server holds a reference until it is
  // shut down, here.
  env_.calls.CloseAndWait();
  service_.Close();
  if (listener_.server != nullptr) listener_.server->Shutdown(gpr_inf_past(GPR_CLOCK_MONOTONIC));
  env_.inbound.CloseAndWait();
}

GrpcTransport::GrpcTransport(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GrpcTransport::~GrpcTransport() = default;

StatusOr<std::unique_ptr<GrpcTransport>> GrpcTransport::Listen(GrpcTransportOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  SIS_RETURN_IF_ERROR(impl->Listen());
  return std::unique_ptr<GrpcTransport>(new GrpcTransport(std::move(impl)));
}

std::string GrpcTransport::address() const { return impl_->address(); }
std::vector<PeerStats> GrpcTransport::Stats() const { return impl_->Stats(); }
Status GrpcTransport::Start(node::TransportHandler* handler) { return impl_->Start(handler); }
void GrpcTransport::SetPeers(std::vector<raft::Membership::Address> peers) {
  impl_->SetPeers(std::move(peers));
}
void GrpcTransport::Send(NodeId to, std::vector<node::PeerMessage> messages) {
  impl_->Send(to, std::move(messages));
}
void GrpcTransport::Stop() { impl_->Stop(); }

}  // namespace sisyphus::transport
