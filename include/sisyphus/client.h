// Client: a blocking client of the HTTP API, for one cluster.
//
// What it guarantees
//   - Keys and values are bytes; any byte may be in them, a key must not be empty.
//   - A write is sent again only where it was certainly not applied: nothing could be sent, or a
//     server said so. A write whose answer was lost is kDeadlineExceeded and is not repeated: the
//     caller reads, and decides. With `safe_retries` it is repeated, since the cluster then knows
//     it again; only when the time is over its outcome is unknown. A read is repeated on any
//     trouble until the deadline. A refused write is not: the last fifth of the time, at most a
//     second, is kept for an answer, so that it does not end with an outcome that is unknown.
//   - It goes to the next endpoint when one does not answer, and stays with one that does. Scans
//     and watches go on there where they were: nothing is skipped, nothing comes twice.
// Errors: kInvalidArgument the request; kNotFound no such key; kFailedPrecondition a condition did
// not hold; kUnavailable no server could take it before the deadline, certainly not applied;
// kDeadlineExceeded a write with unknown outcome; kResourceExhausted overloaded until the deadline,
// too large, or the disk is full; kOutOfRange history no longer holds that revision; kUnknown an
// answer that is not SisyphusDB's; kCancelled it was cancelled.
// Threads: one at a time, but for Cancel; give each thread a client of its own (it holds one
// connection an endpoint). Calls block for at most about the timeout; Scan, Count and Watch as long
// as they last.
// What it does not do: TLS, proxies, names that change their address during a call.
#ifndef SISYPHUS_CLIENT_H_
#define SISYPHUS_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sisyphus {

// A request as it goes over the wire.
struct ClientRequest {
  std::string method;
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool endless = false;  // Its answer never ends by itself.
};

