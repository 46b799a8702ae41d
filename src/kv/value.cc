#include "kv/value.h"

#include "base/coding.h"

namespace sisyphus::kv {

namespace {

constexpr char kUserKeys = 'k';

}  // namespace

std::string TreeKey(std::string_view user_key) {
  std::string key;
  key.reserve(1 + user_key.size());
  key.push_back(kUserKeys);
  key += user_key;
  return key;
}

std::string EncodeTreeValue(Index create_revision, uint64_t version, std::string_view user_value) {
  std::string bytes;
  bytes.reserve(2 * kMaxVarint64Bytes + user_value.size());
  PutVarint64(&bytes, create_revision.value());
  PutVarint64(&bytes, version);
  bytes += user_value;
  return bytes;
}

StatusOr<VersionedValue> DecodeTreeValue(std::string_view bytes, Index mod_revision) {
  Decoder in(bytes);
  VersionedValue value;
  value.create_revision = Index(in.Varint64());
  value.version = in.Varint64();
  value.value = in.Bytes(in.rest().size());
  value.mod_revision = mod_revision;
  if (!in.Done()) return MakeStatus(StatusCode::kDataLoss, "malformed value in the tree");
  return value;
}

}  // namespace sisyphus::kv
