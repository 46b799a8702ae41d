#include "server/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace sisyphus::server {

Status NotifyServiceManager(const std::string& socket, std::string_view state) {
  if (socket.empty()) return OkStatus();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const bool known = socket[0] == '/' || socket[0] == '@';
  if (!known || socket.size() < 2 || socket.size() >= sizeof(address.sun_path)) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "NOTIFY_SOCKET '" + socket + "' is neither a path nor an abstract name");
  }
  std::copy(socket.begin(), socket.end(), address.sun_path);
  if (socket[0] == '@') address.sun_path[0] = '\0';

  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return MakeStatus(StatusCode::kUnavailable, std::strerror(errno));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size());
  const ssize_t sent = sendto(fd, state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                              reinterpret_cast<const sockaddr*>(&address), length);
  const int error = errno;
  close(fd);
  if (sent == static_cast<ssize_t>(state.size())) return OkStatus();
  return MakeStatus(StatusCode::kUnavailable,
                    "NOTIFY_SOCKET " + socket + ": " + std::strerror(error));
}

std::string TakeNotifySocket() {
  const char* value = std::getenv("NOTIFY_SOCKET");
  const std::string socket = value == nullptr ? "" : value;
  unsetenv("NOTIFY_SOCKET");
  return socket;
}

}  // namespace sisyphus::server
