#include "tests/unit/api/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>

#include "base/check.h"

namespace sisyphus::api {

RawClient::RawClient(const std::string& address, const std::string& from) {
  const size_t colon = address.rfind(':');
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::atoi(address.c_str() + colon + 1)));
  SIS_CHECK(::inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr) == 1, address);
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  SIS_CHECK(fd_ >= 0, "socket");
  const timeval patience = {.tv_sec = 30, .tv_usec = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (!from.empty()) {
    sockaddr_in own = {};
    own.sin_family = AF_INET;
    SIS_CHECK(::inet_pton(AF_INET, from.c_str(), &own.sin_addr) == 1, from);
    SIS_CHECK(::bind(fd_, reinterpret_cast<const sockaddr*>(&own), sizeof(own)) == 0, from);
  }
  const int no_delay = 1;
  ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &no_delay, sizeof(no_delay));
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
    ::close(fd_);
    fd_ = -1;
  }
}

RawClient::~RawClient() {
  if (fd_ >= 0) ::close(fd_);
}

bool RawClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

void RawClient::CloseSending() { ::shutdown(fd_, SHUT_WR); }

void RawClient::Reset() {
  const linger hard = {.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
  ::close(fd_);
  fd_ = -1;
}

bool RawClient::Fill() {
  char buffer[64 << 10];
  const ssize_t n = ::recv(fd_, buffer, sizeof(buffer), 0);
  if (n <= 0) return false;
  received_.append(buffer, static_cast<size_t>(n));
  return true;
}

bool RawClient::FillUntil(size_t size) {
  while (received_.size() < size) {
    if (!Fill()) return false;
  }
  return true;
}

RawAnswer RawClient::Read(bool head) {
  RawAnswer answer;
  size_t end = 0;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
    if (!Fill()) return {};
  }
  const std::string lines = received_.substr(0, end + 2);
  if (!lines.starts_with("HTTP/1.1 ")) return {};
  answer.status = std::atoi(lines.c_str() + 9);
  for (size_t at = lines.find("\r\n") + 2; at < lines.size();) {
    const size_t stop = lines.find("\r\n", at);
    const size_t colon = lines.find(": ", at);
    answer.headers.emplace(lines.substr(at, colon - at), lines.substr(colon + 2, stop - colon - 2));
    at = stop + 2;
  }
  received_.erase(0, end + 4);
  const auto length = static_cast<size_t>(std::atoll(answer.header("Content-Length").c_str()));
  if (head) return answer;
  if (!FillUntil(length)) return {};
  answer.body = received_.substr(0, length);
  received_.erase(0, length);
  return answer;
}

std::optional<std::string> RawClient::ReadChunk() {
  size_t end = 0;
  while ((end = received_.find("\r\n")) == std::string::npos) {
    if (!Fill()) return std::nullopt;
  }
  const size_t size = std::stoul(received_.substr(0, end), nullptr, 16);
  if (!FillUntil(end + 2 + size + 2)) return std::nullopt;
  std::string chunk = received_.substr(end + 2, size);
  SIS_CHECK(received_.compare(end + 2 + size, 2, "\r\n") == 0, "a chunk ends with CR LF");
  received_.erase(0, end + 2 + size + 2);
  return chunk;
}

bool RawClient::Readable(std::chrono::milliseconds patience) {
  if (!received_.empty()) return true;
  pollfd wanted = {.fd = fd_, .events = POLLIN, .revents = 0};
  return ::poll(&wanted, 1, static_cast<int>(patience.count())) == 1;
}

bool RawClient::AtEnd() {
  if (!received_.empty()) return false;
  char byte;
  return ::recv(fd_, &byte, 1, 0) == 0;
}

std::string Request(std::string_view method, std::string_view target, std::string_view body,
                    std::string_view headers) {
  std::string request;
  request.append(method).append(" ").append(target).append(" HTTP/1.1\r\nHost: test\r\n");
  request.append(headers);
  if (!body.empty()) {
    request.append("Content-Length: " + std::to_string(body.size()) + "\r\n");
  }
  request.append("\r\n").append(body);
  return request;
}

}  // namespace sisyphus::api
