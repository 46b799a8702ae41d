// Users' keys in a draft: what every command that touches them has in common.
#ifndef SISYPHUS_KV_KEYS_H_
#define SISYPHUS_KV_KEYS_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "kv/command.h"
#include "kv/draft.h"
#include "kv/value.h"

namespace sisyphus::kv {

StatusOr<std::optional<VersionedValue>> FindKey(Draft* draft, std::string_view key);

// Puts `value` in the place of `now`, what FindKey answered; what lease the key had, it has no
// more. Requires a draft that reads back if there is a lease before or after. A refusal: the draft
// is to be thrown away.
StatusOr<Refusal> PutKey(Draft* draft, std::string_view key, std::string_view value,
                         const LeaseChoice& lease, const std::optional<VersionedValue>& now);

Status DeleteKey(Draft* draft, std::string_view key, const VersionedValue& now);

// Deletes the keys in [start, end), an empty `end` being none, and answers their number; one above
// `limit` when there are more: then the draft is to be thrown away.
StatusOr<uint64_t> DeleteKeys(Draft* draft, std::string_view start, std::string_view end,
                              uint64_t limit);

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_KEYS_H_
