// GET, HEAD, PUT and DELETE of /v1/kv/{key}.

#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "api/handlers.h"
#include "api/key_json.h"
#include "api/key_operations.h"
#include "api/problem.h"
#include "api/read_terms.h"
#include "api/write_terms.h"

namespace sisyphus::api {
namespace {

constexpr std::string_view kJsonType = "application/json";
constexpr std::string_view kBytesType = "application/octet-stream";

Status Invalid(std::string message) {
  return MakeStatus(StatusCode::kInvalidArgument, std::move(message));
}

void AppendETag(std::string* out, Index revision) {
  out->append("ETag: \"");
  AppendNumber(out, revision.value());
  out->append("\"\r\n");
}

void AppendNumberHeader(std::string* out, std::string_view name, uint64_t value) {
  out->append(name);
  out->append(": ");
  AppendNumber(out, value);
  out->append("\r\n");
}

// `"R"`, a strong entity tag of this server.
StatusOr<Index> ParseETag(std::string_view text) {
  uint64_t revision = 0;
  if (text.size() < 3 || text.front() != '"' || text.back() != '"' ||
      !ParseNumber(text.substr(1, text.size() - 2), &revision)) {
    return Invalid("not a revision in quotes, like \"42\"");
  }
  return Index(revision);
}

// If-Match: "R" and If-None-Match: *, of a write.
StatusOr<kv::Condition> WriteCondition(const RequestHead& head) {
  kv::Condition condition;
  size_t if_match_count = 0;
  size_t if_none_match_count = 0;
  const auto if_match = head.Find("If-Match", &if_match_count);
  const auto if_none_match = head.Find("If-None-Match", &if_none_match_count);
  if (if_match_count + if_none_match_count > 1) return Invalid("more than one condition");
  if (if_match.has_value()) {
    StatusOr<Index> revision = ParseETag(*if_match);
    if (!revision.ok()) return WithContext(revision.status(), "If-Match");
    condition.if_revision = *revision;
  }
  if (if_none_match.has_value()) {
    if (*if_none_match != "*") return Invalid("If-None-Match of a write may only be *");
    condition.if_absent = true;
  }
  return condition;
}

// RFC 9110, 13.1.2: `*`, or a list of tags, compared weakly.
bool NoneMatches(std::string_view if_none_match, Index revision) {
  if (if_none_match == "*") return false;
  const std::string tag = "\"" + ToString(revision) + "\"";
  while (!if_none_match.empty()) {
    const size_t comma = std::min(if_none_match.find(','), if_none_match.size());
    std::string_view element = TrimBlanks(if_none_match.substr(0, comma));
    if (element.starts_with("W/")) element.remove_prefix(2);
    if (element == tag) return false;
    if_none_match.remove_prefix(std::min(comma + 1, if_none_match.size()));
  }
  return true;
}

bool DecodeKey(Api& api, Exchange& exchange, const Match& match, std::string* key) {
  if (!PercentDecode(match.rest, Plus::kLiteral, key)) {
    exchange.RespondProblem(MakeProblem(400, "bad percent-encoding in the key"));
    return false;
  }
  return CheckKeySize(api, exchange, *key);
}

void RespondCompareFailed(Exchange& exchange, Index current, bool replayed = false) {
  std::string headers;
  if (current.value() != 0) AppendETag(&headers, current);
  AppendReplayed(&headers, replayed);
  exchange.RespondProblem(MakeProblem(412, current.value() == 0 ? "the key does not exist"
                                                                : "the key is at another revision"),
                          headers);
}

struct ReadConditions {
  std::optional<std::string> if_none_match;
  std::optional<Index> if_match;
};

void RespondGet(Exchange& exchange, kv::GetResult result, const ReadConditions& conditions) {
  const Index mod_revision = result.found.has_value() ? result.found->mod_revision : Index();
  if (conditions.if_match.has_value() && *conditions.if_match != mod_revision) {
    return RespondCompareFailed(exchange, mod_revision);
  }
  if (!result.found.has_value()) {
    std::string staleness;
    AppendStaleness(&staleness, result.staleness);
    return exchange.RespondProblem(MakeProblem(404, "no such key"), staleness);
  }
  std::string& headers = exchange.header_scratch();
  AppendStaleness(&headers, result.staleness);
  AppendETag(&headers, mod_revision);
  AppendNumberHeader(&headers, "X-Sisyphus-Create-Revision", result.found->create_revision.value());
  AppendNumberHeader(&headers, "X-Sisyphus-Version", result.found->version);
  if (result.found->lease != 0)
    AppendNumberHeader(&headers, "X-Sisyphus-Lease", result.found->lease);
  Answer answer{.headers = headers, .revision = result.store_revision.value()};
  if (conditions.if_none_match.has_value() &&
      !NoneMatches(*conditions.if_none_match, mod_revision)) {
    answer.status = 304;
  } else {
    answer.content_type = kBytesType;
    answer.owned_body = std::move(result.found->value);
  }
  exchange.Respond(std::move(answer));
}

StatusOr<ReadConditions> ReadConditionsOf(const RequestHead& head) {
  ReadConditions conditions;
  size_t if_match_count = 0;
  size_t if_none_match_count = 0;
  const auto if_match = head.Find("If-Match", &if_match_count);
  const auto if_none_match = head.Find("If-None-Match", &if_none_match_count);
  if (if_match_count > 1 || if_none_match_count > 1) return Invalid("a condition comes twice");
  if (if_match.has_value()) {
    StatusOr<Index> revision = ParseETag(*if_match);
    if (!revision.ok()) return WithContext(revision.status(), "If-Match");
    conditions.if_match = *revision;
  }
  if (if_none_match.has_value()) conditions.if_none_match = std::string(*if_none_match);
  return conditions;
}

// What PUT and DELETE have in common. False: has answered.
template <typename WriteRequest>
bool ParseWrite(Api& api, Exchange& exchange, const Match& match, WriteRequest* request) {
  if (!CheckOrRespond(exchange, CheckUnservedHeaders(exchange.head()))) return false;
  if (!DecodeKey(api, exchange, match, &request->key)) return false;
  StatusOr<Parameters> parameters = Parameters::Parse(match.query);
  if (!CheckOrRespond(exchange, parameters.status())) return false;
  const StatusOr<bool> want_previous = parameters->TakeFlag("prev");
  if (!CheckOrRespond(exchange, want_previous.status())) return false;
  request->want_previous = *want_previous;
  if constexpr (std::is_same_v<WriteRequest, kv::PutRequest>) {
    const StatusOr<kv::LeaseChoice> lease = TakeLease(&*parameters);
    if (!CheckOrRespond(exchange, lease.status())) return false;
    request->lease = *lease;
  }
  if (!CheckOrRespond(exchange, parameters->Finish())) return false;
  StatusOr<kv::Condition> condition = WriteCondition(exchange.head());
  if (!CheckOrRespond(exchange, condition.status())) return false;
  request->condition = *condition;
  StatusOr<kv::Retry> retry = RetryOf(exchange.head());
  if (!CheckOrRespond(exchange, retry.status())) return false;
  request->retry = *std::move(retry);
  return api.AcceptLeaderRequest(exchange, match);
}

}  // namespace

void HandleGet(Api& api, Exchange& exchange, const Match& match) {
  kv::GetRequest request;
  if (!DecodeKey(api, exchange, match, &request.key)) return;
  StatusOr<Parameters> parameters = Parameters::Parse(match.query);
  if (!CheckOrRespond(exchange, parameters.status())) return;
  const StatusOr<kv::ReadTerms> terms = TakeReadTerms(&*parameters);
  if (!CheckOrRespond(exchange, terms.status())) return;
  request.terms = *terms;
  if (!CheckOrRespond(exchange, parameters->Finish())) return;
  StatusOr<ReadConditions> conditions = ReadConditionsOf(exchange.head());
  if (!CheckOrRespond(exchange, conditions.status())) return;
  const bool needs_leader = request.terms.consistency != kv::Consistency::kStale;
  if (needs_leader && !api.AcceptLeaderRequest(exchange, match)) return;
  ReadKey(api, exchange, std::move(request),
          [c = *std::move(conditions)](Exchange& answered, kv::GetResult result) {
            RespondGet(answered, std::move(result), c);
          });
}

void HandlePut(Api& api, Exchange& exchange, const Match& match) {
  const auto coding = exchange.head().Find("Content-Encoding");
  if (coding.has_value() && !EqualsIgnoreCase(*coding, "identity")) {
    return exchange.RespondProblem(
        MakeProblem(415, "values are stored as they come: no Content-Encoding is understood"));
  }
  kv::PutRequest request;
  if (!ParseWrite(api, exchange, match, &request)) return;
  request.value = std::move(exchange.body());
  const bool want_previous = request.want_previous;
  PutKey(api, exchange, std::move(request),
         [want_previous](Exchange& answered, const kv::PutResult& result) {
           if (!result.succeeded) {
             return RespondCompareFailed(answered, result.current_revision, result.replayed);
           }
           std::string& headers = answered.header_scratch();
           AppendETag(&headers, result.revision);
           AppendReplayed(&headers, result.replayed);
           std::string& body = answered.body_scratch();
           body.append("{\"revision\":");
           AppendNumber(&body, result.revision.value());
           body.append(",\"version\":");
           AppendNumber(&body, result.version);
           body.append(result.created ? ",\"created\":true" : ",\"created\":false");
           if (want_previous) AppendPrevious(&body, result.previous);
           body.push_back('}');
           answered.Respond({.status = result.created ? 201 : 200,
                             .content_type = kJsonType,
                             .headers = headers,
                             .body = body,
                             .revision = result.revision.value()});
         });
}

void HandleDelete(Api& api, Exchange& exchange, const Match& match) {
  kv::DeleteRequest request;
  if (!ParseWrite(api, exchange, match, &request)) return;
  const bool want_previous = request.want_previous;
  DeleteKey(api, exchange, std::move(request),
            [want_previous](Exchange& answered, const kv::DeleteResult& result) {
              if (!result.succeeded) {
                return RespondCompareFailed(answered, result.current_revision, result.replayed);
              }
              std::string& headers = answered.header_scratch();
              AppendReplayed(&headers, result.replayed);
              std::string& body = answered.body_scratch();
              body.append("{\"deleted\":");
              AppendNumber(&body, result.deleted);
              body.append(",\"revision\":");
              AppendNumber(&body, result.revision.value());
              if (want_previous) AppendPrevious(&body, result.previous);
              body.push_back('}');
              answered.Respond({.content_type = kJsonType,
                                .headers = headers,
                                .body = body,
                                .revision = result.revision.value()});
            });
}

}  // namespace sisyphus::api
