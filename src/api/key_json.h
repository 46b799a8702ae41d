// Keys and values as JSON: what ranges, transactions and watches show of them.
#ifndef SISYPHUS_API_KEY_JSON_H_
#define SISYPHUS_API_KEY_JSON_H_

#include <optional>
#include <string>
#include <string_view>

#include "kv/value.h"

namespace sisyphus::api {

// `,"create_revision":C,"mod_revision":M,"version":V`, and `,"lease":L` of a key that has one.
void AppendRevisions(std::string* out, const kv::VersionedValue& value);

// {"key":...,"value":...,"create_revision":...,"mod_revision":...,"version":...}; without the value
// if `keys_only`.
void AppendKeyValue(std::string* out, std::string_view key, const kv::VersionedValue& value,
                    bool keys_only);

// `,"prev":{"value":...,"create_revision":...}`, or `,"prev":null`.
void AppendPrevious(std::string* out, const std::optional<kv::VersionedValue>& previous);

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_KEY_JSON_H_
