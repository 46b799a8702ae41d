// The text of /metrics: every figure is read from its room when it is asked for; nothing is counted
// twice.
#ifndef SISYPHUS_SERVER_METRICS_H_
#define SISYPHUS_SERVER_METRICS_H_

#include <string>

#include "api/server.h"
#include "base/types.h"
#include "kv/machine.h"
#include "node/node.h"

namespace sisyphus::server {

struct MetricsSources {
  NodeId id;
  const node::Node* node = nullptr;
  kv::Machine* machine = nullptr;
  const api::Server* api = nullptr;
};

// In the Prometheus text format.
std::string RenderMetrics(const MetricsSources& sources);

}  // namespace sisyphus::server

#endif  // SISYPHUS_SERVER_METRICS_H_
