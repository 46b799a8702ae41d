// The text of /metrics: every figure is read from its room when it is asked for; nothing is counted
// twice. The names are in docs/metrics.md, which a test compares with what a node serves.
#ifndef SISYPHUS_SERVER_METRICS_H_
#define SISYPHUS_SERVER_METRICS_H_

#include <string>

#include "api/server.h"
#include "base/types.h"
#include "kv/machine.h"
#include "node/node.h"
#include "server/metric_families.h"
#include "transport/grpc_transport.h"

namespace sisyphus::server {

struct MetricsSources {
  NodeId id;
  const node::Node* node = nullptr;
  kv::Machine* machine = nullptr;
  const transport::GrpcTransport* transport = nullptr;
  const api::Server* api = nullptr;
  std::string data_dir;
  std::string cluster_id;
  bool etcd_names = false;  // Also the names that etcd's dashboards and alerts ask for.
};

// In the Prometheus text format.
std::string RenderMetrics(const MetricsSources& sources);

// Its parts, by the file that has them. `labels` go with every metric.
void AddNodeMetrics(const MetricsSources& sources, const node::NodeStatus& status,
                    const api::ServerStats& http, const Labels& labels, Families* out);
void AddPeerMetrics(const MetricsSources& sources, const node::NodeStatus& status,
                    const Labels& labels, Families* out);
void AddEngineMetrics(const MetricsSources& sources, const DbStats& stats, const Labels& labels,
                      Families* out);
void AddHttpMetrics(const MetricsSources& sources, const node::NodeStatus& status,
                    const api::ServerStats& stats, const Labels& labels, Families* out);
void AddProcessMetrics(const MetricsSources& sources, const Labels& labels, Families* out);
void AddEtcdMetrics(const MetricsSources& sources, const node::NodeStatus& status,
                    const DbStats& db, const api::ServerStats& http, Families* out);

}  // namespace sisyphus::server

#endif  // SISYPHUS_SERVER_METRICS_H_
