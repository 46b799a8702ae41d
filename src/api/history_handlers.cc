// POST /v1/compact: the floor of history.

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "api/api.h"
#include "api/handlers.h"
#include "api/problem.h"

namespace sisyphus::api {
namespace {

StatusOr<Index> RevisionIn(const std::string& body) {
  const auto object = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  const auto field = object.is_object() ? object.find("revision") : object.end();
  if (!object.is_object() || object.size() != 1 || field == object.end() ||
      !field->is_number_unsigned() || field->get<uint64_t>() == 0) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "the body is {\"revision\":R}, a number from 1 on");
  }
  return Index(field->get<uint64_t>());
}

void RespondCompact(Exchange& exchange, Index wanted, const kv::CompactResult& result) {
  if (result.floor < wanted) {
    return exchange.RespondProblem(
        MakeProblem(400, "revision " + ToString(wanted) + " lies in the future"));
  }
  std::string& body = exchange.body_scratch();
  body.append("{\"compact_revision\":");
  AppendNumber(&body, result.floor.value());
  body.append(",\"revision\":");
  AppendNumber(&body, result.revision.value());
  body.push_back('}');
  exchange.Respond(
      {.content_type = "application/json", .body = body, .revision = result.revision.value()});
}

}  // namespace

void HandleCompact(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckOrRespond(exchange, CheckUnservedHeaders(exchange.head()))) return;
  if (exchange.head().Find("Idempotency-Key").has_value()) {
    return exchange.RespondProblem(
        MakeProblem(400, "this may be repeated as it is, without an Idempotency-Key"));
  }
  const StatusOr<Parameters> parameters = Parameters::Parse(match.query);
  if (!CheckOrRespond(exchange, parameters.status())) return;
  if (!CheckOrRespond(exchange, parameters->Finish())) return;
  const StatusOr<Index> revision = RevisionIn(exchange.body());
  if (!CheckOrRespond(exchange, revision.status())) return;
  if (!api.AcceptLeaderRequest(exchange, match)) return;
  api.store().Compact(*revision, api.DeadlineOf(exchange),
                      [resumer = exchange.Suspend(),
                       wanted = *revision](StatusOr<kv::CompactResult> result) mutable {
                        resumer.Resume([wanted, compacted = std::move(result)](Exchange& resumed) {
                          if (!compacted.ok())
                            return resumed.RespondProblem(ProblemOf(compacted.status(), true));
                          RespondCompact(resumed, wanted, *compacted);
                        });
                      });
}

}  // namespace sisyphus::api
