// Metrics of the Raft node: its state, the path of a write, reads, content; and of its peers.
#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "raft/membership.h"
#include "server/metrics.h"

namespace sisyphus::server {

namespace {

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

double Seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

// How many of `voters` a leader could lose and go on, as it hears them now; below 0: it cannot.
int Margin(const node::NodeStatus& status, const std::vector<NodeId>& voters) {
  const auto hears = [&](NodeId id) {
    return id == status.core.id ||
           std::any_of(status.progress.begin(), status.progress.end(),
                       [id](const raft::PeerProgress& p) { return p.id == id && p.active; });
  };
  const auto active = std::count_if(voters.begin(), voters.end(), hears);
  return static_cast<int>(active) - static_cast<int>(voters.size() / 2 + 1);
}

void AddRaft(const MetricsSources& sources, const node::NodeStatus& status, const Labels& labels,
             Families* out) {
  const raft::CoreStatus& core = status.core;
  const auto gauge = [&](const char* name, const char* help, double value) {
    out->Gauge(name, help, value, labels);
  };
  gauge("raft_current_term", "The Raft term this node is in.", ToDouble(core.term.value()));
  gauge("raft_commit_index", "The last log index known to be committed.",
        ToDouble(core.commit.value()));
  gauge("raft_state", "0 follower, 1 candidate, 2 leader.", StateNumber(core.role));
  gauge("raft_leader", "The id of the leader this node knows, 0 if none.",
        ToDouble(core.leader.value()));
  gauge("sisyphus_has_leader", "1 if this node knows a leader.", core.leader == kNoNode ? 0 : 1);
  gauge("sisyphus_raft_applied_index", "The last log index applied here.",
        ToDouble(core.applied.value()));
  gauge("sisyphus_raft_last_index", "The last index of this node's log.",
        ToDouble(core.last.value()));
  gauge("sisyphus_raft_first_index", "The first index that this node's log still has.",
        ToDouble(core.first.value()));
  gauge("sisyphus_raft_log_bytes", "Bytes of this node's Raft log on disk.",
        ToDouble(status.log_bytes));
  const raft::Membership& members = core.membership;
  gauge("sisyphus_voters", "Voters of the cluster, as this node knows it.",
        ToDouble(members.voters.size()));
  gauge("sisyphus_learners", "Learners of the cluster.", ToDouble(members.learners.size()));
  if (core.role == raft::Role::kLeader) {
    int margin = Margin(status, members.voters);
    if (members.joint()) margin = std::min(margin, Margin(status, members.outgoing));
    gauge("sisyphus_quorum_margin",
          "Voters that may still fail before there is no majority (on the leader).", margin);
  }
  const node::NodeMeasures& measures = sources.node->measures();
  constexpr std::string_view kReasons[node::kElectionReasons] = {"timeout", "leader_lost",
                                                                 "transfer", "alone"};
  for (size_t i = 0; i < node::kElectionReasons; ++i) {
    out->Counter("sisyphus_raft_elections_total", "Elections begun by this node, by why.",
                 ToDouble(measures.elections[i].value()),
                 With(labels, "reason", std::string(kReasons[i])));
  }
  out->Counter("sisyphus_raft_leader_changes_total", "New leaders seen by this node.",
               ToDouble(status.leader_changes), labels);
  gauge("sisyphus_lease_remaining_seconds", "Of the leader's lease; 0: it holds none.",
        Seconds(sources.node->LeaseRemaining()));
}

// The stages of docs/metrics.md.
void AddWritePath(const MetricsSources& sources, const node::NodeStatus& status,
                  const api::ServerStats& http, const Labels& labels, Families* out) {
  const node::NodeMeasures& measures = sources.node->measures();
  const std::pair<const char*, DurationHistogram::Snapshot> stages[] = {
      {"queue", measures.queue.snapshot()},
      {"append", measures.append.snapshot()},
      {"sync", measures.log.sync.snapshot()},
      {"replicate", measures.replicate.snapshot()},
      {"commit", measures.commit.snapshot()},
      {"apply", measures.apply.snapshot()},
      {"respond", http.respond}};
  for (const auto& [stage, snapshot] : stages) {
    out->Histogram("sisyphus_write_stage_seconds", "Time that writes spend in each stage.",
                   snapshot, With(labels, "stage", stage));
  }
  out->Histogram("sisyphus_log_write_seconds", "Writing a batch into the log's file.",
                 measures.log.write.snapshot(), labels);
  out->Histogram("sisyphus_log_sync_seconds", "One fdatasync of the Raft log.",
                 measures.log.sync.snapshot(), labels);
  out->Histogram("sisyphus_forward_seconds", "From forwarding a write to the leader to its answer.",
                 measures.forward.snapshot(), labels);
  const auto counter = [&](const char* name, const char* help, uint64_t value) {
    out->Counter(name, help, ToDouble(value), labels);
  };
  counter("sisyphus_log_written_bytes_total", "Bytes written to the Raft log.",
          measures.log.bytes.value());
  counter("sisyphus_raft_log_syncs_total", "Syncs of the Raft log.", status.log_syncs);
  counter("sisyphus_proposals_failed_total", "Writes that were answered with an error here.",
          measures.failed_proposals.value());
  counter("sisyphus_proposal_batches_delayed_total",
          "Batches of writes delayed because the engine is behind.",
          measures.delayed_batches.value());
  out->Gauge("sisyphus_proposals_pending", "Writes that wait for their answer here.",
             ToDouble(status.proposals_pending), labels);
  for (const node::QueueDepth& queue : sources.node->Queues()) {
    out->Gauge("sisyphus_queue_depth", "Tasks that wait for an actor.", ToDouble(queue.depth),
               With(labels, "queue", queue.name));
  }
}

void AddReads(const MetricsSources& sources, const node::NodeStatus& status,
              const api::ServerStats& http, const Labels& labels, Families* out) {
  constexpr std::string_view kConsistencies[] = {"linearizable", "lease", "stale"};
  for (size_t i = 0; i < http.read_waits.size(); ++i) {
    const Labels with = With(labels, "consistency", std::string(kConsistencies[i]));
    out->Counter("sisyphus_reads_total", "Reads by consistency.",
                 ToDouble(http.read_waits[i].total()), with);
    out->Histogram("sisyphus_read_wait_seconds",
                   "What a read waits for before this node's state can answer it.",
                   http.read_waits[i], with);
  }
  out->Histogram("sisyphus_read_index_seconds",
                 "From asking for a read index to its confirmation; one for many reads.",
                 sources.node->measures().read_index.snapshot(), labels);
  out->Gauge("sisyphus_reads_pending", "Reads that wait for their index or for its application.",
             ToDouble(status.reads_pending), labels);
}

void AddContent(const node::ContentStatus& content, const std::vector<NodeId>& members,
                const Labels& labels, Families* out) {
  out->Gauge("sisyphus_content_trusted",
             "0 while this node replaces its content, which differs from what a majority holds.",
             content.distrust.empty() ? 1 : 0, labels);
  out->Gauge("sisyphus_content_agreed_index",
             "The newest index known where a majority holds the same as this node.",
             ToDouble(content.last_agreed.value()), labels);
  out->Counter("sisyphus_content_checks_total", "Content hashes of others compared.",
               ToDouble(content.checks), labels);
  out->Counter("sisyphus_content_mismatches_total", "Of these, found to differ.",
               ToDouble(content.mismatches), labels);
  out->Counter("sisyphus_content_reseeds_total", "Times this node began to replace its content.",
               ToDouble(content.reseeds), labels);
  for (const NodeId member : members) {
    const bool differs = std::find(content.differing.begin(), content.differing.end(), member) !=
                         content.differing.end();
    out->Gauge("sisyphus_content_differs", "1: the peer holds something else than this node.",
               differs ? 1 : 0, With(labels, "peer", ToString(member)));
  }
}

// What a leader sees of its peers.
void AddProgress(const node::NodeStatus& status, const Labels& labels, Families* out) {
  for (const raft::PeerProgress& peer : status.progress) {
    if (peer.id == status.core.id) continue;
    const Labels with = With(labels, "peer", ToString(peer.id));
    out->Gauge("sisyphus_peer_active", "1: a peer was heard from lately (on the leader).",
               peer.active ? 1 : 0, with);
    out->Gauge("sisyphus_peer_inflight_bytes",
               "Of entries sent to a peer and not acknowledged (on the leader).",
               ToDouble(peer.inflight_bytes), with);
    out->Gauge("sisyphus_peer_inflight_messages", "Appends under way to a peer (on the leader).",
               ToDouble(peer.inflight_messages), with);
  }
  for (const node::PeerFigures& peer : status.peer_figures) {
    const Labels with = With(labels, "peer", ToString(peer.id));
    out->Gauge("sisyphus_peer_lag_entries",
               "Log entries that a peer has not acknowledged (on the leader).",
               ToDouble(peer.lag_entries), with);
    out->Gauge("sisyphus_peer_lag_bytes", "Bytes of these, estimated (on the leader).",
               ToDouble(peer.lag.bytes), with);
    out->Gauge("sisyphus_peer_lag_seconds", "Age of the oldest of these (on the leader).",
               Seconds(peer.lag.time), with);
    out->Histogram("sisyphus_peer_round_trip_seconds",
                   "From a heartbeat to a peer's answer (on the leader).", peer.round_trips, with);
  }
}

void AddConnections(const std::vector<transport::PeerStats>& peers, const Labels& labels,
                    Families* out) {
  for (const transport::PeerStats& peer : peers) {
    const Labels with = With(labels, "peer", ToString(peer.peer));
    const auto counter = [&](const char* name, const char* help, uint64_t value) {
      out->Counter(name, help, ToDouble(value), with);
    };
    out->Gauge("sisyphus_peer_connected", "1: this node can send to the peer.",
               peer.connected ? 1 : 0, with);
    out->Gauge("sisyphus_peer_queued_bytes", "Waiting to be sent to the peer.",
               ToDouble(peer.queued_bytes), with);
    counter("sisyphus_peer_sent_bytes_total", "Bytes sent to the peer.", peer.sent_bytes);
    counter("sisyphus_peer_received_bytes_total", "Bytes received from the peer.",
            peer.received_bytes);
    counter("sisyphus_peer_sent_messages_total", "Messages sent to the peer.", peer.sent_messages);
    counter("sisyphus_peer_received_messages_total", "Messages received from the peer.",
            peer.received_messages);
    counter("sisyphus_peer_dropped_messages_total", "Messages for the peer that were not sent.",
            peer.dropped_messages);
    counter("sisyphus_peer_connects_total", "Streams opened to the peer.", peer.connects);
  }
}

}  // namespace

void AddNodeMetrics(const MetricsSources& sources, const node::NodeStatus& status,
                    const api::ServerStats& http, const Labels& labels, Families* out) {
  AddRaft(sources, status, labels, out);
  AddWritePath(sources, status, http, labels, out);
  AddReads(sources, status, http, labels, out);
  std::vector<NodeId> others = raft::MembersOf(status.core.membership);
  std::erase(others, sources.id);
  AddContent(status.content, others, labels, out);
}

void AddPeerMetrics(const MetricsSources& sources, const node::NodeStatus& status,
                    const Labels& labels, Families* out) {
  AddProgress(status, labels, out);
  AddConnections(sources.transport->Stats(), labels, out);
  const node::NodeMeasures& measures = sources.node->measures();
  out->Counter("sisyphus_snapshot_sent_bytes_total", "Of snapshots, sent to followers.",
               ToDouble(measures.snapshot_sent_bytes.value()), labels);
  out->Counter("sisyphus_snapshot_received_bytes_total", "Of snapshots, received.",
               ToDouble(measures.snapshot_received_bytes.value()), labels);
  out->Counter("sisyphus_snapshots_installed_total", "Snapshots that replaced this node's state.",
               ToDouble(status.snapshots_installed), labels);
}

}  // namespace sisyphus::server
