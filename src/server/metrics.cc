#include "server/metrics.h"

namespace sisyphus::server {

std::string RenderMetrics(const MetricsSources& sources) {
  const Labels labels = {{"node_id", ToString(sources.id)}};
  const node::NodeStatus status = sources.node->Status();
  const DbStats db = sources.machine->stats();
  const api::ServerStats http = sources.api->stats();
  Families families;
  AddNodeMetrics(sources, status, http, labels, &families);
  AddPeerMetrics(sources, status, labels, &families);
  AddEngineMetrics(sources, db, labels, &families);
  AddHttpMetrics(sources, status, http, labels, &families);
  AddProcessMetrics(sources, labels, &families);
  if (sources.etcd_names) AddEtcdMetrics(sources, status, db, http, &families);
  return families.Text();
}

}  // namespace sisyphus::server
