#include "tests/chaos/raw_connection.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/check.h"

namespace sisyphus::chaos {

RawConnection::RawConnection(int port) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  SIS_CHECK(socket_ >= 0, "socket");
  const timeval limit{.tv_sec = 60, .tv_usec = 0};
  SIS_CHECK(setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0, "setsockopt");
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
