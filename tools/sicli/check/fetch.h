// One GET of a node's page, whatever its status.
#ifndef SISYPHUS_TOOLS_SICLI_CHECK_FETCH_H_
#define SISYPHUS_TOOLS_SICLI_CHECK_FETCH_H_

#include <chrono>
#include <string>
#include <vector>

#include "base/status.h"
#include "tools/sicli/check/metrics_text.h"

namespace sisyphus::sicli {

struct Fetched {
  int status = 0;
  std::string body;
};

// kInvalidArgument: no address; kUnavailable: no answer.
StatusOr<Fetched> Fetch(const std::string& address, const std::string& target,
                        std::chrono::milliseconds timeout);

// /metrics of a node, as text. kUnavailable: no answer, or one that is not 200.
StatusOr<std::string> FetchMetrics(const std::string& address, std::chrono::milliseconds timeout);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_CHECK_FETCH_H_
