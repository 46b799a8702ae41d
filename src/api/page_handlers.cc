// The status page: files of src/api/page/, which the build embeds.
//
// The page asks this node, and the others that it can reach, for /v1/cluster and /metrics:
// cors.h lets it.

#include <nlohmann/json.hpp>
#include <string>

#include "api/api.h"
#include "api/handlers.h"
#include "api/page_files.h"
#include "api/problem.h"

namespace sisyphus::api {
namespace {

// Nothing but the page's own files runs or is shown; other nodes are asked over HTTP.
constexpr std::string_view kPageHeaders =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self' http:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cache-Control: no-cache\r\n";

std::string_view TypeOf(std::string_view name) {
  if (name.ends_with(".html")) return "text/html; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "text/javascript; charset=utf-8";
}

}  // namespace

void HandlePage(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckNoParameters(exchange, match)) return;
  const std::string_view name = match.path == "/" ? "index.html" : match.rest;
  if (name == "settings.json") {
    const nlohmann::json settings = {{"writes", api.options().status_page_writes}};
    return exchange.Respond({.content_type = "application/json",
                             .headers = kPageHeaders,
                             .owned_body = settings.dump()});
  }
  for (const PageFile& file : PageFiles()) {
    if (file.name != name) continue;
    return exchange.Respond(
        {.content_type = TypeOf(name), .headers = kPageHeaders, .body = file.content});
  }
  exchange.RespondProblem(MakeProblem(404, "no such file of the status page"));
}

}  // namespace sisyphus::api
