// Is a cluster well? What an operator would look at, member by member.
#ifndef SISYPHUS_TOOLS_SICLI_CHECK_CLUSTER_CHECK_H_
#define SISYPHUS_TOOLS_SICLI_CHECK_CLUSTER_CHECK_H_

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "sisyphus/client.h"
#include "tools/sicli/check/check.h"
#include "tools/sicli/check/metrics_text.h"

namespace sisyphus::sicli {

// What a member says of itself and of the others; absent: it did not answer.
struct MemberView {
  MemberStatus told;  // By whoever was asked first.
  std::optional<ClusterStatus> cluster;
  std::string not_ready;              // Why /readyz says no; empty: it is ready.
  std::vector<MetricFamily> metrics;  // Empty: none came.
  std::string trouble;                // In words, where it did not answer.
};

struct ClusterLimits {
  uint64_t max_lag = 1000;  // Entries behind the leader.
  uint64_t min_free_bytes = uint64_t{1} << 30;
};

// Asks every member that `known` names. Blocks, `timeout` for each page at most.
std::vector<MemberView> AskMembers(const ClusterStatus& known, std::chrono::milliseconds timeout);

Checks CheckCluster(const std::vector<MemberView>& members, const ClusterLimits& limits);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_CHECK_CLUSTER_CHECK_H_
