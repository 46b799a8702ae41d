// Users' keys in a draft: what every command that touches them has in common.
#ifndef SISYPHUS_KV_KEYS_H_
#define SISYPHUS_KV_KEYS_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "kv/draft.h"
#include "kv/value.h"

namespace sisyphus::kv {

StatusOr<std::optional<VersionedValue>> FindKey(Draft* draft, std::string_view key);

// Puts `value` in the place of `now`, what FindKey answered. Answers the new version's number.
uint64_t PutKey(Draft* draft, std::string_view key, std::string_view value,
                const std::optional<VersionedValue>& now);

// Deletes the keys in [start, end), an empty `end` being none, and answers their number; one above
// `limit` when there are more: then the draft is to be thrown away.
StatusOr<uint64_t> DeleteKeys(Draft* draft, std::string_view start, std::string_view end,
                              uint64_t limit);

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_KEYS_H_
