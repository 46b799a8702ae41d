#include "client/endpoint.h"

#include <charconv>

namespace sisyphus::client {
namespace {

constexpr std::string_view kScheme = "http://";

Status Invalid(std::string_view text, const std::string& why) {
  return MakeStatus(StatusCode::kInvalidArgument, "address \"" + std::string(text) + "\": " + why);
}

bool IsUnreserved(unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_' || c == '~';
}

bool IsHostByte(unsigned char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '.' || c == '_';
}

bool IsIpv6Byte(unsigned char c) {
  return (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f') || (c >= '0' && c <= '9') || c == ':' ||
         c == '.';
}

// `authority` is "HOST:PORT"; `text` is what to name in an error.
StatusOr<Endpoint> ParseAuthority(std::string_view authority, std::string_view text) {
  Endpoint endpoint;
  std::string_view host;
  std::string_view port;
  const bool bracketed = !authority.empty() && authority.front() == '[';
  if (bracketed) {
    const size_t close = authority.find("]:");
    if (close == std::string_view::npos) return Invalid(text, "expected [IPV6]:PORT");
    host = authority.substr(1, close - 1);
    port = authority.substr(close + 2);
  } else {
    const size_t colon = authority.rfind(':');
    if (colon == std::string_view::npos) return Invalid(text, "a port is missing (HOST:PORT)");
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  if (host.empty()) return Invalid(text, "a host is missing (HOST:PORT)");
  for (const char c : host) {
    const auto byte = static_cast<unsigned char>(c);
    if (!(bracketed ? IsIpv6Byte(byte) : IsHostByte(byte))) {
      return Invalid(text, "not a host name or an IP address");
    }
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), endpoint.port);
  if (error != std::errc() || end != port.data() + port.size() || endpoint.port == 0) {
    return Invalid(text, "the port must be a number from 1 to 65535");
  }
  endpoint.host = host;
  return endpoint;
}

}  // namespace

std::string Endpoint::ToString() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

StatusOr<Endpoint> ParseEndpoint(std::string_view text) {
  std::string_view rest = text;
  if (rest.starts_with(kScheme)) {
    rest.remove_prefix(kScheme.size());
  } else if (rest.find("://") != std::string_view::npos) {
    return Invalid(text, "only http is spoken");
  }
  if (rest.ends_with('/')) rest.remove_suffix(1);
  return ParseAuthority(rest, text);
}

StatusOr<Endpoint> EndpointOfUrl(std::string_view url) {
  if (!url.starts_with(kScheme)) return Invalid(url, "expected an http URL");
  const std::string_view rest = url.substr(kScheme.size());
  return ParseAuthority(rest.substr(0, rest.find('/')), url);
}

std::string EncodeKey(std::string_view key) {
  constexpr char kHex[] = "0123456789ABCDEF";
  const bool dots = key == "." || key == "..";
  std::string encoded;
  encoded.reserve(key.size() + 16);
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    if (IsUnreserved(byte) && !dots) {
      encoded.push_back(c);
    } else {
      encoded.push_back('%');
      encoded.push_back(kHex[byte >> 4]);
      encoded.push_back(kHex[byte & 15]);
    }
  }
  return encoded;
}

}  // namespace sisyphus::client
