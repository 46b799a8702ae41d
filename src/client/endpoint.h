// Addresses of servers and paths of keys, as they stand in a URL.
#ifndef SISYPHUS_CLIENT_ENDPOINT_H_
#define SISYPHUS_CLIENT_ENDPOINT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace sisyphus::client {

struct Endpoint {
  std::string host;  // Without the brackets of an IPv6 address.
  uint16_t port = 0;

  bool operator==(const Endpoint&) const = default;
  std::string ToString() const;  // "host:port", brackets where they are needed.
};

// Parses "http://HOST:PORT[/]" or "HOST:PORT". kInvalidArgument says what is wrong with it.
StatusOr<Endpoint> ParseEndpoint(std::string_view text);

// The server that an absolute http URL points to. kInvalidArgument for anything else.
StatusOr<Endpoint> EndpointOfUrl(std::string_view url);

// Percent-encodes every byte of `key` that is not unreserved (RFC 3986, 2.3). The keys "." and ".."
// are encoded whole, since a path segment of dots would be taken for a step in the tree.
std::string EncodeKey(std::string_view key);

}  // namespace sisyphus::client

#endif  // SISYPHUS_CLIENT_ENDPOINT_H_
