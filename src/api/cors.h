// Which other pages in a browser may read what this node answers.
#ifndef SISYPHUS_API_CORS_H_
#define SISYPHUS_API_CORS_H_

#include <string>

#include "api/api.h"
#include "api/exchange.h"

namespace sisyphus::api {

// Header lines that let the status page of another member read this answer (the Fetch standard,
// "CORS protocol"): for a request whose Origin is a member's HTTP address. Empty: the request has
// no Origin. Inside OnRequest.
std::string MembersMayRead(Api& api, const Exchange& exchange);

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_CORS_H_
