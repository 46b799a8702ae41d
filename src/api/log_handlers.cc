// GET and PUT of /v1/log/level: what this node's log tells, while it runs.

#include <nlohmann/json.hpp>
#include <string>

#include "api/api.h"
#include "api/handlers.h"
#include "api/json_body.h"
#include "api/problem.h"

namespace sisyphus::api {
namespace {

void RespondLevel(const Api& api, Exchange& exchange) {
  exchange.Respond(
      {.content_type = "application/json",
       .owned_body = nlohmann::ordered_json{{"level", api.options().log_level()}}.dump()});
}

StatusOr<std::string> LevelIn(const std::string& body) {
  SIS_ASSIGN_OR_RETURN(nlohmann::json object, ParseJsonObject(body, {}));
  if (object.size() != 1 || !object.contains("level") || !object["level"].is_string()) {
    return MakeStatus(StatusCode::kInvalidArgument, "the body is {\"level\":\"debug\"}");
  }
  return object["level"].get<std::string>();
}

}  // namespace

void HandleGetLogLevel(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckNoParameters(exchange, match)) return;
  if (!api.options().log_level) {
    return exchange.RespondProblem(MakeProblem(501, "this server's log has no level"));
  }
  RespondLevel(api, exchange);
}

void HandleSetLogLevel(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckNoParameters(exchange, match)) return;
  if (!api.options().set_log_level) {
    return exchange.RespondProblem(MakeProblem(501, "this server's log has no level"));
  }
  const StatusOr<std::string> level = LevelIn(exchange.body());
  if (!CheckOrRespond(exchange, level.status())) return;
  if (!api.options().set_log_level(*level)) {
    return exchange.RespondProblem(
        MakeProblem(400, "a level is trace, debug, info, warning, error or critical"));
  }
  RespondLevel(api, exchange);
}

}  // namespace sisyphus::api
