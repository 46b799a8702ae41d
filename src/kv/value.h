// A key's value with its revisions, and how both stand in the tree.
//
// Bytes in the tree:
//   key     'k' | the user's key
//   value   create_revision varint | version varint | the user's value; of a key with a lease:
//           0 u8 | lease varint | create_revision varint | version varint | the user's value
// The version's sequence number in the tree is its mod_revision.
#ifndef SISYPHUS_KV_VALUE_H_
#define SISYPHUS_KV_VALUE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/types.h"

namespace sisyphus::kv {

struct VersionedValue {
  std::string value;
  Index create_revision;
  Index mod_revision;
  uint64_t version = 0;  // 1 when created, one more with each put.
  uint64_t lease = 0;    // That the key ends with; 0: none.
};

std::string TreeKey(std::string_view user_key);
bool IsUserTreeKey(std::string_view tree_key);
std::string_view UserKey(std::string_view tree_key);  // Requires: a tree key of a user's key.
// The first tree key behind those of all users' keys below `user_end`; empty: behind all of them.
std::string TreeEnd(std::string_view user_end);
std::string EncodeTreeValue(Index create_revision, uint64_t version, std::string_view user_value,
                            uint64_t lease = 0);
// kDataLoss: malformed.
StatusOr<uint64_t> LeaseOfTreeValue(std::string_view bytes);
StatusOr<VersionedValue> DecodeTreeValue(std::string_view bytes, Index mod_revision);

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_VALUE_H_
