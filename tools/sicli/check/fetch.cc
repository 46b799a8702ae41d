#include "tools/sicli/check/fetch.h"

#include <utility>

#include "base/thread_executor.h"
#include "client/endpoint.h"
#include "client/http.h"

namespace sisyphus::sicli {

StatusOr<Fetched> Fetch(const std::string& address, const std::string& target,
                        std::chrono::milliseconds timeout) {
  SIS_ASSIGN_OR_RETURN(client::Endpoint endpoint, client::ParseEndpoint(address));
  client::Connection connection(std::move(endpoint));
  const MonotonicTime deadline = RealClock().Now() + timeout;
  client::HttpResponse response =
      connection.Send({.method = "GET", .target = target}, deadline, deadline);
  if (response.outcome != client::HttpResponse::Outcome::kAnswered) {
    return MakeStatus(StatusCode::kUnavailable, response.error);
  }
  return Fetched{response.status, std::move(response.body)};
}

StatusOr<std::string> FetchMetrics(const std::string& address, std::chrono::milliseconds timeout) {
  SIS_ASSIGN_OR_RETURN(Fetched fetched, Fetch(address, "/metrics", timeout));
  if (fetched.status == 200) return std::move(fetched.body);
  return MakeStatus(StatusCode::kUnavailable,
                    address + ": HTTP " + std::to_string(fetched.status) + " for /metrics");
}

}  // namespace sisyphus::sicli
