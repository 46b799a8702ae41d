// The names that etcd's dashboards and alerts (its contrib/mixin) ask for, for `--metrics-compat`:
// SisyphusDB's own figures under them. Where etcd counts something that is not there, what comes
// nearest stands in for it; docs/metrics.md says what.
#include <algorithm>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "raft/membership.h"
#include "server/metrics.h"

namespace sisyphus::server {

namespace {

struct Method {
  std::string_view service;
  std::string_view name;
  std::string_view type = "unary";
};

// The method of etcd that a client would have called.
Method MethodOf(std::string_view endpoint, std::string_view method) {
  const bool get = method == "GET" || method == "HEAD";
  if (endpoint == "/v1/watch") return {"etcdserverpb.Watch", "Watch", "bidi_stream"};
  if (endpoint == "/v1/txn") return {"etcdserverpb.KV", "Txn"};
  if (endpoint == "/v1/compact") return {"etcdserverpb.KV", "Compact"};
  if (endpoint.starts_with("/v1/leases")) return {"etcdserverpb.Lease", "Lease"};
  if (endpoint == "/put") return {"etcdserverpb.KV", "Put"};
  if (endpoint == "/get") return {"etcdserverpb.KV", "Range"};
  if (endpoint == "/delete") return {"etcdserverpb.KV", "DeleteRange"};
  if (endpoint.starts_with("/v1/kv")) {
    if (get) return {"etcdserverpb.KV", "Range"};
    return {"etcdserverpb.KV", method == "DELETE" ? "DeleteRange" : "Put"};
  }
  return {"etcdserverpb.Maintenance", "Other"};
}

std::string_view CodeOf(int status) {
  switch (status) {
    case 400:
    case 413:
    case 414:
      return "InvalidArgument";
    case 410:
      return "OutOfRange";
    case 429:
      return "ResourceExhausted";
    case 500:
      return "Internal";
    case 501:
    case 405:
      return "Unimplemented";
    case 503:
      return "Unavailable";
    case 504:
      return "DeadlineExceeded";
    case 507:
      return "ResourceExhausted";
    default:
      return "OK";  // Also 404 and 412: an answer, not a failure.
  }
}

Labels LabelsOf(const Method& method) {
  return {{"grpc_service", std::string(method.service)},
          {"grpc_method", std::string(method.name)},
          {"grpc_type", std::string(method.type)}};
}

void AddRequests(const MetricsSources& sources, const api::ServerStats& http, Families* out) {
  using Key = std::pair<std::string, std::string>;  // Service and method.
  std::map<std::pair<Key, std::string>, uint64_t> handled;
  std::map<Key, std::pair<Method, uint64_t>> started;
  for (const api::RequestCount& request : http.requests) {
    const Method method = MethodOf(request.endpoint, request.method);
    const Key key{method.service, method.name};
    handled[{key, std::string(CodeOf(request.status))}] += request.count;
    started.try_emplace(key, method, 0).first->second.second += request.count;
  }
  // A watch is answered, with its head, when it begins; it is handled when it has ended.
  const uint64_t watches = sources.machine->feed().stats().watches;
  for (auto& [key, count] : handled) {
    const Method& method = started.at(key.first).first;
    if (method.name == "Watch" && key.second == "OK") count -= std::min(count, watches);
    out->Counter("grpc_server_handled_total", "Requests answered, under etcd's names.",
                 ToDouble(count), With(LabelsOf(method), "grpc_code", key.second));
  }
  for (const auto& [key, one] : started) {
    out->Counter("grpc_server_started_total", "Requests begun, under etcd's names.",
                 ToDouble(one.second), LabelsOf(one.first));
  }
  for (const api::LatencyHistogram& h : http.latencies) {
    // One endpoint serves several methods: the one it is there for stands for all.
    if (h.endpoint != "/v1/kv/{key}" && h.endpoint != "/v1/txn" && h.endpoint != "/v1/kv") continue;
    prometheus::ClientMetric& metric =
        out->Add("grpc_server_handling_seconds", "Time to an answer, under etcd's names.",
                 prometheus::MetricType::Histogram,
                 LabelsOf(h.endpoint == "/v1/txn"  ? Method{"etcdserverpb.KV", "Txn"}
                          : h.endpoint == "/v1/kv" ? Method{"etcdserverpb.KV", "Range"}
                                                   : Method{"etcdserverpb.KV", "Put"}));
    uint64_t total = 0;
    for (size_t i = 0; i < h.counts.size(); ++i) {
      total += h.counts[i];
      const double bound = i < h.bounds_seconds.size() ? h.bounds_seconds[i]
                                                       : std::numeric_limits<double>::infinity();
      metric.histogram.bucket.push_back({total, bound});
    }
    metric.histogram.sample_count = total;
    metric.histogram.sample_sum = h.sum_seconds;
  }
  out->Counter("etcd_network_client_grpc_received_bytes_total", "Bytes received from clients.",
               ToDouble(http.received_bytes));
  out->Counter("etcd_network_client_grpc_sent_bytes_total", "Bytes sent to clients.",
               ToDouble(http.sent_bytes));
}

void AddServer(const MetricsSources& sources, const node::NodeStatus& status, Families* out) {
  const raft::CoreStatus& core = status.core;
  const node::NodeMeasures& measures = sources.node->measures();
  out->Gauge("etcd_server_has_leader", "1 if a leader is known.", core.leader == kNoNode ? 0 : 1);
  out->Gauge("etcd_server_is_leader", "1 if this node leads.",
             core.role == raft::Role::kLeader ? 1 : 0);
  out->Gauge(
      "etcd_server_is_learner", "1 if this node is a learner.",
      raft::IsMember(core.membership, core.id) && !raft::IsVoter(core.membership, core.id) ? 1 : 0);
  out->Counter("etcd_server_leader_changes_seen_total", "New leaders seen.",
               ToDouble(status.leader_changes));
  out->Counter("etcd_server_proposals_failed_total", "Writes answered with an error.",
               ToDouble(measures.failed_proposals.value()));
  out->Gauge("etcd_server_proposals_pending", "Writes that wait for their answer.",
             ToDouble(status.proposals_pending));
  out->Counter("etcd_server_proposals_committed_total", "The commit index.",
               ToDouble(core.commit.value()));
  out->Counter("etcd_server_proposals_applied_total", "The applied index.",
               ToDouble(core.applied.value()));
}

void AddDisk(const MetricsSources& sources, const node::NodeStatus& status, const DbStats& db,
             Families* out) {
  const node::NodeMeasures& measures = sources.node->measures();
  out->Histogram("etcd_disk_wal_fsync_duration_seconds", "One fdatasync of the Raft log.",
                 measures.log.sync.snapshot());
  out->Histogram("etcd_disk_backend_commit_duration_seconds",
                 "Applying committed entries, which here writes memory only.",
                 measures.apply.snapshot());
  uint64_t total = db.memtable_bytes;
  uint64_t deepest = 0;
  for (const DbStats::Level& level : db.levels) {
    total += level.bytes;
    if (level.bytes > 0) deepest = level.bytes;
  }
  out->Gauge("etcd_mvcc_db_total_size_in_bytes", "Bytes of all tables and memtables.",
             ToDouble(total));
  out->Gauge("etcd_mvcc_db_total_size_in_use_in_bytes",
             "Bytes of the deepest level and of memtables.", ToDouble(deepest + db.memtable_bytes));
  out->Gauge("etcd_server_quota_backend_bytes", "What the disk would hold.",
             ToDouble(total + status.free_bytes));
}

void AddPeers(const MetricsSources& sources, const node::NodeStatus& status, Families* out) {
  for (const transport::PeerStats& peer : sources.transport->Stats()) {
    const Labels to = {{"To", ToString(peer.peer)}};
    out->Counter("etcd_network_peer_sent_bytes_total", "Bytes sent to a peer.",
                 ToDouble(peer.sent_bytes), to);
    out->Counter("etcd_network_peer_sent_failures_total", "Messages for a peer that were not sent.",
                 ToDouble(peer.dropped_messages), to);
    out->Counter("etcd_network_peer_received_bytes_total", "Bytes received from a peer.",
                 ToDouble(peer.received_bytes), {{"From", ToString(peer.peer)}});
  }
  for (const node::PeerFigures& peer : status.peer_figures) {
    out->Histogram("etcd_network_peer_round_trip_time_seconds",
                   "From a heartbeat to a peer's answer (on the leader).", peer.round_trips,
                   {{"To", ToString(peer.id)}});
  }
}

}  // namespace

void AddEtcdMetrics(const MetricsSources& sources, const node::NodeStatus& status,
                    const DbStats& db, const api::ServerStats& http, Families* out) {
  AddServer(sources, status, out);
  AddDisk(sources, status, db, out);
  AddPeers(sources, status, out);
  AddRequests(sources, http, out);
}

}  // namespace sisyphus::server
