#include "client/answer.h"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace sisyphus::client {
namespace {

using nlohmann::json;

Status Foreign(const HttpResponse& response, const std::string& what) {
  return MakeStatus(StatusCode::kUnknown, "not an answer of SisyphusDB (HTTP " +
                                              std::to_string(response.status) + "): " + what);
}

std::optional<uint64_t> Number(const json& object, const char* name) {
  const auto field = object.find(name);
  if (field == object.end() || !field->is_number_unsigned()) return std::nullopt;
  return field->get<uint64_t>();
}

bool ParseNumber(std::string_view text, uint64_t* number) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *number);
  return error == std::errc() && rest == end;
}

std::string Text(const json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_string() ? field->get<std::string>() : "";
}

bool Flag(const json& object, const char* name, bool otherwise) {
  const auto field = object.find(name);
  return field != object.end() && field->is_boolean() ? field->get<bool>() : otherwise;
}

// The JSON object of a body; an empty object if it is none.
json ObjectOf(const HttpResponse& response) {
  json body = json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  return body.is_object() ? body : json::object();
}

StatusCode CodeOf(int status) {
  switch (status) {
    case 401:
      return StatusCode::kUnauthenticated;
    case 403:
      return StatusCode::kPermissionDenied;
    case 400:
    case 405:
    case 411:
    case 415:
      return StatusCode::kInvalidArgument;
    case 409:
      return StatusCode::kAborted;
    case 410:
      return StatusCode::kOutOfRange;
    case 412:
      return StatusCode::kFailedPrecondition;
    case 413:
    case 414:
    case 431:
    case 507:
      return StatusCode::kResourceExhausted;
    default:
      return status >= 500 ? StatusCode::kInternal : StatusCode::kUnknown;
  }
}

Verdict JudgeServerError(int status, const json& problem, const std::string& message, bool write) {
  // Only these two are by contract never applied; of all others the server has to say so.
  const bool maybe_applied = Flag(problem, "maybe_applied", status != 503 && status != 507);
  if (write && maybe_applied) {
    return {Next::kDone, MakeStatus(StatusCode::kDeadlineExceeded,
                                    "the outcome of the write is unknown: " + message)};
  }
  if (status == 503 || status == 504) {
    return {Next::kRetry, MakeStatus(StatusCode::kUnavailable, message)};
  }
  return {Next::kDone, MakeStatus(CodeOf(status), message)};
}

MemberStatus ParseMember(const json& object) {
  MemberStatus member;
  member.id = Number(object, "id").value_or(0);
  member.http_address = Text(object, "http_address");
  member.peer_address = Text(object, "peer_address");
  member.role = Text(object, "role");
  member.health = Text(object, "health");
  member.version = Text(object, "version");
  member.term = Number(object, "term");
  member.applied = Number(object, "applied");
  member.lag = Number(object, "lag");
  return member;
}

}  // namespace

Verdict Judge(const HttpResponse& response, bool write) {
  switch (response.outcome) {
    case HttpResponse::Outcome::kNotSent:
      return {Next::kRetry, MakeStatus(StatusCode::kUnavailable, response.error)};
    case HttpResponse::Outcome::kNoAnswer:
      if (!write) return {Next::kRetry, MakeStatus(StatusCode::kUnavailable, response.error)};
      return {Next::kDone, MakeStatus(StatusCode::kDeadlineExceeded,
                                      "the outcome of the write is unknown: " + response.error)};
    case HttpResponse::Outcome::kAnswered:
      break;
  }
  const int status = response.status;
  if (status >= 200 && status < 300) return {};
  const json problem = ObjectOf(response);
  std::string message = Text(problem, "message");
  if (message.empty()) message = "HTTP " + std::to_string(status);
  if (status == 307) {
    return {Next::kRedirect, MakeStatus(StatusCode::kUnavailable, "redirected too often")};
  }
  if (status == 404) {
    // A stranger's 404 must not be taken for a key that is not there.
    if (Text(problem, "code") != "not_found") return {Next::kDone, Foreign(response, message)};
    return {Next::kDone, MakeStatus(StatusCode::kNotFound, message)};
  }
  if (status == 429) return {Next::kRetry, MakeStatus(StatusCode::kUnavailable, message)};
  if (status >= 500) return JudgeServerError(status, problem, message, write);
  return {Next::kDone, MakeStatus(CodeOf(status), message)};
}

StatusOr<GetResult> ParseGet(HttpResponse response) {
  const std::string& etag = response.etag;
  GetResult result;
  if (etag.size() < 3 || etag.front() != '"' || etag.back() != '"') {
    return Foreign(response, "no ETag");
  }
  if (!ParseNumber(std::string_view(etag).substr(1, etag.size() - 2), &result.revision)) {
    return Foreign(response, "ETag " + etag);
  }
  ParseNumber(response.create_revision, &result.create_revision);
  ParseNumber(response.version, &result.version);
  result.value = std::move(response.body);
  return result;
}

StatusOr<PutResult> ParsePut(const HttpResponse& response) {
  const json body = ObjectOf(response);
  const std::optional<uint64_t> revision = Number(body, "revision");
  // It may have done anything with what we sent: no claim about the outcome.
  if (!revision) return Foreign(response, "no revision");
  return PutResult{*revision, Number(body, "version").value_or(0), Flag(body, "created", false)};
}

StatusOr<DeleteResult> ParseDelete(const HttpResponse& response) {
  const json body = ObjectOf(response);
  const std::optional<uint64_t> revision = Number(body, "revision");
  const std::optional<uint64_t> deleted = Number(body, "deleted");
  if (!revision || !deleted) return Foreign(response, "no revision");
  return DeleteResult{*revision, *deleted > 0};
}

std::string MemberBody(uint64_t id, std::string_view peer_address) {
  return json{{"id", id}, {"peer", std::string(peer_address)}}.dump(-1, ' ', false,
                                                                    json::error_handler_t::replace);
}

StatusOr<ClusterStatus> ParseCluster(const HttpResponse& response) {
  const json body = ObjectOf(response);
  const auto members = body.find("members");
  if (members == body.end() || !members->is_array()) return Foreign(response, "no members");
  ClusterStatus cluster;
  cluster.cluster_id = Text(body, "cluster_id");
  cluster.answered_by = Number(body, "id").value_or(0);
  cluster.leader = Number(body, "leader").value_or(0);
  for (const json& member : *members) {
    if (!member.is_object()) return Foreign(response, "a member is no object");
    cluster.members.push_back(ParseMember(member));
  }
  return cluster;
}

}  // namespace sisyphus::client
