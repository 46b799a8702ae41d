// The gRPC server behind GrpcTransport: its arguments, and errors that say what is wrong.
#ifndef SISYPHUS_TRANSPORT_LISTENER_H_
#define SISYPHUS_TRANSPORT_LISTENER_H_

#include <grpcpp/server.h>

#include <memory>
#include <string>

#include "base/status.h"
#include "transport/grpc_transport.h"

namespace sisyphus::transport {

struct Listener {
  std::unique_ptr<grpc::Server> server;
  std::string address;  // With the port that was bound.
};

// Serves `service`, which must outlive the server. kInvalidArgument: not HOST:PORT. kUnavailable:
// cannot be bound, with the system's reason.
StatusOr<Listener> StartListener(const GrpcTransportOptions& options, grpc::Service* service);

}  // namespace sisyphus::transport

#endif  // SISYPHUS_TRANSPORT_LISTENER_H_
