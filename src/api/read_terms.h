// What a request says of the state that it wants to read: consistency, max_stale, min_revision.
#ifndef SISYPHUS_API_READ_TERMS_H_
#define SISYPHUS_API_READ_TERMS_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "api/api.h"
#include "base/clock.h"
#include "base/status.h"
#include "kv/store.h"

namespace sisyphus::api {

// "500ms", "30s", "5m", "2h", "1d": a whole number above 0 and a unit, at most 1,000 days.
std::optional<Duration> ParseDuration(std::string_view text);

// Takes a parameter that is a duration, or a revision. Nothing: it is not there. kInvalidArgument
// names it.
StatusOr<std::optional<Duration>> TakeDuration(Parameters* parameters, std::string_view name);
StatusOr<std::optional<Index>> TakeRevision(Parameters* parameters, std::string_view name);

// kInvalidArgument: a bad value, or max_stale without consistency=stale.
StatusOr<kv::ReadTerms> TakeReadTerms(Parameters* parameters);

// Calls `then` on the io thread once the local state may be read on these terms: inside the call if
// that is now; otherwise suspends. In place of it answers what went wrong.
void AwaitReadable(Api& api, Exchange& exchange, const kv::ReadTerms& terms,
                   absl::AnyInvocable<void(Exchange&)> then);

// Answers for a read that failed with `status`: a bound on the age that does not hold is 503
// not_ready, with the age that is known.
void RespondReadProblem(Api& api, Exchange& exchange, const kv::ReadTerms& terms,
                        const Status& status);

// X-Sisyphus-Staleness-Ms, rounded up; nothing if it is unknown.
void AppendStaleness(std::string* headers, const std::optional<Duration>& staleness);

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_READ_TERMS_H_
