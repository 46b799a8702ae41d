// The route table: which path and method goes to which handler. A new endpoint is a row in
// routes.cc.
#ifndef SISYPHUS_API_ROUTES_H_
#define SISYPHUS_API_ROUTES_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "api/exchange.h"
#include "api/http_types.h"

namespace sisyphus::api {

class Api;
struct ServedGroups;

// What a handler is given of the target. Views, good inside the call.
struct Match {
  std::string_view path;   // Not decoded.
  std::string_view rest;   // Of the path, behind a prefix route.
  std::string_view query;  // Not decoded.
};

using HandlerFunction = void (*)(Api&, Exchange&, const Match&);

enum class Body : uint8_t {
  kIgnored,  // Read and dropped, if it is small.
  kObject,   // A small JSON object.
  kValue,    // Up to the limit of a value.
  kTxn,      // Up to the limit of a transaction.
};

struct Action {
  Method method;
  HandlerFunction handle;
  Body body = Body::kIgnored;
};

// What can be switched off.
enum class EndpointGroup : uint8_t { kAlways, kSimple, kStatusPage };

struct Route {
  std::string_view endpoint;  // Its name in metrics; of a prefix route ends in "/{...}".
  std::string_view path;      // Ends in '/' exactly for a prefix route, but "/" itself.
  EndpointGroup group = EndpointGroup::kAlways;
  std::span<const Action> actions;

  bool is_prefix() const { return path.size() > 1 && path.ends_with('/'); }
  const Action* Find(Method method) const;  // Null: not served here.
  std::string Allow() const;                // "GET, HEAD".
};

std::span<const Route> Routes();

// Null: not found. `index` of the route in Routes().
const Route* FindRoute(std::string_view path, const ServedGroups& served, size_t* index);

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_ROUTES_H_
