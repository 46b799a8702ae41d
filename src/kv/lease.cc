#include "kv/lease.h"

#include <algorithm>

#include "base/coding.h"
#include "kv/command.h"
#include "kv/session.h"
#include "kv/value.h"

namespace sisyphus::kv {

namespace {

constexpr uint8_t kEndsWithKeys = 1;
constexpr char kLeasedKeys = 'a';
constexpr size_t kIdBytes = 8;

// Of leases and sessions that one entry ends, and of the leases' keys, roughly: what more is due
// ends with the next.
constexpr size_t kEndAtOnce = 10'000;
constexpr uint64_t kKeysAtOnce = 100'000;

void PutByte(std::string* out, uint8_t byte) { out->push_back(static_cast<char>(byte)); }

std::string WithId(char prefix, uint64_t id) {
  std::string key(1, prefix);
  for (int shift = 56; shift >= 0; shift -= 8) key.push_back(static_cast<char>(id >> shift & 255));
  return key;
}

std::string LeasedKey(uint64_t lease, std::string_view key) {
  return WithId(kLeasedKeys, lease).append(key);
}

StatusOr<std::optional<Lease>> FindLease(Draft* draft, uint64_t id) {
  const std::string key = LeaseKey(id);
  ReadResult found;
  SIS_ASSIGN_OR_RETURN(const bool exists, draft->Get(key, &found));
  if (!exists) return std::optional<Lease>();
  SIS_ASSIGN_OR_RETURN(const Lease lease, DecodeLease(key, found.value));
  return std::optional<Lease>(lease);
}

// `before`: the deadline that it had.
void PutLease(Draft* draft, const Lease& lease, uint64_t before) {
  std::string value;
  PutVarint64(&value, lease.ttl_ms);
  PutVarint64(&value, lease.deadline_ms);
  PutVarint64(&value, lease.keys);
  PutByte(&value, lease.ends_with_keys ? kEndsWithKeys : 0);
  draft->Put(LeaseKey(lease.id), value);
  if (lease.deadline_ms != before)
    draft->deadline_changes().leases.push_back({lease.id, before, lease.deadline_ms});
}

Status DeleteLease(Draft* draft, const Lease& lease) {
  draft->deadline_changes().leases.push_back({lease.id, lease.deadline_ms, 0});
  return draft->Delete(LeaseKey(lease.id));
}

// The lease and its keys; answers their number.
StatusOr<uint64_t> EndLease(Draft* draft, const Lease& lease) {
  uint64_t deleted = 0;
  Status status = OkStatus();
  const std::string first = WithId(kLeasedKeys, lease.id);
  const auto visit = [&](const Draft::Entry& entry) {
    ++deleted;
    const std::string key = TreeKey(entry.key.substr(first.size()));
    status = draft->Delete(entry.key);
    if (status.ok()) status = draft->Delete(key);
    return status.ok();
  };
  SIS_RETURN_IF_ERROR(
      draft->Scan(first, WithId(kLeasedKeys, lease.id + 1), /*reverse=*/false, visit));
  SIS_RETURN_IF_ERROR(status);
  SIS_RETURN_IF_ERROR(DeleteLease(draft, lease));
  return deleted;
}

StatusOr<std::string> KeepAlive(const std::vector<uint64_t>& ids, Draft* draft) {
  draft->ReadBack();  // An id may come twice.
  std::string result;
  PutByte(&result, kLeaseKeepAliveCommand);
  PutVarint64(&result, ids.size());
  for (const uint64_t id : ids) {
    SIS_ASSIGN_OR_RETURN(std::optional<Lease> lease, FindLease(draft, id));
    PutVarint64(&result, lease ? lease->ttl_ms : 0);
    if (!lease) continue;
    const uint64_t before = lease->deadline_ms;
    lease->deadline_ms = draft->now() + lease->ttl_ms;
    if (lease->deadline_ms != before) PutLease(draft, *lease, before);
  }
  return result;
}

StatusOr<std::string> Revoke(uint64_t id, Draft* draft) {
  SIS_ASSIGN_OR_RETURN(const std::optional<Lease> lease, FindLease(draft, id));
  uint64_t deleted = 0;
  if (lease) {
    SIS_ASSIGN_OR_RETURN(deleted, EndLease(draft, *lease));
  }
  std::string result;
  PutByte(&result, kLeaseRevokeCommand);
  PutByte(&result, lease ? 1 : 0);
  PutVarint64(&result, deleted);
  return result;
}

}  // namespace

std::string LeaseKey(uint64_t id) { return WithId(kLeasePrefix[0], id); }

StatusOr<Lease> DecodeLease(std::string_view tree_key, std::string_view value) {
  Lease lease;
  const std::string_view id = tree_key.substr(kLeasePrefix.size());
  for (const char c : id) lease.id = lease.id << 8 | static_cast<uint8_t>(c);
  Decoder in(value);
  lease.ttl_ms = in.Varint64();
  lease.deadline_ms = in.Varint64();
  lease.keys = in.Varint64();
  lease.ends_with_keys = in.Byte() == kEndsWithKeys;
  if (!in.Done() || id.size() != kIdBytes)
    return MakeStatus(StatusCode::kDataLoss, "malformed lease in the tree");
  return lease;
}

std::string EncodeLeaseGrant(uint64_t ttl_ms) {
  std::string bytes;
  PutByte(&bytes, kLeaseGrantCommand);
  PutVarint64(&bytes, ttl_ms);
  return bytes;
}

std::string EncodeLeaseKeepAlive(const std::vector<uint64_t>& ids) {
  std::string bytes;
  PutByte(&bytes, kLeaseKeepAliveCommand);
  PutVarint64(&bytes, ids.size());
  for (const uint64_t id : ids) PutVarint64(&bytes, id);
  return bytes;
}

std::string EncodeLeaseRevoke(uint64_t id) {
  std::string bytes;
  PutByte(&bytes, kLeaseRevokeCommand);
  PutVarint64(&bytes, id);
  return bytes;
}

StatusOr<LeaseResult> DecodeLeaseResult(std::string_view bytes) {
  Decoder in(bytes);
  LeaseResult result;
  const uint8_t kind = in.Byte();
  if (kind == kLeaseGrantCommand) {
    result.id = in.Varint64();
  } else if (kind == kLeaseKeepAliveCommand) {
    const uint64_t count = in.Varint64();
    for (uint64_t i = 0; i < count && in.ok(); ++i) result.ttls_ms.push_back(in.Varint64());
  } else {
    result.existed = in.Byte() != 0;
    result.deleted = in.Varint64();
  }
  if (!in.Done() || kind < kLeaseGrantCommand || kind > kLeaseRevokeCommand)
    return MakeStatus(StatusCode::kInternal, "malformed result of a lease's command");
  return result;
}

StatusOr<std::string> ApplyLeaseCommand(std::string_view command, Draft* draft) {
  Decoder in(command);
  const uint8_t kind = in.Byte();
  const uint64_t first = in.Varint64();
  std::vector<uint64_t> ids;
  if (kind == kLeaseKeepAliveCommand) {
    for (uint64_t i = 0; i < first && in.ok(); ++i) ids.push_back(in.Varint64());
  }
  if (!in.Done()) return MakeStatus(StatusCode::kDataLoss, "malformed command of a lease");
  if (kind == kLeaseKeepAliveCommand) return KeepAlive(ids, draft);
  if (kind == kLeaseRevokeCommand) return Revoke(first, draft);
  const std::optional<uint64_t> id = GrantLease(draft, first, /*ends_with_keys=*/false);
  if (!id) return EncodeRefusal(Refusal::kTooManyLeases);
  std::string result;
  PutByte(&result, kLeaseGrantCommand);
  PutVarint64(&result, *id);
  return result;
}

std::optional<uint64_t> GrantLease(Draft* draft, uint64_t ttl_ms, bool ends_with_keys) {
  if (draft->deadlines().leases() + draft->leases_granted() >= kMaxLeases) return std::nullopt;
  const Lease lease{.id = draft->NextLeaseId(),
                    .ttl_ms = ttl_ms,
                    .deadline_ms = draft->now() + ttl_ms,
                    .ends_with_keys = ends_with_keys};
  PutLease(draft, lease, 0);
  return lease.id;
}

StatusOr<bool> AttachKey(Draft* draft, uint64_t id, std::string_view key) {
  SIS_ASSIGN_OR_RETURN(std::optional<Lease> lease, FindLease(draft, id));
  if (!lease) return false;
  ++lease->keys;
  PutLease(draft, *lease, lease->deadline_ms);
  draft->Put(LeasedKey(id, key), "");
  return true;
}

Status DetachKey(Draft* draft, uint64_t lease, std::string_view key) {
  return draft->Delete(LeasedKey(lease, key));
}

Status CountDetached(Draft* draft, uint64_t id, uint64_t count) {
  SIS_ASSIGN_OR_RETURN(std::optional<Lease> lease, FindLease(draft, id));
  if (!lease) return MakeStatus(StatusCode::kDataLoss, "a key's lease is not in the tree");
  lease->keys -= std::min(lease->keys, count);
  if (lease->keys == 0 && lease->ends_with_keys) return DeleteLease(draft, *lease);
  PutLease(draft, *lease, lease->deadline_ms);
  return OkStatus();
}

Status EndWhatIsDue(Draft* draft) {
  uint64_t keys = 0;
  for (const uint64_t id : draft->deadlines().DueLeases(draft->now(), kEndAtOnce)) {
    SIS_ASSIGN_OR_RETURN(const std::optional<Lease> lease, FindLease(draft, id));
    if (!lease) return MakeStatus(StatusCode::kDataLoss, "a lease that is due is not in the tree");
    SIS_ASSIGN_OR_RETURN(const uint64_t deleted, EndLease(draft, *lease));
    keys += deleted;
    if (keys >= kKeysAtOnce) break;
  }
  for (const std::string& client : draft->deadlines().DueSessions(draft->now(), kEndAtOnce))
    SIS_RETURN_IF_ERROR(EndSession(draft, client));
  return OkStatus();
}

}  // namespace sisyphus::kv
