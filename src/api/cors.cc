#include "api/cors.h"

#include <algorithm>
#include <string_view>

#include "node/node.h"

namespace sisyphus::api {

std::string MembersMayRead(Api& api, const Exchange& exchange) {
  constexpr std::string_view kScheme = "http://";
  size_t count = 0;
  const auto origin = exchange.head().Find("Origin", &count);
  if (!origin || count != 1) return {};
  const auto is_origin = [&](const node::PeerInfo& peer) {
    return !peer.http_address.empty() && origin->starts_with(kScheme) &&
           origin->substr(kScheme.size()) == peer.http_address;
  };
  const node::NodeStatus status = api.node().Status();
  const bool member = std::any_of(status.peers.begin(), status.peers.end(), is_origin);
  std::string lines = "Vary: Origin\r\n";
  if (member) lines += "Access-Control-Allow-Origin: " + std::string(*origin) + "\r\n";
  return lines;
}

}  // namespace sisyphus::api
