// Metrics of the HTTP API, of what is refused, of memory by part, and of the process.
#include <limits>
#include <utility>

#include "server/log.h"
#include "server/metrics.h"
#include "server/process_figures.h"
#include "server/version.h"

namespace sisyphus::server {

namespace {

void AddRequests(const api::ServerStats& stats, Families* out) {
  for (const api::RequestCount& r : stats.requests) {
    out->Counter(
        "http_requests_total", "Requests answered.", ToDouble(r.count),
        {{"method", r.method}, {"endpoint", r.endpoint}, {"status", std::to_string(r.status)}});
  }
  for (const api::LatencyHistogram& h : stats.latencies) {
    prometheus::ClientMetric& metric =
        out->Add("http_request_duration_seconds", "From a parsed request to its answer.",
                 prometheus::MetricType::Histogram, {{"endpoint", h.endpoint}});
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
}

void AddConnections(const api::ServerStats& stats, const Labels& labels, Families* out) {
  const auto gauge = [&](const char* name, const char* help, uint64_t value) {
    out->Gauge(name, help, ToDouble(value), labels);
  };
  const auto counter = [&](const char* name, const char* help, uint64_t value) {
    out->Counter(name, help, ToDouble(value), labels);
  };
  gauge("sisyphus_http_connections", "Open client connections.", stats.open_connections);
  counter("sisyphus_http_connections_total", "Client connections accepted.",
          stats.accepted_connections);
  const char* const refused = "sisyphus_http_connections_refused_total";
  const char* const refused_help =
      "Client connections refused, by the limit that they went beyond.";
  out->Counter(refused, refused_help, ToDouble(stats.refused_by_total),
               With(labels, "limit", "total"));
  out->Counter(refused, refused_help, ToDouble(stats.refused_by_address),
               With(labels, "limit", "address"));
  gauge("sisyphus_http_requests_in_flight", "Requests that wait for their answer.",
        stats.inflight_requests);
  counter("sisyphus_http_received_bytes_total", "Bytes received from clients.",
          stats.received_bytes);
  counter("sisyphus_http_sent_bytes_total", "Bytes sent to clients.", stats.sent_bytes);
  gauge("sisyphus_scans", "Ranges being read.", stats.scans);
  counter("sisyphus_slow_operations_total", "Requests that the slow-operation log took note of.",
          stats.slow_operations);
}

void AddRefusals(const MetricsSources& sources, const api::ServerStats& stats, const Labels& labels,
                 Families* out) {
  const node::NodeMeasures& measures = sources.node->measures();
  const std::pair<const char*, uint64_t> reasons[] = {
      {"writes", measures.refused_writes.value()},
      {"reads", measures.refused_reads.value()},
      {"disk_space", measures.refused_space.value()},
      {"connections", stats.refused_by_total + stats.refused_by_address},
      {"body_bytes", stats.refused_body_bytes},
      {"scans", stats.refused_scans},
      {"watches", sources.machine->feed().stats().refused}};
  for (const auto& [reason, count] : reasons) {
    out->Counter("sisyphus_refused_total", "Refused, by what there was too much or little of.",
                 ToDouble(count), With(labels, "reason", reason));
  }
}

void AddMemory(const MetricsSources& sources, const node::NodeStatus& status,
               const api::ServerStats& http, const Labels& labels, Families* out) {
  const DbStats db = sources.machine->stats();
  uint64_t peer_queues = 0;
  for (const transport::PeerStats& peer : sources.transport->Stats()) {
    peer_queues += peer.queued_bytes;
  }
  const std::pair<const char*, uint64_t> parts[] = {
      {"memtables", db.memtable_bytes},
      {"block_cache", db.cache_bytes},
      {"raft_log", status.core.log_memory_bytes},
      {"proposals", status.proposal_bytes_pending},
      {"watch_ring", sources.machine->feed().stats().ring_bytes},
      {"peer_queues", peer_queues},
      {"request_bodies", http.inflight_bytes}};
  for (const auto& [part, bytes] : parts) {
    out->Gauge("sisyphus_memory_bytes", "Memory by what it is for, as far as it is counted.",
               ToDouble(bytes), With(labels, "part", part));
  }
}

}  // namespace

void AddHttpMetrics(const MetricsSources& sources, const node::NodeStatus& status,
                    const api::ServerStats& stats, const Labels& labels, Families* out) {
  AddRequests(stats, out);
  AddConnections(stats, labels, out);
  AddRefusals(sources, stats, labels, out);
  AddMemory(sources, status, stats, labels, out);
  out->Gauge("sisyphus_disk_free_bytes", "Free on the disk of the log.",
             ToDouble(status.free_bytes), labels);
}

void AddProcessMetrics(const MetricsSources& sources, const Labels& labels, Families* out) {
  const ProcessFigures process = ReadProcessFigures();
  out->Gauge("sisyphus_disk_size_bytes", "Size of the disk of the data directory.",
             ToDouble(DiskSizeBytes(sources.data_dir)), labels);
  out->Counter("sisyphus_log_lines_suppressed_total", "Repeated lines that the log left out.",
               ToDouble(ProcessLog().suppressed()), labels);
  out->Gauge("sisyphus_last_backup_timestamp_seconds",
             "When the file LAST_BACKUP in the data directory was touched, since 1970; 0: never.",
             ChangedAt(sources.data_dir + "/LAST_BACKUP"), labels);
  out->Gauge("sisyphus_build_info", "1; the labels say what runs.", 1,
             With(With(labels, "version", kVersion), "cluster_id", sources.cluster_id));
  out->Counter("process_cpu_seconds_total", "CPU time, user and system.", process.cpu_seconds);
  out->Gauge("process_start_time_seconds", "When the process started, since 1970.",
             process.start_time_seconds);
  out->Gauge("process_resident_memory_bytes", "Resident memory.", ToDouble(process.resident_bytes));
  out->Gauge("process_virtual_memory_bytes", "Virtual memory.", ToDouble(process.virtual_bytes));
  out->Gauge("process_open_fds", "Open file descriptors.", ToDouble(process.open_fds));
  out->Gauge("process_max_fds", "File descriptors that may be open.", ToDouble(process.max_fds));
  out->Gauge("process_threads", "Threads.", ToDouble(process.threads));
}

}  // namespace sisyphus::server
