#include "api/server.h"

#include <utility>

#include "api/api.h"
#include "api/listener.h"
#include "base/check.h"

namespace sisyphus::api {
namespace {

// A byte of a key is at most three in a path.
constexpr size_t kMaxEncodedBytesPerByte = 3;

ListenerOptions ListenerOptionsOf(const ServerOptions& options) {
  const Limits& limits = options.limits;
  return {.address = options.address,
          .io_threads = options.io_threads,
          .max_request_line_bytes =
              limits.max_header_bytes + kMaxEncodedBytesPerByte * limits.max_key_bytes,
          .max_field_bytes = limits.max_header_bytes,
          .max_body_bytes = limits.max_value_bytes,
          .max_connections = limits.max_connections,
          .max_connections_per_address = limits.max_connections_per_address,
          .max_inflight_bytes = limits.max_inflight_bytes,
          .header_timeout = limits.header_timeout,
          .body_timeout = limits.body_timeout,
          .idle_timeout = limits.idle_timeout,
          .clock = options.clock};
}

class ServerImpl final : public Server {
 public:
  explicit ServerImpl(ServerOptions options) : api_(std::move(options)) {}
  ~ServerImpl() override {
    if (listener_ != nullptr) Stop(Duration::zero());
  }

  Status Listen() {
    SIS_ASSIGN_OR_RETURN(listener_, Listener::Create(ListenerOptionsOf(api_.options()), &api_));
    return OkStatus();
  }

  void Serve(kv::Store* store, node::Node* node) override {
    SIS_CHECK(store != nullptr && node != nullptr, "a server needs a store and a node");
    api_.Attach(store, node, listener_.get());
    listener_->Run();
  }

  std::string bound_address() const override { return listener_->bound_address(); }
  void BeginDrain() override { listener_->BeginDrain(); }
  void Stop(Duration timeout) override {
    listener_->Stop(timeout);
    api_.StopActors();
  }

  ServerStats stats() const override {
    const ListenerStats of_listener = listener_->stats();
    ServerStats stats;
    api_.CollectStats(&stats);
    stats.open_connections = of_listener.open_connections;
    stats.accepted_connections = of_listener.accepted_connections;
    stats.inflight_requests = of_listener.inflight_requests;
    stats.refused_overload = of_listener.refused_overload;
    stats.refused_by_total = of_listener.refused_by_total;
    stats.refused_by_address = of_listener.refused_by_address;
    stats.refused_body_bytes = of_listener.refused_body_bytes;
    stats.inflight_bytes = of_listener.inflight_bytes;
    stats.received_bytes = of_listener.received_bytes;
    stats.sent_bytes = of_listener.sent_bytes;
    return stats;
  }

 private:
  Api api_;
  std::unique_ptr<Listener> listener_;
};

}  // namespace

StatusOr<std::unique_ptr<Server>> Server::Bind(ServerOptions options) {
  SIS_CHECK(options.clock != nullptr, "a server needs a clock");
  auto server = std::make_unique<ServerImpl>(std::move(options));
  SIS_RETURN_IF_ERROR(server->Listen());
  return server;
}

}  // namespace sisyphus::api
