// /v1/cluster, the probes, /metrics, /version and /openapi.json.

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "api/api.h"
#include "api/cors.h"
#include "api/handlers.h"
#include "api/listener.h"
#include "api/openapi.h"
#include "api/problem.h"

namespace sisyphus::api {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kJsonType = "application/json";
constexpr std::string_view kTextType = "text/plain; charset=utf-8";

// A node that is further behind what it knows to be committed is not ready: it would make readers
// wait.
constexpr uint64_t kMaxReadyLag = 10'000;

std::string_view RoleName(raft::Role role) {
  switch (role) {
    case raft::Role::kFollower:
      return "follower";
    case raft::Role::kPreCandidate:
    case raft::Role::kCandidate:
      return "candidate";
    case raft::Role::kLeader:
      return "leader";
  }
  return "unknown";
}

bool Contains(const std::vector<NodeId>& ids, NodeId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

// One member, with as much as this node knows of it: of itself everything, of others what they said
// when they connected and, if it leads, how far they have come.
ordered_json Member(NodeId id, const Api& api, const node::NodeStatus& status,
                    const std::string& own_http) {
  const raft::Membership& membership = status.core.membership;
  const bool self = id == status.core.id;
  ordered_json member;
  member["id"] = id.value();
  for (const raft::Membership::Address& address : membership.addresses) {
    if (address.id == id) member["peer_address"] = address.peer;
  }
  if (self) {
    member["http_address"] = own_http;
    member["version"] = api.options().version;
  }
  for (const node::PeerInfo& peer : status.peers) {
    if (peer.id != id || self) continue;
    member["http_address"] = peer.http_address;
    member["version"] = peer.version;
  }
  const bool voter = raft::IsVoter(membership, id);
  member["voter"] = voter;
  if (self) {
    member["role"] = voter                            ? RoleName(status.core.role)
                     : raft::IsMember(membership, id) ? "learner"
                                                      : "none";
    member["term"] = status.core.term.value();
    member["applied"] = status.core.applied.value();
    member["lag"] = status.core.commit - std::min(status.core.applied, status.core.commit);
    member["health"] = "healthy";
    return member;
  }
  member["role"] = !voter ? "learner" : id == status.core.leader ? "leader" : "follower";
  member["health"] = "unknown";
  for (const raft::PeerProgress& progress : status.progress) {
    if (progress.id != id) continue;
    member["match"] = progress.match.value();
    member["lag"] = status.core.last - std::min(progress.match, status.core.last);
    member["health"] = progress.active ? "healthy" : "unreachable";
  }
  return member;
}

struct Check {
  std::string_view name;
  bool ok = false;
  std::string detail;
};

std::vector<Check> ReadyChecks(Api& api) {
  const node::NodeView view = api.node().View();
  const uint64_t lag = view.commit - std::min(view.applied, view.commit);
  const node::NodeStatus status = api.node().Status();
  const raft::CoreStatus& core = status.core;
  const std::string& distrust = status.content.distrust;
  const raft::Membership& members = core.membership;
  const bool member = raft::IsMember(members, core.id);
  const bool removed = Contains(members.removed, core.id);
  const bool draining = api.listener().draining();
  return {
      {"member", member,
       member    ? "yes"
       : removed ? "not a member: removed from the cluster"
                 : "not a member: not added yet"},
      {"leader", view.leader != kNoNode,
       view.leader != kNoNode ? "node " + ToString(view.leader) : "none is known"},
      {"applied", lag <= kMaxReadyLag, std::to_string(lag) + " entries behind"},
      {"content", distrust.empty(), distrust.empty() ? "as on the others" : distrust},
      {"serving", !draining, draining ? "shutting down" : "yes"},
  };
}

void RespondText(Exchange& exchange, std::string_view text) {
  exchange.Respond({.content_type = kTextType, .body = text});
}

}  // namespace

void HandleCluster(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckNoParameters(exchange, match)) return;
  RespondCluster(api, exchange, MembersMayRead(api, exchange));
}

