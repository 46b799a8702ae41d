#include "client/answer.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "client/json.h"

namespace sisyphus::client {
namespace {

constexpr char kCompactRevisionPayload[] = "sisyphus/compact-revision";

bool ParseNumber(std::string_view text, uint64_t* number) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *number);
  return error == std::errc() && rest == end;
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

Status Compacted(const HttpResponse& response, const std::string& message) {
  Status status = MakeStatus(StatusCode::kOutOfRange, message);
  if (!response.compact_revision.empty()) {
    status.SetPayload(kCompactRevisionPayload, absl::Cord(response.compact_revision));
  }
  return status;
}

Verdict JudgeServerError(int status, const Json& problem, const std::string& message, bool write) {
  // Only these two are by contract never applied; of all others the server has to say so.
  const bool maybe_applied = FlagIn(problem, "maybe_applied", status != 503 && status != 507);
  if (write && maybe_applied) {
    return {Next::kDone, MakeStatus(StatusCode::kDeadlineExceeded,
                                    "the outcome of the write is unknown: " + message)};
  }
  if (status == 503 || status == 504) {
    return {Next::kRetry, MakeStatus(StatusCode::kUnavailable, message)};
  }
  return {Next::kDone, MakeStatus(CodeOf(status), message)};
}

MemberStatus ParseMember(const Json& object) {
  MemberStatus member;
  member.id = NumberIn(object, "id").value_or(0);
  member.http_address = TextIn(object, "http_address");
  member.peer_address = TextIn(object, "peer_address");
  member.role = TextIn(object, "role");
  member.health = TextIn(object, "health");
  member.version = TextIn(object, "version");
  member.term = NumberIn(object, "term");
  member.applied = NumberIn(object, "applied");
  member.lag = NumberIn(object, "lag");
  return member;
}

}  // namespace

Status Foreign(const HttpResponse& response, const std::string& what) {
  return MakeStatus(StatusCode::kUnknown, "not an answer of SisyphusDB (HTTP " +
                                              std::to_string(response.status) + "): " + what);
}

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
  const Json problem = ObjectOf(response.body);
  std::string message = TextIn(problem, "message");
  if (message.empty()) message = "HTTP " + std::to_string(status);
  if (status == 307) {
    return {Next::kRedirect, MakeStatus(StatusCode::kUnavailable, "redirected too often")};
  }
  if (status == 404) {
    // A stranger's 404 must not be taken for a key that is not there.
    if (TextIn(problem, "code") != "not_found") return {Next::kDone, Foreign(response, message)};
    return {Next::kDone, MakeStatus(StatusCode::kNotFound, message)};
  }
  if (status == 429) return {Next::kRetry, MakeStatus(StatusCode::kResourceExhausted, message)};
  if (status == 410) return {Next::kDone, Compacted(response, message)};
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
  ParseNumber(response.lease, &result.lease);
  result.value = std::move(response.body);
  return result;
}

StatusOr<PutResult> ParsePut(const HttpResponse& response) {
  const Json body = ObjectOf(response.body);
  const std::optional<uint64_t> revision = NumberIn(body, "revision");
  // It may have done anything with what we sent: no claim about the outcome.
  if (!revision) return Foreign(response, "no revision");
  return PutResult{*revision, NumberIn(body, "version").value_or(0),
                   FlagIn(body, "created", false)};
}

StatusOr<DeleteResult> ParseDelete(const HttpResponse& response) {
  const Json body = ObjectOf(response.body);
  const std::optional<uint64_t> revision = NumberIn(body, "revision");
  const std::optional<uint64_t> deleted = NumberIn(body, "deleted");
  if (!revision || !deleted) return Foreign(response, "no revision");
  return DeleteResult{*revision, *deleted > 0};
}

StatusOr<RangePage> ParseRange(const HttpResponse& response) {
  const Json body = ObjectOf(response.body);
  const std::optional<uint64_t> revision = NumberIn(body, "revision");
  const auto kvs = body.find("kvs");
  if (!revision || kvs == body.end() || !kvs->is_array()) return Foreign(response, "no kvs");
  RangePage page;
  page.revision = *revision;
  page.cursor = TextIn(body, "cursor");
  page.kvs.reserve(kvs->size());
  for (const Json& each : *kvs) {
    if (!ReadKeyValue(each, &page.kvs.emplace_back())) return Foreign(response, "no key");
  }
  return page;
}

