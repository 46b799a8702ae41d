// /v1/leases.

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "api/api.h"
#include "api/handlers.h"
#include "api/json_body.h"
#include "api/problem.h"
#include "api/write_terms.h"

namespace sisyphus::api {
namespace {

using nlohmann::json;

constexpr std::string_view kJsonType = "application/json";
constexpr JsonBounds kBodyBounds = {.events = kv::kMaxLeaseIds + 16, .depth = 3};
constexpr uint64_t kListLimit = 1'000;
constexpr uint64_t kMaxListLimit = 10'000;

bool CheckNoQuery(Exchange& exchange, const Match& match) {
  const StatusOr<Parameters> parameters = Parameters::Parse(match.query);
  return CheckOrRespond(exchange, parameters.ok() ? parameters->Finish() : parameters.status());
}

void RespondNoLease(Exchange& exchange) {
  exchange.RespondProblem(MakeProblem(404, "there is no such lease: it has ended, or never was"));
}

using Answerer = absl::AnyInvocable<void(Exchange&, const kv::LeaseOutcome&)>;

// What a write on leases calls back with, when the exchange is back on its thread.
kv::Store::LeaseCallback Then(Exchange& exchange, Answerer answer) {
  return [resumer = exchange.Suspend(),
          then = std::move(answer)](StatusOr<kv::LeaseOutcome> outcome) mutable {
    resumer.Resume(
        [result = std::move(outcome), succeed = std::move(then)](Exchange& resumed) mutable {
          if (!result.ok()) return resumed.RespondProblem(ProblemOf(result.status(), true));
          succeed(resumed, *result);
        });
  };
}

void RespondObject(Exchange& exchange, const json& object, const kv::LeaseOutcome& outcome,
                   int status = 200) {
  std::string& headers = exchange.header_scratch();
  AppendReplayed(&headers, outcome.replayed);
  std::string& body = exchange.body_scratch();
  body.append(object.dump());
  exchange.Respond({.status = status,
                    .content_type = kJsonType,
                    .headers = headers,
                    .body = body,
                    .revision = outcome.revision.value()});
}

json Describe(const kv::Lease& lease, uint64_t now_ms) {
  const uint64_t left = lease.deadline_ms > now_ms ? lease.deadline_ms - now_ms : 0;
  return {{"id", lease.id},
          {"ttl", TtlText(lease.ttl_ms)},
          {"remaining", TtlText(left)},
          {"keys", lease.keys}};
}

// Calls `answer` on the io thread when the local state may answer a linearizable read.
void AfterReadIndex(Api& api, Exchange& exchange, absl::AnyInvocable<void(Exchange&)> answer) {
  api.node().ReadIndex(
      api.DeadlineOf(exchange),
      [resumer = exchange.Suspend(), then = std::move(answer)](const Status& status) mutable {
        resumer.Resume([status, succeed = std::move(then)](Exchange& resumed) mutable {
          if (!status.ok()) return resumed.RespondProblem(ProblemOf(status, false));
          succeed(resumed);
        });
      });
}

void KeepAlive(Api& api, Exchange& exchange, std::vector<uint64_t> ids, Answerer answer) {
  const StatusOr<kv::Retry> retry = RetryOf(exchange.head());
  if (!CheckOrRespond(exchange, retry.status())) return;
  api.store().KeepLeasesAlive(ids, *retry, api.DeadlineOf(exchange),
                              Then(exchange, std::move(answer)));
}

// {"ids":[...]}: many at once, in one entry.
void KeepManyAlive(Api& api, Exchange& exchange) {
  StatusOr<json> body = ParseJsonObject(exchange.body(), kBodyBounds);
  if (!CheckOrRespond(exchange, body.status())) return;
  std::vector<uint64_t> ids;
  const json list = body->value("ids", json());
  bool good = body->size() == 1 && list.is_array();
  for (size_t i = 0; good && i < list.size(); ++i) {
    good = list[i].is_number_unsigned() && list[i].get<uint64_t>() != 0;
    if (good) ids.push_back(list[i].get<uint64_t>());
  }
  if (!good || ids.empty() || ids.size() > kv::kMaxLeaseIds) {
    return exchange.RespondProblem(MakeProblem(
        400,
        "the body is {\"ids\":[...]} with 1 to " + std::to_string(kv::kMaxLeaseIds) + " leases"));
  }
  KeepAlive(api, exchange, ids, [ids](Exchange& resumed, const kv::LeaseOutcome& outcome) {
    json leases = json::array();
    for (size_t i = 0; i < ids.size() && i < outcome.result.ttls_ms.size(); ++i) {
      const uint64_t ttl = outcome.result.ttls_ms[i];
      leases.push_back({{"id", ids[i]}, {"ttl", ttl == 0 ? json() : json(TtlText(ttl))}});
    }
    RespondObject(resumed, {{"leases", leases}}, outcome);
  });
}

}  // namespace

void HandleGrantLease(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckNoQuery(exchange, match)) return;
  StatusOr<json> body = ParseJsonObject(exchange.body(), kBodyBounds);
  if (!CheckOrRespond(exchange, body.status())) return;
  if (body->size() != 1 || !body->contains("ttl") || !(*body)["ttl"].is_string())
    return exchange.RespondProblem(MakeProblem(400, "the body is {\"ttl\":\"30s\"}"));
  const StatusOr<uint64_t> ttl = ParseTtlMs((*body)["ttl"].get_ref<const std::string&>());
  if (!CheckOrRespond(exchange, ttl.status())) return;
  const StatusOr<kv::Retry> retry = RetryOf(exchange.head());
  if (!CheckOrRespond(exchange, retry.status())) return;
  if (!api.AcceptLeaderRequest(exchange, match)) return;
  api.store().GrantLease(
      *ttl, *retry, api.DeadlineOf(exchange),
      Then(exchange, [ttl = *ttl](Exchange& resumed, const kv::LeaseOutcome& outcome) {
        RespondObject(resumed, {{"id", outcome.result.id}, {"ttl", TtlText(ttl)}}, outcome, 201);
      }));
}