void RespondCluster(Api& api, Exchange& exchange, std::string_view headers) {
  const node::NodeStatus status = api.node().Status();
  const raft::Membership& membership = status.core.membership;
  const std::string own_http = api.options().advertised_http.empty()
                                   ? api.listener().bound_address()
                                   : api.options().advertised_http;
  std::vector<NodeId> ids = raft::MembersOf(membership);
  if (!raft::IsMember(membership, status.core.id)) ids.push_back(status.core.id);

  ordered_json cluster;
  if (!api.options().cluster_id.empty()) cluster["cluster_id"] = api.options().cluster_id;
  cluster["id"] = status.core.id.value();
  if (status.core.leader != kNoNode) cluster["leader"] = status.core.leader.value();
  cluster["term"] = status.core.term.value();
  cluster["committed"] = status.core.commit.value();
  cluster["applied"] = status.core.applied.value();
  if (membership.joint()) cluster["joint"] = true;
  if (!membership.removed.empty()) {
    for (const NodeId id : membership.removed) cluster["removed"].push_back(id.value());
  }
  cluster["members"] = ordered_json::array();
  for (const NodeId id : ids) cluster["members"].push_back(Member(id, api, status, own_http));
  // The newest first. A moment is told by how long ago it was: the server reads no wall clock.
  cluster["leader_history"] = ordered_json::array();
  const MonotonicTime now = api.node().Now();
  for (auto change = status.leader_history.rbegin(); change != status.leader_history.rend();
       ++change) {
    cluster["leader_history"].push_back(
        {{"leader", change->leader.value()},
         {"term", change->term.value()},
         {"ago_ms",
          std::chrono::duration_cast<std::chrono::milliseconds>(now - change->at).count()}});
  }
  // Bytes that are not UTF-8 (another node's version could hold any) are replaced, never thrown at.
  exchange.Respond(
      {.content_type = kJsonType,
       .headers = headers,
       .owned_body = cluster.dump(-1, ' ', false, ordered_json::error_handler_t::replace)});
}

void HandleLive(Api&, Exchange& exchange, const Match& match) {
  if (CheckNoParameters(exchange, match)) RespondText(exchange, "ok\n");
}

void HandleReady(Api& api, Exchange& exchange, const Match& match) {
  StatusOr<Parameters> parameters = Parameters::Parse(match.query);
  if (!CheckOrRespond(exchange, parameters.status())) return;
  const StatusOr<bool> verbose = parameters->TakeFlag("verbose");
  if (!CheckOrRespond(exchange, verbose.status())) return;
  if (!CheckOrRespond(exchange, parameters->Finish())) return;
  std::string all;
  std::string failed;
  for (const Check& check : ReadyChecks(api)) {
    const std::string line =
        std::string(check.name) + ": " + (check.ok ? "ok" : "failed") + " (" + check.detail + ")";
    all += line + "\n";
    if (check.ok) continue;
    failed += (failed.empty() ? "" : "; ") + line;
  }
  if (failed.empty()) return RespondText(exchange, *verbose ? all : "ok\n");
  Problem problem = MakeProblem(503, *verbose ? all : failed);
  problem.code = "not_ready";
  exchange.RespondProblem(problem);
}

void HandleMetrics(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckNoParameters(exchange, match)) return;
  // On the first io thread, so that never two are rendered at a time.
  api.listener().PostToFirstThread(
      [&api, headers = MembersMayRead(api, exchange), resumer = exchange.Suspend()]() mutable {
        std::string text = api.options().render_metrics ? api.options().render_metrics() : "";
        resumer.Resume(
            [metrics = std::move(text), lines = std::move(headers)](Exchange& resumed) mutable {
              resumed.Respond({.content_type = "text/plain; version=0.0.4; charset=utf-8",
                               .headers = lines,
                               .owned_body = std::move(metrics)});
            });
      });
}

void HandleOpenApi(Api&, Exchange& exchange, const Match& match) {
  if (!CheckNoParameters(exchange, match)) return;
  exchange.Respond({.content_type = kJsonType, .body = OpenApiDescription()});
}

void HandleVersion(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckNoParameters(exchange, match)) return;
  exchange.Respond({.content_type = kJsonType,
                    .owned_body = ordered_json{{"version", api.options().version}}.dump(
                        -1, ' ', false, ordered_json::error_handler_t::replace)});
}

}  // namespace sisyphus::api
