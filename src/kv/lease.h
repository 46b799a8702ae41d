// Leases: keys that go when nobody keeps their lease alive. And what applying does to them.
//
// Bytes in the tree (an id as 8 bytes big-endian, so that leases ascend):
//   lease     'l' id               ttl varint | deadline varint | keys varint | flags u8
//   its keys  'a' id, user's key   nothing
//   flags     1: granted by a put with a TTL; it ends with its last key
// TTL and deadline are in milliseconds of log time.
//
// Commands and results:
//   grant        9 | ttl varint                     -> 9 | id varint
//   keep alive   10 | count varint | id varint...   -> 10 | count varint | ttl varint... (0: gone)
//   revoke       11 | id varint                     -> 11 | existed u8 | keys deleted varint
//
// A lease lives until an entry ends it: its deadline has come when log time has passed it, and then
// the leader proposes that time has passed (log_time.h). Until that is applied it can still be kept
// alive. Its keys are deleted in one change with it.
#ifndef SISYPHUS_KV_LEASE_H_
#define SISYPHUS_KV_LEASE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "kv/draft.h"

namespace sisyphus::kv {

inline constexpr std::string_view kLeasePrefix = "l";
inline constexpr uint8_t kLeaseGrantCommand = 9;
inline constexpr uint8_t kLeaseKeepAliveCommand = 10;
inline constexpr uint8_t kLeaseRevokeCommand = 11;

// Part of the format: every replica decides alike.
inline constexpr size_t kMaxLeases = 2'000'000;
inline constexpr size_t kMaxLeaseIds = 1'024;  // Kept alive with one command.
inline constexpr uint64_t kMinTtlMs = 1'000;
inline constexpr uint64_t kMaxTtlMs = uint64_t{10} * 365 * 24 * 3600 * 1'000;

struct Lease {
  uint64_t id = 0;
  uint64_t ttl_ms = 0;
  uint64_t deadline_ms = 0;  // In log time.
  uint64_t keys = 0;
  bool ends_with_keys = false;
  bool operator==(const Lease&) const = default;
};

std::string LeaseKey(uint64_t id);
StatusOr<Lease> DecodeLease(std::string_view tree_key, std::string_view value);  // kDataLoss.

std::string EncodeLeaseGrant(uint64_t ttl_ms);
std::string EncodeLeaseKeepAlive(const std::vector<uint64_t>& ids);
std::string EncodeLeaseRevoke(uint64_t id);

struct LeaseResult {
  uint64_t id = 0;                // Granted.
  std::vector<uint64_t> ttls_ms;  // Kept alive, in the order asked; 0: there is no such lease.
  bool existed = false;           // Revoked.
  uint64_t deleted = 0;           // Its keys.
};
StatusOr<LeaseResult> DecodeLeaseResult(std::string_view bytes);

// Applies one of the three commands; answers the result's bytes or a refusal's.
StatusOr<std::string> ApplyLeaseCommand(std::string_view command, Draft* draft);

// --- For commands on keys. Those that write a lease and read it again read back. ---

// Nothing: there are too many leases.
std::optional<uint64_t> GrantLease(Draft* draft, uint64_t ttl_ms, bool ends_with_keys);
// False: there is no such lease.
StatusOr<bool> AttachKey(Draft* draft, uint64_t lease, std::string_view key);
// The key's own record and value are the caller's.
Status DetachKey(Draft* draft, uint64_t lease, std::string_view key);
// `count` keys were detached. Ends a lease that ends with its keys.
Status CountDetached(Draft* draft, uint64_t lease, uint64_t count);

// Ends leases and sessions whose deadline has come, some at a time.
Status EndWhatIsDue(Draft* draft);

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_LEASE_H_
