#include "kv/value.h"

#include "base/coding.h"

namespace sisyphus::kv {

namespace {

constexpr char kUserKeys = 'k';
constexpr char kLeased = 0;  // No revision is 0, so none begins with this byte.

}  // namespace

std::string TreeKey(std::string_view user_key) {
  std::string key;
  key.reserve(1 + user_key.size());
  key.push_back(kUserKeys);
  key += user_key;
  return key;
}

bool IsUserTreeKey(std::string_view tree_key) { return tree_key.starts_with(kUserKeys); }

std::string_view UserKey(std::string_view tree_key) { return tree_key.substr(1); }

std::string TreeEnd(std::string_view user_end) {
  return user_end.empty() ? std::string(1, kUserKeys + 1) : TreeKey(user_end);
}

std::string EncodeTreeValue(Index create_revision, uint64_t version, std::string_view user_value,
                            uint64_t lease) {
  std::string bytes;
  bytes.reserve(1 + 3 * kMaxVarint64Bytes + user_value.size());
  if (lease != 0) {
    bytes.push_back(kLeased);
    PutVarint64(&bytes, lease);
  }
  PutVarint64(&bytes, create_revision.value());
  PutVarint64(&bytes, version);
  bytes += user_value;
  return bytes;
}

StatusOr<uint64_t> LeaseOfTreeValue(std::string_view bytes) {
  if (!bytes.starts_with(kLeased)) return uint64_t{0};
  Decoder in(bytes.substr(1));
  const uint64_t lease = in.Varint64();
  if (!in.ok()) return MakeStatus(StatusCode::kDataLoss, "malformed value in the tree");
  return lease;
}

StatusOr<VersionedValue> DecodeTreeValue(std::string_view bytes, Index mod_revision) {
  Decoder in(bytes);
  VersionedValue value;
  if (bytes.starts_with(kLeased)) {
    in.Byte();
    value.lease = in.Varint64();
  }
  value.create_revision = Index(in.Varint64());
  value.version = in.Varint64();
  value.value = in.Bytes(in.rest().size());
  value.mod_revision = mod_revision;
  if (!in.Done()) return MakeStatus(StatusCode::kDataLoss, "malformed value in the tree");
  return value;
}

}  // namespace sisyphus::kv
