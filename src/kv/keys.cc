#include "kv/keys.h"

#include <string>
#include <utility>

namespace sisyphus::kv {

StatusOr<std::optional<VersionedValue>> FindKey(Draft* draft, std::string_view key) {
  ReadResult found;
  SIS_ASSIGN_OR_RETURN(const bool exists, draft->Get(TreeKey(key), &found));
  if (!exists) return std::optional<VersionedValue>();
  SIS_ASSIGN_OR_RETURN(VersionedValue value, DecodeTreeValue(found.value, Index(found.sequence)));
  return std::optional<VersionedValue>(std::move(value));
}

uint64_t PutKey(Draft* draft, std::string_view key, std::string_view value,
                const std::optional<VersionedValue>& now) {
  const Index created = now ? now->create_revision : draft->index();
  const uint64_t version = now ? now->version + 1 : 1;
  draft->Put(TreeKey(key), EncodeTreeValue(created, version, value));
  return version;
}

StatusOr<uint64_t> DeleteKeys(Draft* draft, std::string_view start, std::string_view end,
                              uint64_t limit) {
  uint64_t count = 0;
  Status status = OkStatus();
  const auto visit = [&](const Draft::Entry& entry) {
    if (++count > limit) return false;
    status = draft->Delete(entry.key);
    return status.ok();
  };
  SIS_RETURN_IF_ERROR(draft->Scan(TreeKey(start), TreeEnd(end), /*reverse=*/false, visit));
  SIS_RETURN_IF_ERROR(status);
  return count;
}

}  // namespace sisyphus::kv
