#include "api/read_terms.h"

#include <algorithm>
#include <utility>

#include "api/http_types.h"
#include "api/problem.h"

namespace sisyphus::api {
namespace {

constexpr struct {
  std::string_view name;
  Duration length;
} kUnits[] = {
    {"ms", std::chrono::milliseconds(1)}, {"s", std::chrono::seconds(1)},
    {"m", std::chrono::minutes(1)},       {"h", std::chrono::hours(1)},
    {"d", std::chrono::hours(24)},
};
constexpr Duration kLongest = std::chrono::hours(24 * 1'000);

Status Invalid(std::string message) {
  return MakeStatus(StatusCode::kInvalidArgument, std::move(message));
}

StatusOr<kv::Consistency> TakeConsistency(Parameters* parameters) {
  const QueryParameter* parameter = parameters->Take("consistency");
  if (parameter == nullptr || parameter->value == "linearizable") {
    return kv::Consistency::kLinearizable;
  }
  if (parameter->value == "lease") return kv::Consistency::kLease;
  if (parameter->value == "stale") return kv::Consistency::kStale;
  return Invalid("consistency is linearizable, lease or stale");
}

}  // namespace

std::optional<Duration> ParseDuration(std::string_view text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  uint64_t count = 0;
  if (!ParseNumber(text.substr(0, digits), &count) || count == 0) return std::nullopt;
  for (const auto& unit : kUnits) {
    if (unit.name != text.substr(digits)) continue;
    if (count > static_cast<uint64_t>(kLongest / unit.length)) return std::nullopt;
    return unit.length * static_cast<int64_t>(count);
  }
  return std::nullopt;
}

StatusOr<std::optional<Duration>> TakeDuration(Parameters* parameters, std::string_view name) {
  const QueryParameter* parameter = parameters->Take(name);
  if (parameter == nullptr) return std::optional<Duration>();
  const std::optional<Duration> duration = ParseDuration(parameter->value);
  if (!duration) {
    return Invalid(std::string(name) + " is a time like 500ms, 30s, 5m, 2h or 1d, above 0");
  }
  return duration;
}

StatusOr<std::optional<Index>> TakeRevision(Parameters* parameters, std::string_view name) {
  const QueryParameter* parameter = parameters->Take(name);
  if (parameter == nullptr) return std::optional<Index>();
  uint64_t revision = 0;
  if (!ParseNumber(parameter->value, &revision)) {
    return Invalid(std::string(name) + " is a revision, a decimal number");
  }
  return std::optional<Index>(revision);
}

StatusOr<kv::ReadTerms> TakeReadTerms(Parameters* parameters) {
  kv::ReadTerms terms;
  SIS_ASSIGN_OR_RETURN(terms.consistency, TakeConsistency(parameters));
  SIS_ASSIGN_OR_RETURN(terms.max_staleness, TakeDuration(parameters, "max_stale"));
  if (terms.max_staleness && terms.consistency != kv::Consistency::kStale) {
    return Invalid("max_stale goes with consistency=stale only");
  }
  SIS_ASSIGN_OR_RETURN(const std::optional<Index> revision,
                       TakeRevision(parameters, "min_revision"));
  terms.min_revision = revision.value_or(Index());
  return terms;
}

void AwaitReadable(Api& api, Exchange& exchange, const kv::ReadTerms& terms,
                   absl::AnyInvocable<void(Exchange&)> then) {
  if (api.store().ReadableNow(terms)) {
    api.NoteReadable(exchange, terms.consistency, Duration());
    return then(exchange);
  }
  api.store().WaitReadable(
      terms, api.ReadDeadlineOf(exchange),
      [&api, terms, resumer = exchange.Suspend(), go_on = std::move(then)](Status status) mutable {
        resumer.Resume([&api, terms, status = std::move(status),
                        read = std::move(go_on)](Exchange& resumed) mutable {
          api.NoteReadable(resumed, terms.consistency,
                           api.options().clock->Now() - resumed.started());
          if (!status.ok()) return RespondReadProblem(api, resumed, terms, status);
          read(resumed);
        });
      });
}

void RespondReadProblem(Api& api, Exchange& exchange, const kv::ReadTerms& terms,
                        const Status& status) {
  const bool unproven = terms.max_staleness && status.code() == StatusCode::kUnavailable;
  if (!unproven) return exchange.RespondProblem(ProblemOf(status, false));
  Problem problem = MakeProblem(503, "this node cannot prove that its state is fresh enough");
  problem.code = "not_ready";
  std::string headers;
  AppendStaleness(&headers, api.store().Staleness());
  exchange.RespondProblem(problem, headers);
}

void AppendStaleness(std::string* headers, const std::optional<Duration>& staleness) {
  if (!staleness) return;
  headers->append("X-Sisyphus-Staleness-Ms: ");
  AppendNumber(headers, static_cast<uint64_t>(
                            std::chrono::ceil<std::chrono::milliseconds>(*staleness).count()));
  headers->append("\r\n");
}

}  // namespace sisyphus::api
