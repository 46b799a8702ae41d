#include "tests/chaos/raw_connection.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/check.h"

namespace sisyphus::chaos {

RawConnection::RawConnection(int port, const std::string& from)
    : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  SIS_CHECK(socket_ >= 0, "socket");
  const timeval limit{.tv_sec = 60, .tv_usec = 0};
  SIS_CHECK(setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0, "setsockopt");
  sockaddr_in own{};
  own.sin_family = AF_INET;
  SIS_CHECK(inet_pton(AF_INET, from.c_str(), &own.sin_addr) == 1, from);
  // The port is chosen when the peer is known: there are enough for each pair.
  const int late = 1;
  setsockopt(socket_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof(late));
  EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&own), sizeof(own)), 0) << from;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
}

RawConnection::~RawConnection() { close(socket_); }

void RawConnection::Send(std::string_view data) {
  EXPECT_EQ(send(socket_, data.data(), data.size(), MSG_NOSIGNAL),
            static_cast<ssize_t>(data.size()));
}

void RawConnection::TrySend(std::string_view data) {
  send(socket_, data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool RawConnection::Readable() const {
  pollfd wanted = {.fd = socket_, .events = POLLIN, .revents = 0};
  return poll(&wanted, 1, 0) == 1;
}

std::string RawConnection::ReceiveUntil(std::string_view end) {
  std::string received;
  char buffer[4096];
  while (received.find(end) == std::string::npos) {
    const ssize_t n = recv(socket_, buffer, sizeof(buffer), 0);
    if (n <= 0) break;
    received.append(buffer, static_cast<size_t>(n));
  }
  return received;
}

}  // namespace sisyphus::chaos