void HandleListLeases(Api& api, Exchange& exchange, const Match& match) {
  StatusOr<Parameters> parameters = Parameters::Parse(match.query);
  if (!CheckOrRespond(exchange, parameters.status())) return;
  uint64_t limit = kListLimit;
  uint64_t after = 0;
  const QueryParameter* const limit_text = parameters->Take("limit");
  const QueryParameter* const after_text = parameters->Take("after");
  if (limit_text != nullptr &&
      (!ParseNumber(limit_text->value, &limit) || limit == 0 || limit > kMaxListLimit)) {
    return exchange.RespondProblem(
        MakeProblem(400, "limit is a number from 1 to " + std::to_string(kMaxListLimit)));
  }
  if (after_text != nullptr && !ParseNumber(after_text->value, &after))
    return exchange.RespondProblem(MakeProblem(400, "after is the number of a lease"));
  if (!CheckOrRespond(exchange, parameters->Finish())) return;
  if (!api.AcceptLeaderRequest(exchange, match)) return;
  AfterReadIndex(api, exchange, [&api, after, limit](Exchange& resumed) {
    StatusOr<std::vector<kv::Lease>> leases = api.store().ListLeases(after, limit + 1);
    if (!leases.ok()) return resumed.RespondProblem(ProblemOf(leases.status(), false));
    const bool more = leases->size() > limit;
    if (more) leases->pop_back();
    const uint64_t now = api.store().LogTimeNow();
    json list = json::array();
    for (const kv::Lease& lease : *leases) list.push_back(Describe(lease, now));
    RespondObject(resumed, {{"leases", list}, {"more", more}}, {});
  });
}

void HandleGetLease(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckNoQuery(exchange, match)) return;
  const StatusOr<uint64_t> id = ParseLeaseId(match.rest);
  if (!CheckOrRespond(exchange, id.status())) return;
  if (!api.AcceptLeaderRequest(exchange, match)) return;
  AfterReadIndex(api, exchange, [&api, id = *id](Exchange& resumed) {
    const StatusOr<std::optional<kv::Lease>> lease = api.store().FindLease(id);
    if (!lease.ok()) return resumed.RespondProblem(ProblemOf(lease.status(), false));
    if (!lease->has_value()) return RespondNoLease(resumed);
    RespondObject(resumed, Describe(**lease, api.store().LogTimeNow()), {});
  });
}

void HandleKeepLeaseAlive(Api& api, Exchange& exchange, const Match& match) {
  constexpr std::string_view kEnd = "/keepalive";
  if (!CheckNoQuery(exchange, match)) return;
  if (match.rest == kEnd.substr(1)) {
    if (api.AcceptLeaderRequest(exchange, match)) KeepManyAlive(api, exchange);
    return;
  }
  if (!match.rest.ends_with(kEnd))
    return exchange.RespondProblem(MakeProblem(404, "no such endpoint"));
  const StatusOr<uint64_t> id = ParseLeaseId(match.rest.substr(0, match.rest.size() - kEnd.size()));
  if (!CheckOrRespond(exchange, id.status())) return;
  if (!api.AcceptLeaderRequest(exchange, match)) return;
  KeepAlive(api, exchange, {*id}, [id = *id](Exchange& resumed, const kv::LeaseOutcome& outcome) {
    const uint64_t ttl = outcome.result.ttls_ms.empty() ? 0 : outcome.result.ttls_ms.front();
    if (ttl == 0) return RespondNoLease(resumed);
    RespondObject(resumed, {{"id", id}, {"ttl", TtlText(ttl)}}, outcome);
  });
}

void HandleRevokeLease(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckNoQuery(exchange, match)) return;
  const StatusOr<uint64_t> id = ParseLeaseId(match.rest);
  if (!CheckOrRespond(exchange, id.status())) return;
  const StatusOr<kv::Retry> retry = RetryOf(exchange.head());
  if (!CheckOrRespond(exchange, retry.status())) return;
  if (!api.AcceptLeaderRequest(exchange, match)) return;
  api.store().RevokeLease(
      *id, *retry, api.DeadlineOf(exchange),
      Then(exchange, [](Exchange& resumed, const kv::LeaseOutcome& outcome) {
        if (!outcome.result.existed) return RespondNoLease(resumed);
        RespondObject(resumed,
                      {{"deleted", outcome.result.deleted}, {"revision", outcome.revision.value()}},
                      outcome);
      }));
}

}  // namespace sisyphus::api