struct ClientOptions {
  // "http://HOST:PORT" or "HOST:PORT"; at least one. IPv6 in brackets.
  std::vector<std::string> endpoints;
  // From a call to its answer, retries included. Of a scan, a count and a watch: without any news.
  std::chrono::milliseconds timeout{10'000};
  // For one connection attempt, and for one attempt of a read: then the next endpoint is asked.
  std::chrono::milliseconds attempt_timeout{2'000};
  // Writes carry an Idempotency-Key under which the cluster knows them again for an hour, and so
  // are repeated when their answer is lost. The timeout must be less than that hour.
  bool safe_retries = false;
  // Gets each request in place of a server; the call that made it ends with kCancelled.
  std::function<void(const ClientRequest&)> instead_of_sending = {};
};

// --- Keys ---

enum class ReadConsistency {
  kLinearizable,  // Sees every write acknowledged before the read began.
  kLease,  // Likewise while clocks run at about the same rate; no round trip among the nodes.
  kStale,  // What the asked node has, however old.
};

struct ReadOptions {
  ReadConsistency consistency = ReadConsistency::kLinearizable;
  std::optional<std::chrono::milliseconds> max_stale = {};  // With kStale: at most so old.
  std::optional<uint64_t> min_revision = {};  // Waits for a state that holds this revision.
  std::optional<uint64_t> revision = {};      // As it was then; kOutOfRange: too long ago.
};

struct GetResult {
  std::string value;
  uint64_t revision = 0;         // Of the change that wrote the value.
  uint64_t create_revision = 0;  // Of the change that created the key.
  uint64_t version = 0;          // Writes of the key since then, from 1. 0: not told.
  uint64_t lease = 0;            // That it ends with; 0: none.
};

// At most one of the two.
struct WriteCondition {
  bool if_absent = false;                    // Only if the key has no value.
  std::optional<uint64_t> if_revision = {};  // Only if the value was written at this revision.
};

struct PutOptions {
  bool if_absent = false;  // See WriteCondition.
  std::optional<uint64_t> if_revision = {};
  // The key ends after this time, or with this lease; at most one of the two. Neither: it stays.
  std::optional<std::chrono::milliseconds> ttl = {};
  uint64_t lease = 0;
};

struct PutResult {
  uint64_t revision = 0;
  uint64_t version = 0;  // Writes of this key since it was created, from 1.
  bool created = false;
};

struct DeleteResult {
  uint64_t revision = 0;
  bool deleted = false;  // False: there was nothing to delete.
};

// --- Ranges ---

// The keys from `start` up to `end`, without `end`; an empty end: to the last key.
struct KeyRange {
  std::string start;
  std::string end;

  static KeyRange All() { return {}; }
  static KeyRange Prefix(std::string_view prefix);
  static KeyRange Key(std::string_view key);
};

struct KeyValue {
  std::string key;
  std::string value;  // Empty with keys_only.
  uint64_t create_revision = 0;
  uint64_t mod_revision = 0;
  uint64_t version = 0;
  uint64_t lease = 0;  // 0: none.
};

struct RangeOptions {
  uint64_t limit = 0;  // 0: of a page the server's, of a scan none.
  bool keys_only = false;
  bool reverse = false;
  ReadOptions read = {};
};

struct RangePage {
  std::vector<KeyValue> kvs;
  uint64_t revision = 0;  // That the page, and all that follow it, are of.
  std::string cursor;     // Empty: there is no more.
};

struct CountResult {
  uint64_t count = 0;
  uint64_t revision = 0;
};

struct DeleteRangeResult {
  uint64_t deleted = 0;
  uint64_t revision = 0;
};

// --- Transactions ---

struct Comparison {
  enum class Target { kValue, kVersion, kCreateRevision, kModRevision, kLease };
  enum class Op { kEqual, kNotEqual, kLess, kGreater };
  std::string key;
  Target target = Target::kVersion;
  Op op = Op::kEqual;
  std::string value = {};  // Of kValue.
  uint64_t number = 0;     // Of all others; what does not exist has 0.
};

struct TxnOperation {
  enum class Kind { kPut, kGet, kDelete };
  Kind kind = Kind::kGet;
  std::string key = {};                // Of one key.
  std::optional<KeyRange> range = {};  // Or of many: of kGet and kDelete.
  std::string value = {};              // Of kPut, as the next two.
  std::optional<std::chrono::milliseconds> ttl = {};
  uint64_t lease = 0;
  uint64_t limit = 0;  // Of kGet, as all that follow. 0: the server's.
  bool keys_only = false;
  bool count_only = false;
  bool reverse = false;
};

struct Transaction {
  std::vector<Comparison> compare;
  std::vector<TxnOperation> then;  // If every comparison holds.
  std::vector<TxnOperation> otherwise;
};

struct TxnOperationResult {
  TxnOperation::Kind kind = TxnOperation::Kind::kGet;
  uint64_t version = 0;  // kPut
  bool created = false;
  std::vector<KeyValue> kvs;  // kGet
  uint64_t count = 0;
  bool more = false;
  uint64_t deleted = 0;  // kDelete
};

struct TxnResult {
  bool succeeded = false;  // Which of the two was done; both are no error.
  uint64_t revision = 0;
  std::vector<TxnOperationResult> results;
};

// --- Leases ---

struct Lease {
  uint64_t id = 0;
  std::chrono::milliseconds ttl{};
  std::chrono::milliseconds remaining{};  // Where it is asked for.
  uint64_t keys = 0;                      // Likewise.
};

struct LeasePage {
  std::vector<Lease> leases;  // Ascending by id.
  bool more = false;
};

// --- Watches ---

struct WatchEvent {
  enum class Type {
    kPut,
    kDelete,
    kProgress,  // Everything up to `revision` has been told.
  };
  Type type = Type::kProgress;
  uint64_t revision = 0;
  KeyValue kv = {};                       // Of kDelete the key alone.
  std::optional<KeyValue> previous = {};  // With WatchOptions::previous: without its key.
  bool last_of_revision = true;           // What this revision changed has been told.
};

struct WatchOptions {
  std::optional<uint64_t> from =
      {};                 // The first revision to tell of; else: what comes from now on.
  bool previous = false;  // Tell also what was there before.
};

// --- The cluster ---

struct MemberStatus {
  uint64_t id = 0;
  std::string http_address;
  std::string peer_address;
  // "leader", "follower", "candidate", "learner", "none" (not a member), or "unknown".
  std::string role;
  std::string health;
  std::string version;
  // Absent where the node that was asked does not know.
  std::optional<uint64_t> term;
  std::optional<uint64_t> applied;
  std::optional<uint64_t> lag;  // Entries behind the leader.
};

struct ClusterStatus {
  std::string cluster_id;    // Of all nodes alike; empty: not told.
  uint64_t answered_by = 0;  // Of itself a node knows all, of the others what they told it.
  uint64_t leader = 0;       // 0: none is known.
  std::vector<MemberStatus> members;
};

struct ReadyCheck {
  std::string name;
  bool ok = false;
  std::string detail;
};

struct CompactResult {
  uint64_t compact_revision = 0;  // The oldest revision that can be read.
  uint64_t revision = 0;
};

class Client {
 public:
  // Checks the options; connects to nothing yet. kInvalidArgument.
  static absl::StatusOr<std::unique_ptr<Client>> Create(ClientOptions options);
  virtual ~Client() = default;

  virtual absl::StatusOr<GetResult> Get(std::string_view key, const ReadOptions& options = {}) = 0;
  absl::StatusOr<GetResult> Get(std::string_view key, ReadConsistency consistency) {
    return Get(key, ReadOptions{.consistency = consistency});
  }
  virtual absl::StatusOr<PutResult> Put(std::string_view key, std::string_view value,
                                        const PutOptions& options = {}) = 0;
  virtual absl::StatusOr<DeleteResult> Delete(std::string_view key,
                                              const WriteCondition& condition = {}) = 0;

  // One page, ascending (or descending) by key; with the cursor of the page before it the next one.
  // Repeat the options with it.
  virtual absl::StatusOr<RangePage> Range(const KeyRange& range, const RangeOptions& options = {},
                                          std::string_view cursor = {}) = 0;
  // Everything in the range as it was at one revision, which is the result, in memory that does not
  // grow with it. Ends early, and well, when `each` answers false.
  virtual absl::StatusOr<uint64_t> Scan(const KeyRange& range, const RangeOptions& options,
                                        const std::function<bool(KeyValue)>& each) = 0;
  virtual absl::StatusOr<CountResult> Count(const KeyRange& range,
                                            const ReadOptions& options = {}) = 0;
  // One change.
  virtual absl::StatusOr<DeleteRangeResult> DeleteRange(const KeyRange& range) = 0;

  virtual absl::StatusOr<TxnResult> Txn(const Transaction& transaction) = 0;

  // kNotFound, of all but the first and the last: there is no such lease (any more).
  virtual absl::StatusOr<Lease> GrantLease(std::chrono::milliseconds ttl) = 0;
  virtual absl::StatusOr<Lease> KeepLeaseAlive(uint64_t id) = 0;
  virtual absl::StatusOr<Lease> GetLease(uint64_t id) = 0;
  virtual absl::StatusOr<DeleteRangeResult> RevokeLease(uint64_t id) = 0;  // With its keys.
  virtual absl::StatusOr<LeasePage> ListLeases(uint64_t after = 0, uint64_t limit = 1'000) = 0;

  // Tells `each` of every change in the range, once and in order, until it answers false (OK), or
  // nobody can be asked for the timeout (kUnavailable), or history has lost what comes next
  // (kOutOfRange, see CompactRevisionOf). Progress comes at least every ten seconds or so, and once
  // the past has been told. A node that says nothing for thirty seconds is left for the next.
  virtual absl::Status Watch(const KeyRange& range, const WatchOptions& options,
                             const std::function<bool(const WatchEvent&)>& each) = 0;

  virtual absl::StatusOr<ClusterStatus> Cluster() = 0;

  // Who is in the cluster, and who leads it. Each waits until the change is committed (or, of
  // TransferLeadership, until another leads) and answers the cluster as it is then.
  // kFailedPrecondition: not allowed, or another change is in progress; kNotFound: not a member.
  //
  // The new node must run, started to join this cluster; it becomes a learner, and a voter by
  // itself once it has caught up. An id that was removed once is not allowed again.
  virtual absl::StatusOr<ClusterStatus> AddMember(uint64_t id, std::string_view peer_address) = 0;
  virtual absl::StatusOr<ClusterStatus> RemoveMember(uint64_t id) = 0;
  virtual absl::StatusOr<ClusterStatus> PromoteMember(uint64_t id) = 0;
  // nullopt: to the voter that has the most of the log.
  virtual absl::StatusOr<ClusterStatus> TransferLeadership(std::optional<uint64_t> to) = 0;

  // Gives up what lies before `revision`: it cannot be read or watched any more.
  virtual absl::StatusOr<CompactResult> Compact(uint64_t revision) = 0;

  // Any thread, at any time: the call under way and all later ones end with kCancelled, soon (a
  // connection attempt is waited for). The outcome of a write that was under way is unknown.
  virtual void Cancel() = 0;

  // OK once the asked node says that it serves (GET /readyz); asks the endpoints once each, without
  // waiting for one to become ready.
  virtual absl::Status Ready() = 0;
  // What the first endpoint that answers says of itself, check by check.
  virtual absl::StatusOr<std::vector<ReadyCheck>> ReadyChecks() = 0;
};

// Of a kOutOfRange: the revision from which on history is still held, if the server said it.
std::optional<uint64_t> CompactRevisionOf(const absl::Status& status);

}  // namespace sisyphus

#endif  // SISYPHUS_CLIENT_H_
