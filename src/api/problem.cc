#include "api/problem.h"

#include <utility>

#include "api/http_types.h"
#include "api/json.h"
#include "base/check.h"

namespace sisyphus::api {
namespace {

struct Kind {
  int status;
  std::string_view code;
  bool retryable;
};

constexpr Kind kKinds[] = {
    {400, "bad_request", false},
    {404, "not_found", false},
    {405, "method_not_allowed", false},
    {408, "request_timeout", true},
    {409, "conflict", false},
    {410, "compacted", false},
    {412, "compare_failed", false},
    {413, "too_large", false},
    {414, "uri_too_long", false},
    {415, "unsupported_media_type", false},
    {417, "expectation_failed", false},
    {429, "overloaded", true},
    {431, "headers_too_large", false},
    {500, "internal", false},
    {501, "not_implemented", false},
    {503, "no_leader", true},
    {504, "timeout", false},
    {505, "version_not_supported", false},
    {507, "out_of_space", false},
};

}  // namespace

Problem MakeProblem(int status, std::string message) {
  for (const Kind& kind : kKinds) {
    if (kind.status == status) return {status, kind.code, std::move(message), kind.retryable};
  }
  SIS_CHECK(false, "no problem for status " + std::to_string(status));
}

Problem ProblemOf(const Status& status, bool write) {
  std::string message(MessageOf(status));
  switch (status.code()) {
    case StatusCode::kInvalidArgument:
      return MakeProblem(400, std::move(message));
    case StatusCode::kNotFound:
      return MakeProblem(404, std::move(message));
    case StatusCode::kFailedPrecondition: {
      // A write that was done before, or may have been.
      Problem problem = MakeProblem(409, std::move(message));
      problem.maybe_applied = write;
      return problem;
    }
    // Content that is being replaced (kv/store.h).
    case StatusCode::kPermissionDenied: {
      Problem problem = MakeProblem(503, std::move(message));
      problem.code = "not_ready";
      return problem;
    }
    case StatusCode::kUnavailable:
    case StatusCode::kAborted:
      return MakeProblem(503, std::move(message));
    case StatusCode::kResourceExhausted:
      return MakeProblem(429, std::move(message));
    case StatusCode::kOutOfRange:
      return MakeProblem(507, std::move(message));
    case StatusCode::kDeadlineExceeded: {
      Problem problem = MakeProblem(504, std::move(message));
      problem.retryable = !write;
      problem.maybe_applied = write;
      return problem;
    }
    default: {
      Problem problem = MakeProblem(500, std::move(message));
      problem.maybe_applied = write;
      return problem;
    }
  }
}

void AppendProblem(std::string* out, const Problem& problem, NodeId leader) {
  out->append("{\"code\":\"");
  out->append(problem.code);
  out->append("\",\"message\":");
  AppendJsonString(out, problem.message);
  if (leader != kNoNode) {
    out->append(",\"leader\":");
    AppendNumber(out, leader.value());
  }
  out->append(problem.retryable ? ",\"retryable\":true" : ",\"retryable\":false");
  out->append(problem.maybe_applied ? ",\"maybe_applied\":true}" : ",\"maybe_applied\":false}");
}

void AppendProblemHeaders(std::string* out, const Problem& problem) {
  if (problem.status == 429 || problem.status == 503) out->append("Retry-After: 1\r\n");
}

}  // namespace sisyphus::api
