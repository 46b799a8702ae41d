// /v1/members and /v1/leader/transfer: what changes who is in the cluster and who leads it. Only
// the leader does any of it; others say where it is.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "api/api.h"
#include "api/handlers.h"
#include "api/problem.h"

namespace sisyphus::api {
namespace {

using nlohmann::json;
using Op = raft::MembershipChange::Op;

constexpr size_t kMaxPeerBytes = 300;  // A DNS name and a port.

Status Invalid(std::string message) {
  return MakeStatus(StatusCode::kInvalidArgument, std::move(message));
}

StatusOr<NodeId> ParseId(std::string_view text) {
  uint64_t id = 0;
  if (!ParseNumber(text, &id) || id == 0) return Invalid("an id is a number from 1 on");
  return NodeId(id);
}

Status CheckPeer(const std::string& peer) {
  const size_t colon = peer.rfind(':');
  uint64_t port = 0;
  const bool good =
      colon != std::string::npos && colon > 0 && peer.size() <= kMaxPeerBytes &&
      ParseNumber(std::string_view(peer).substr(colon + 1), &port) && port > 0 && port <= 65'535 &&
      std::all_of(peer.begin(), peer.end(), [](char c) { return c > ' ' && c < 127; });
  return good ? OkStatus() : Invalid("\"peer\" is HOST:PORT");
}

// The JSON object of a body; an empty body is an empty object. What is left of it in the end is
// unknown.
StatusOr<json> ParseObject(const std::string& body) {
  if (body.empty()) return json::object();
  json object = json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return Invalid("the body is no JSON object");
  return object;
}

StatusOr<NodeId> TakeId(json* object, const char* name) {
  const auto field = object->find(name);
  if (field == object->end() || !field->is_number_unsigned() || field->get<uint64_t>() == 0) {
    return Invalid("\"" + std::string(name) + "\" is a number from 1 on");
  }
  const NodeId id(field->get<uint64_t>());
  object->erase(field);
  return id;
}

Status CheckNothingLeft(const json& object) {
  if (object.empty()) return OkStatus();
  return Invalid("unknown member " + object.begin().key().substr(0, kMaxPeerBytes) +
                 " of the body");
}

bool CheckNoQuery(Exchange& exchange, const Match& match) {
  const StatusOr<Parameters> parameters = Parameters::Parse(match.query);
  return CheckOrRespond(exchange, parameters.ok() ? parameters->Finish() : parameters.status());
}

void RespondNotMember(Exchange& exchange, NodeId id) {
  exchange.RespondProblem(MakeProblem(404, "node " + ToString(id) + " is not a member"));
}

void RespondOutcome(Api& api, Exchange& exchange, const Status& status) {
  if (status.ok()) return RespondCluster(api, exchange);
  if (status.code() == StatusCode::kFailedPrecondition) {
    return exchange.RespondProblem(MakeProblem(409, std::string(MessageOf(status))));
  }
  exchange.RespondProblem(ProblemOf(status, true));
}

void Change(Api& api, Exchange& exchange, Op op, NodeId id, std::string peer) {
  raft::MembershipChange change;
  change.operations.push_back({op, id, std::move(peer)});
  api.node().ChangeMembership(
      std::move(change), api.ReadDeadlineOf(exchange),
      [&api, resumer = exchange.Suspend()](const Status& status) mutable {
        resumer.Resume([&api, status](Exchange& resumed) { RespondOutcome(api, resumed, status); });
      });
}

}  // namespace

void HandleAddMember(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckNoQuery(exchange, match)) return;
  StatusOr<json> object = ParseObject(exchange.body());
  if (!CheckOrRespond(exchange, object.status())) return;
  const StatusOr<NodeId> id = TakeId(&*object, "id");
  if (!CheckOrRespond(exchange, id.status())) return;
  const auto field = object->find("peer");
  const std::string peer =
      field != object->end() && field->is_string() ? field->get<std::string>() : "";
  if (!CheckOrRespond(exchange, CheckPeer(peer))) return;
  object->erase(field);
  if (!CheckOrRespond(exchange, CheckNothingLeft(*object))) return;
  if (!api.RequireLeader(exchange, match)) return;
  const raft::Membership membership = api.node().Status().core.membership;
  if (raft::IsMember(membership, *id)) {
    // A repeated request finds what it asked for.
    for (const raft::Membership::Address& address : membership.addresses) {
      if (address.id == *id && address.peer == peer) return RespondCluster(api, exchange);
    }
    return exchange.RespondProblem(
        MakeProblem(409, "node " + ToString(*id) + " is a member already, at another address"));
  }
  Change(api, exchange, Op::kAddLearner, *id, peer);
}

void HandleRemoveMember(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckNoQuery(exchange, match)) return;
  const StatusOr<NodeId> id = ParseId(match.rest);
  if (!CheckOrRespond(exchange, id.status())) return;
  if (!api.RequireLeader(exchange, match)) return;
  if (!raft::IsMember(api.node().Status().core.membership, *id))
    return RespondNotMember(exchange, *id);
  Change(api, exchange, Op::kRemove, *id, "");
}

void HandlePromoteMember(Api& api, Exchange& exchange, const Match& match) {
  constexpr std::string_view kEnd = "/promote";
  if (!match.rest.ends_with(kEnd)) {
    return exchange.RespondProblem(MakeProblem(404, "no such endpoint"));
  }
  if (!CheckNoQuery(exchange, match)) return;
  const StatusOr<NodeId> id = ParseId(match.rest.substr(0, match.rest.size() - kEnd.size()));
  if (!CheckOrRespond(exchange, id.status())) return;
  if (!api.RequireLeader(exchange, match)) return;
  const raft::Membership membership = api.node().Status().core.membership;
  if (!raft::IsMember(membership, *id)) return RespondNotMember(exchange, *id);
  if (raft::IsVoter(membership, *id)) return RespondCluster(api, exchange);
  Change(api, exchange, Op::kAddVoter, *id, "");
}

void HandleTransferLeadership(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckNoQuery(exchange, match)) return;
  StatusOr<json> object = ParseObject(exchange.body());
  if (!CheckOrRespond(exchange, object.status())) return;
  NodeId to = kNoNode;
  if (object->contains("to")) {
    const StatusOr<NodeId> id = TakeId(&*object, "to");
    if (!CheckOrRespond(exchange, id.status())) return;
    to = *id;
  }
  if (!CheckOrRespond(exchange, CheckNothingLeft(*object))) return;
  const node::NodeView view = api.node().View();
  if (to != kNoNode && to == view.leader) return RespondCluster(api, exchange);
  if (!api.RequireLeader(exchange, match)) return;
  api.node().TransferLeadership(
      to, [&api, resumer = exchange.Suspend()](const Status& status) mutable {
        resumer.Resume([&api, status](Exchange& resumed) { RespondOutcome(api, resumed, status); });
      });
}

}  // namespace sisyphus::api
