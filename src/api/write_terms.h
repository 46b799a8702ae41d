// What a write may carry beside its key and value: the number by which a repeat is known, and what
// a key that is put ends with.
#ifndef SISYPHUS_API_WRITE_TERMS_H_
#define SISYPHUS_API_WRITE_TERMS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "api/api.h"
#include "kv/store.h"

namespace sisyphus::api {

// `Idempotency-Key: <client id>:<sequence>`. Nothing: there is none. kInvalidArgument: malformed.
StatusOr<kv::Retry> RetryOf(const RequestHead& head);

// "30s", "1500ms", "5m", "2h" or "7d", within the bounds of a TTL. kInvalidArgument otherwise.
StatusOr<uint64_t> ParseTtlMs(std::string_view text);
// The shortest such text.
std::string TtlText(uint64_t ttl_ms);

// A lease's id. kInvalidArgument: no number from 1 on.
StatusOr<uint64_t> ParseLeaseId(std::string_view text);

// The parameters `ttl` and `lease`, at most one of which is there.
StatusOr<kv::LeaseChoice> TakeLease(Parameters* parameters);

// X-Sisyphus-Replayed, if this answers a repeat.
void AppendReplayed(std::string* headers, bool replayed);

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_WRITE_TERMS_H_
