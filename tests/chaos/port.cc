#include "tests/chaos/port.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

namespace sisyphus::chaos {

ReservedPort::ReservedPort() : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  SIS_CHECK(bind(socket_, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
  SIS_CHECK(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  port_ = ntohs(address.sin_port);
  // Only now, so that two reservations never share a port.
  const int on = 1;
  SIS_CHECK(setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0, "setsockopt");
}

ReservedPort::~ReservedPort() { close(socket_); }

void ReservedPort::Listen() { SIS_CHECK(listen(socket_, 1) == 0, "listen"); }

}  // namespace sisyphus::chaos
