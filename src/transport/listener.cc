#include "transport/listener.h"

#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <system_error>

#include "transport/environment.h"

namespace sisyphus::transport {
namespace {

struct HostPort {
  std::string host;
  uint16_t port = 0;
};

StatusOr<HostPort> SplitHostPort(const std::string& address) {
  const size_t colon = address.rfind(':');
  HostPort out;
  if (colon != std::string::npos && colon > 0) {
    out.host = address.substr(0, colon);
    const char* begin = address.data() + colon + 1;
    const char* end = address.data() + address.size();
    const auto [rest, error] = std::from_chars(begin, end, out.port);
    if (error == std::errc() && rest == end && begin != end) return out;
  }
  return MakeStatus(StatusCode::kInvalidArgument, "\"" + address + "\" is not HOST:PORT");
}

// gRPC tells the reason to its log only; trying again by hand tells it to us.
std::string BindError(const HostPort& address) {
  std::string host = address.host;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error != 0) return gai_strerror(error);
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::generic_category().message(errno);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  std::string reason = "gRPC could not bind it";
  if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1) != 0) {
    reason = std::generic_category().message(errno);
  }
  close(fd);
  return reason;
}

}  // namespace

StatusOr<Listener> StartListener(const GrpcTransportOptions& options, grpc::Service* service) {
  SIS_ASSIGN_OR_RETURN(HostPort address, SplitHostPort(options.listen_address));
  const int keepalive_ms = static_cast<int>(
      std::chrono::duration_cast<std::chrono::milliseconds>(options.keepalive).count());

  // What goes wrong reaches us as statuses; gRPC's own lines on standard error would come beside
  // the server's log, in another form.
  gpr_set_log_function([](gpr_log_func_args*) {});

  // Every method of the service has callbacks, so the server starts no thread of its own; gRPC's
  // shared pollers, two in a process, run all streams.
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // Or a second process would share it.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive_ms);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive_ms);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             keepalive_ms / 4);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  builder.SetMaxReceiveMessageSize(kMaxFrameBytes);
  builder.RegisterService(service);
  int port = 0;
  builder.AddListeningPort(options.listen_address, grpc::InsecureServerCredentials(), &port);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    return MakeStatus(StatusCode::kUnavailable,
                      "cannot listen on " + options.listen_address + ": " + BindError(address));
  }
  return Listener{.server = std::move(server),
                  .address = address.host + ":" + std::to_string(port)};
}

}  // namespace sisyphus::transport