Status ParseCount(const HttpResponse& response, CountResult* part, std::string* cursor) {
  const Json body = ObjectOf(response.body);
  const std::optional<uint64_t> count = NumberIn(body, "count");
  const std::optional<uint64_t> revision = NumberIn(body, "revision");
  if (!count || !revision) return Foreign(response, "no count");
  *part = {*count, *revision};
  *cursor = TextIn(body, "cursor");
  return OkStatus();
}

StatusOr<DeleteRangeResult> ParseDeleteRange(const HttpResponse& response) {
  const Json body = ObjectOf(response.body);
  const std::optional<uint64_t> revision = NumberIn(body, "revision");
  const std::optional<uint64_t> deleted = NumberIn(body, "deleted");
  if (!revision || !deleted) return Foreign(response, "no revision");
  return DeleteRangeResult{*deleted, *revision};
}

StatusOr<TxnResult> ParseTxn(const HttpResponse& response, const Transaction& transaction) {
  TxnResult result;
  if (ReadTxnResult(ObjectOf(response.body), transaction, &result)) return result;
  return Foreign(response, "no results");
}

StatusOr<Lease> ParseLease(const HttpResponse& response) {
  Lease lease;
  if (ReadLease(ObjectOf(response.body), &lease)) return lease;
  return Foreign(response, "no lease");
}

StatusOr<LeasePage> ParseLeases(const HttpResponse& response) {
  const Json body = ObjectOf(response.body);
  const auto leases = body.find("leases");
  if (leases == body.end() || !leases->is_array()) return Foreign(response, "no leases");
  LeasePage page;
  page.more = FlagIn(body, "more", false);
  for (const Json& each : *leases) {
    if (!each.is_object() || !ReadLease(each, &page.leases.emplace_back())) {
      return Foreign(response, "no lease");
    }
  }
  return page;
}

StatusOr<CompactResult> ParseCompact(const HttpResponse& response) {
  const Json body = ObjectOf(response.body);
  const std::optional<uint64_t> compact_revision = NumberIn(body, "compact_revision");
  if (!compact_revision) return Foreign(response, "no compact_revision");
  return CompactResult{*compact_revision, NumberIn(body, "revision").value_or(0)};
}

StatusOr<std::vector<ReadyCheck>> ParseReadyChecks(const HttpResponse& response) {
  const std::string text =
      response.status == 200 ? response.body : TextIn(ObjectOf(response.body), "message");
  std::vector<ReadyCheck> checks;
  // NAME: ok (DETAIL), or NAME: failed (DETAIL), a line each.
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    const size_t colon = line.find(": ");
    const size_t open = line.find(" (", colon == std::string::npos ? 0 : colon);
    if (colon == std::string::npos || open == std::string::npos || line.back() != ')') continue;
    checks.push_back({.name = line.substr(0, colon),
                      .ok = line.substr(colon + 2, open - colon - 2) == "ok",
                      .detail = line.substr(open + 2, line.size() - open - 3)});
  }
  if (checks.empty()) return Foreign(response, "no checks");
  return checks;
}

std::string MemberBody(uint64_t id, std::string_view peer_address) {
  return Json{{"id", id}, {"peer", std::string(peer_address)}}.dump(-1, ' ', false,
                                                                    Json::error_handler_t::replace);
}

StatusOr<ClusterStatus> ParseCluster(const HttpResponse& response) {
  const Json body = ObjectOf(response.body);
  const auto members = body.find("members");
  if (members == body.end() || !members->is_array()) return Foreign(response, "no members");
  ClusterStatus cluster;
  cluster.cluster_id = TextIn(body, "cluster_id");
  cluster.answered_by = NumberIn(body, "id").value_or(0);
  cluster.leader = NumberIn(body, "leader").value_or(0);
  for (const Json& member : *members) {
    if (!member.is_object()) return Foreign(response, "a member is no object");
    cluster.members.push_back(ParseMember(member));
  }
  return cluster;
}

std::optional<uint64_t> CompactRevisionIn(const Status& status) {
  const auto payload = status.GetPayload(kCompactRevisionPayload);
  uint64_t revision = 0;
  if (!payload || !ParseNumber(std::string(*payload), &revision)) return std::nullopt;
  return revision;
}

}  // namespace sisyphus::client

namespace sisyphus {

std::optional<uint64_t> CompactRevisionOf(const absl::Status& status) {
  return client::CompactRevisionIn(status);
}

}  // namespace sisyphus
