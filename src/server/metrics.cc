#include "server/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "raft/membership.h"

namespace sisyphus::server {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

// Collects families; a name that comes twice goes into one family, as the format wants it.
class Families {
 public:
  void Gauge(const char* name, const char* help, double value, Labels labels = {}) {
    Add(name, help, MetricType::Gauge, std::move(labels)).gauge.value = value;
  }
  void Counter(const char* name, const char* help, double value, Labels labels = {}) {
    Add(name, help, MetricType::Counter, std::move(labels)).counter.value = value;
  }
  ClientMetric& Add(const char* name, const char* help, MetricType type, Labels labels) {
    if (families_.empty() || families_.back().name != name)
      families_.push_back({name, help, type, {}});
    ClientMetric metric;
    metric.label = std::move(labels);
    families_.back().metric.push_back(std::move(metric));
    return families_.back().metric.back();
  }
  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<MetricFamily> families_;
};

double ToDouble(uint64_t value) { return static_cast<double>(value); }

// 0 follower, 1 candidate, 2 leader.
double StateNumber(raft::Role role) {
  switch (role) {
    case raft::Role::kLeader:
      return 2;
    case raft::Role::kCandidate:
    case raft::Role::kPreCandidate:
      return 1;
    case raft::Role::kFollower:
      return 0;
  }
  return 0;
}

void AddRaft(const node::NodeStatus& status, const Labels& node_label, Families* out) {
  const raft::CoreStatus& core = status.core;
  const auto gauge = [&](const char* name, const char* help, double value) {
    out->Gauge(name, help, value, node_label);
  };
  const auto counter = [&](const char* name, const char* help, double value) {
    out->Counter(name, help, value, node_label);
  };
  gauge("raft_current_term", "The Raft term this node is in.", ToDouble(core.term.value()));
  gauge("raft_commit_index", "The last log index known to be committed.",
        ToDouble(core.commit.value()));
  gauge("raft_state", "0 follower, 1 candidate, 2 leader.", StateNumber(core.role));
  gauge("raft_leader", "The id of the leader this node knows, 0 if none.",
        ToDouble(core.leader.value()));
  gauge("sisyphus_raft_applied_index", "The last log index applied here.",
        ToDouble(core.applied.value()));
  gauge("sisyphus_raft_last_index", "The last index of this node's log.",
        ToDouble(core.last.value()));
  gauge("sisyphus_raft_log_bytes", "Bytes of this node's Raft log on disk.",
        ToDouble(status.log_bytes));
  gauge("sisyphus_disk_free_bytes", "Free on the disk of the log.", ToDouble(status.free_bytes));
  counter("sisyphus_snapshots_installed_total", "Snapshots that replaced this node's state.",
          ToDouble(status.snapshots_installed));
  counter("sisyphus_raft_log_syncs_total", "Syncs of the Raft log.", ToDouble(status.log_syncs));
  counter("sisyphus_raft_elections_total", "Elections begun by this node.",
          ToDouble(status.elections));
  counter("sisyphus_raft_leader_changes_total", "New leaders seen by this node.",
          ToDouble(status.leader_changes));
  gauge("sisyphus_proposals_pending", "Writes that wait for their answer here.",
        ToDouble(status.proposals_pending));
  gauge("sisyphus_reads_pending", "Linearizable reads that wait for their confirmation.",
        ToDouble(status.reads_pending));
  for (const raft::PeerProgress& peer : status.progress) {
    if (peer.id == core.id) continue;
    Labels labels = node_label;
    labels.push_back({"peer", ToString(peer.id)});
    const uint64_t lag = core.last > peer.match ? core.last - peer.match : 0;
    out->Gauge("sisyphus_peer_lag_entries",
               "Log entries that a peer has not acknowledged (on the leader).", ToDouble(lag),
               labels);
  }
}

void AddContent(const node::ContentStatus& content, const std::vector<NodeId>& members,
                const Labels& node_label, Families* out) {
  out->Gauge("sisyphus_content_trusted",
             "0 while this node replaces its content, which differs from what a majority holds.",
             content.distrust.empty() ? 1 : 0, node_label);
  out->Gauge("sisyphus_content_agreed_index",
             "The newest index known where a majority holds the same as this node.",
             ToDouble(content.last_agreed.value()), node_label);
  out->Counter("sisyphus_content_checks_total", "Content hashes of others compared.",
               ToDouble(content.checks), node_label);
  out->Counter("sisyphus_content_mismatches_total", "Of these, found to differ.",
               ToDouble(content.mismatches), node_label);
  out->Counter("sisyphus_content_reseeds_total", "Times this node began to replace its content.",
               ToDouble(content.reseeds), node_label);
  for (const NodeId member : members) {
    const bool differs = std::find(content.differing.begin(), content.differing.end(), member) !=
                         content.differing.end();
    Labels labels = node_label;
    labels.push_back({"peer", ToString(member)});
    out->Gauge("sisyphus_content_differs", "1: the peer holds something else than this node.",
               differs ? 1 : 0, std::move(labels));
  }
}

void AddEngine(const DbStats& stats, const Labels& node_label, Families* out) {
  const auto levels = [&](const char* name, const char* help, auto value) {
    for (int level = 0; level < kLevels; ++level) {
      Labels labels = node_label;
      labels.push_back({"level", std::to_string(level)});
      out->Gauge(name, help, ToDouble(value(stats.levels[static_cast<size_t>(level)])),
                 std::move(labels));
    }
  };
  levels("kv_level_file_count", "Tables in a level of the tree.",
         [](const auto& l) { return l.files; });
  levels("kv_level_size_bytes", "Bytes of the tables in a level of the tree.",
         [](const auto& l) { return l.bytes; });
  const auto gauge = [&](const char* name, const char* help, uint64_t value) {
    out->Gauge(name, help, ToDouble(value), node_label);
  };
  const auto counter = [&](const char* name, const char* help, uint64_t value) {
    out->Counter(name, help, ToDouble(value), node_label);
  };
  gauge("sisyphus_memtable_bytes", "Bytes in memtables.", stats.memtable_bytes);
  gauge("sisyphus_immutable_memtables", "Full memtables that wait for their flush.",
        stats.immutable_memtables);
  gauge("sisyphus_compaction_debt_bytes", "Bytes that compaction is behind.",
        stats.compaction_debt_bytes);
  counter("sisyphus_flushes_total", "Memtables flushed.", stats.flushes);
  counter("sisyphus_flushed_bytes_total", "Bytes of tables written by flushes.",
          stats.flushed_bytes);
  counter("sisyphus_compactions_total", "Compactions done.", stats.compactions);
  counter("sisyphus_compaction_read_bytes_total", "Bytes read by compactions.",
          stats.compaction_read_bytes);
  counter("sisyphus_compaction_written_bytes_total", "Bytes written by compactions.",
          stats.compaction_written_bytes);
  counter("sisyphus_block_cache_hits_total", "Blocks found in the cache.", stats.cache_hits);
  counter("sisyphus_block_cache_misses_total", "Blocks read from a file.", stats.cache_misses);
  gauge("sisyphus_block_cache_bytes", "Bytes in the block cache.", stats.cache_bytes);
  counter("sisyphus_bloom_checks_total", "Tables asked for a key.", stats.bloom_checks);
  counter("sisyphus_bloom_skips_total", "Reads of a table that its filter saved.",
          stats.bloom_skips);
  counter("sisyphus_write_stalls_total", "Times that applying had to wait for a flush.",
          stats.stalls);
}

void AddHistory(kv::Machine& machine, const Labels& node_label, Families* out) {
  const auto gauge = [&](const char* name, const char* help, double value) {
    out->Gauge(name, help, value, node_label);
  };
  gauge("sisyphus_history_floor_revision", "Reads and watches of the past are refused below.",
        ToDouble(machine.history_floor().value()));
  const kv::PinnedReaders::Stats readers = machine.readers().stats(machine.clock().Now());
  gauge("sisyphus_readers_pinned", "Readers of ranges that pin tables or memtables.",
        ToDouble(readers.readers));
  gauge("sisyphus_oldest_reader_seconds", "For which the oldest of them has.",
        std::chrono::duration<double>(readers.oldest).count());
  const kv::WatchFeedStats feed = machine.feed().stats();
  gauge("sisyphus_watches", "Open watches.", ToDouble(feed.watches));
  gauge("sisyphus_watches_parked", "Open watches that wait for something to happen.",
        ToDouble(feed.parked));
  gauge("sisyphus_watch_ring_bytes", "Of recent changes kept for watches.",
        ToDouble(feed.ring_bytes));
  out->Counter("sisyphus_watch_wakeups_total", "Watches woken.", ToDouble(feed.wakeups),
               node_label);
  out->Counter("sisyphus_watch_history_reads_total",
               "Pieces that watches read from the tree, being behind the recent changes.",
               ToDouble(feed.tree_reads), node_label);
}

void AddHttp(const api::ServerStats& stats, Families* out) {
  for (const api::RequestCount& r : stats.requests) {
    out->Counter(
        "http_requests_total", "Requests answered.", ToDouble(r.count),
        {{"method", r.method}, {"endpoint", r.endpoint}, {"status", std::to_string(r.status)}});
  }
  for (const api::LatencyHistogram& h : stats.latencies) {
    ClientMetric& metric =
        out->Add("http_request_duration_seconds", "From a parsed request to its answer.",
                 MetricType::Histogram, {{"endpoint", h.endpoint}});
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
  out->Gauge("sisyphus_http_connections", "Open client connections.",
             ToDouble(stats.open_connections));
  out->Counter("sisyphus_http_connections_total", "Client connections accepted.",
               ToDouble(stats.accepted_connections));
  out->Gauge("sisyphus_http_requests_in_flight", "Requests that wait for their answer.",
             ToDouble(stats.inflight_requests));
  out->Counter("sisyphus_refused_total", "Requests refused because of overload.",
               ToDouble(stats.refused_overload));
  const char* const name = "sisyphus_http_connections_refused_total";
  const char* const help = "Client connections refused, by the limit that they went beyond.";
  out->Counter(name, help, ToDouble(stats.refused_by_total), {{"limit", "total"}});
  out->Counter(name, help, ToDouble(stats.refused_by_address), {{"limit", "address"}});
}

}  // namespace

std::string RenderMetrics(const MetricsSources& sources) {
  const Labels node_label = {{"node_id", ToString(sources.id)}};
  Families families;
  const node::NodeStatus status = sources.node->Status();
  AddRaft(status, node_label, &families);
  std::vector<NodeId> others = raft::MembersOf(status.core.membership);
  std::erase(others, sources.id);
  AddContent(status.content, others, node_label, &families);
  AddEngine(sources.machine->stats(), node_label, &families);
  AddHistory(*sources.machine, node_label, &families);
  AddHttp(sources.api->stats(), &families);
  return families.Text();
}

}  // namespace sisyphus::server
