#include "kv/keys.h"

#include <map>
#include <string>
#include <utility>

#include "kv/lease.h"

namespace sisyphus::kv {

StatusOr<std::optional<VersionedValue>> FindKey(Draft* draft, std::string_view key) {
  ReadResult found;
  SIS_ASSIGN_OR_RETURN(const bool exists, draft->Get(TreeKey(key), &found));
  if (!exists) return std::optional<VersionedValue>();
  SIS_ASSIGN_OR_RETURN(VersionedValue value, DecodeTreeValue(found.value, Index(found.sequence)));
  return std::optional<VersionedValue>(std::move(value));
}

StatusOr<Refusal> PutKey(Draft* draft, std::string_view key, std::string_view value,
                         const LeaseChoice& choice, const std::optional<VersionedValue>& now) {
  const uint64_t before = now ? now->lease : 0;
  uint64_t lease = choice.id;
  if (choice.ttl_ms != 0) {
    const std::optional<uint64_t> granted =
        GrantLease(draft, choice.ttl_ms, /*ends_with_keys=*/true);
    if (!granted) return Refusal::kTooManyLeases;
    lease = *granted;
  }
  if (lease != before) {
    if (lease != 0) {
      SIS_ASSIGN_OR_RETURN(const bool attached, AttachKey(draft, lease, key));
      if (!attached) return Refusal::kNoLease;
    }
    if (before != 0) {
      SIS_RETURN_IF_ERROR(DetachKey(draft, before, key));
      SIS_RETURN_IF_ERROR(CountDetached(draft, before, 1));
    }
  }
  const Index created = now ? now->create_revision : draft->index();
  const uint64_t version = now ? now->version + 1 : 1;
  draft->Put(TreeKey(key), EncodeTreeValue(created, version, value, lease));
  return Refusal::kNone;
}

Status DeleteKey(Draft* draft, std::string_view key, const VersionedValue& now) {
  SIS_RETURN_IF_ERROR(draft->Delete(TreeKey(key)));
  if (now.lease == 0) return OkStatus();
  SIS_RETURN_IF_ERROR(DetachKey(draft, now.lease, key));
  return CountDetached(draft, now.lease, 1);
}

StatusOr<uint64_t> DeleteKeys(Draft* draft, std::string_view start, std::string_view end,
                              uint64_t limit) {
  uint64_t count = 0;
  std::map<uint64_t, uint64_t> detached;  // Keys, by lease.
  Status status = OkStatus();
  const auto visit = [&](const Draft::Entry& entry) {
    if (++count > limit) return false;
    const StatusOr<uint64_t> lease = LeaseOfTreeValue(entry.value);
    status = lease.status();
    if (status.ok() && *lease != 0) {
      ++detached[*lease];
      status = DetachKey(draft, *lease, UserKey(entry.key));
    }
    if (status.ok()) status = draft->Delete(entry.key);
    return status.ok();
  };
  SIS_RETURN_IF_ERROR(draft->Scan(TreeKey(start), TreeEnd(end), /*reverse=*/false, visit));
  SIS_RETURN_IF_ERROR(status);
  for (const auto& [lease, keys] : detached) SIS_RETURN_IF_ERROR(CountDetached(draft, lease, keys));
  return count;
}

}  // namespace sisyphus::kv
