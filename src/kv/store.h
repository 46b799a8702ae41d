// Store: keys and values as clients see them, on one replica of the cluster.
//
// Writes are encoded as commands, proposed through the node (which forwards them if another node
// leads) and answered with what applying them said. Reads are answered from the local state
// machine, once the chosen consistency allows. Threads: everything from any thread; nothing blocks
// but the table reads of Get. Callbacks run on the node's actors (or, when the answer is there at
// once, inside the call) and must return quickly.
#ifndef SISYPHUS_KV_STORE_H_
#define SISYPHUS_KV_STORE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/types.h"
#include "kv/command.h"
#include "kv/lease.h"
#include "kv/machine.h"
#include "kv/range_reader.h"
#include "kv/session.h"
#include "kv/timekeeper.h"
#include "kv/txn.h"
#include "kv/value.h"
#include "kv/watch.h"
#include "node/node.h"

namespace sisyphus::kv {

enum class Consistency : uint8_t {
  kLinearizable,  // Sees every write acknowledged before the read began (read-index round).
  kLease,         // The same, without a round trip while the leader's lease holds.
  kStale,         // This replica's own state, at once.
};

// Every write may carry a session's tag: then a repeat is not done again, and answers as the first
// did (session.h). Its errors beside the node's: kFailedPrecondition, kInvalidArgument and
// kResourceExhausted, as RefusalStatus has them.
using Retry = std::optional<SessionTag>;

// Of which states a read may be.
struct ReadTerms {
  Consistency consistency = Consistency::kLinearizable;
  // kStale only: the state lacks nothing that was acknowledged longer ago than this.
  std::optional<Duration> max_staleness = {};
  Index min_revision = {};  // The state holds everything up to here.
};

struct PutRequest {
  std::string key;  // Not empty.
  std::string value;
  Condition condition;
  bool want_previous = false;
  LeaseChoice lease = {};  // kNotFound: there is no such lease.
  Retry retry = {};
};
struct PutResult {
  bool succeeded = true;  // False: the condition did not hold, nothing changed; `current_revision`
                          // says what stands.
  Index revision;         // Of this change.
  uint64_t version = 0;
  bool created = false;
  Index current_revision;  // Only when not succeeded; 0: the key does not exist.
  std::optional<VersionedValue> previous;
  bool replayed = false;  // A repeat: all of this is of the first.
};

struct DeleteRequest {
  std::string key;
  Condition condition;
  bool want_previous = false;
  Retry retry = {};
};
struct DeleteResult {
  bool succeeded = true;  // As in PutResult.
  Index revision;
  uint64_t deleted = 0;
  Index current_revision;
  std::optional<VersionedValue> previous;
  bool replayed = false;
};

struct DeleteRangeRequest {
  std::string start;  // The keys in [start, end); both empty: all.
  std::string end;    // Empty: to the last key.
  Retry retry = {};
};
struct DeleteRangeResult {
  Index revision;
  uint64_t deleted = 0;
  bool replayed = false;
};

struct TxnOutcome {
  Index revision;
  TxnResult result;
  bool replayed = false;
};

struct LeaseOutcome {
  Index revision;
  LeaseResult result;
  bool replayed = false;
};

struct GetRequest {
  std::string key;
  ReadTerms terms = {};
};
struct GetResult {
  std::optional<VersionedValue> found;
  Index store_revision;               // The state that was read.
  std::optional<Duration> staleness;  // kStale: it is at most so old; nothing: unknown.
};

struct CompactResult {
  Index floor;     // Of history, afterwards: below what was asked for if that lies in the future.
  Index revision;  // Of the entry.
};

class Store {
 public:
  // Neither is owned; both outlive the store.
  Store(node::Node* node, Machine* machine)
      : node_(node), machine_(machine), timekeeper_(node, machine) {}

  // Errors are the node's (see node::Node::Propose).
  void Put(PutRequest request, node::OperationContext context,
           absl::AnyInvocable<void(StatusOr<PutResult>)> done);
  void Delete(DeleteRequest request, node::OperationContext context,
              absl::AnyInvocable<void(StatusOr<DeleteResult>)> done);

  // As one change. kInvalidArgument: more than kMaxKeysTouched keys; nothing was deleted.
  void DeleteRange(DeleteRangeRequest request, node::OperationContext context,
                   absl::AnyInvocable<void(StatusOr<DeleteRangeResult>)> done);
  // kInvalidArgument: a limit is passed (txn.h), or a key is empty; kNotFound: there is no such
  // lease. Nothing was changed.
  void Transact(const Txn& txn, const Retry& retry, node::OperationContext context,
                absl::AnyInvocable<void(StatusOr<TxnOutcome>)> done);

  // Leases (lease.h). kInvalidArgument: a TTL or a number of ids out of bounds.
  using LeaseCallback = absl::AnyInvocable<void(StatusOr<LeaseOutcome>)>;
  void GrantLease(uint64_t ttl_ms, const Retry& retry, node::OperationContext context,
                  LeaseCallback done);
  void KeepLeasesAlive(const std::vector<uint64_t>& ids, const Retry& retry,
                       node::OperationContext context, LeaseCallback done);
  void RevokeLease(uint64_t id, const Retry& retry, node::OperationContext context,
                   LeaseCallback done);
  // What the local state has: ask WaitReadable first. They may read tables from disk.
  StatusOr<std::optional<Lease>> FindLease(uint64_t id);
  StatusOr<std::vector<Lease>> ListLeases(uint64_t after, size_t limit);
  uint64_t LogTimeNow() { return machine_->LogTimeNow(); }

  // Reads of every consistency are refused with kPermissionDenied while this replica replaces its
  // content, which was found to differ from what a majority holds.

  // True if Read may be called at once; otherwise, WaitReadable first.
  bool ReadableNow(const ReadTerms& terms);

  // `done` is called with OK when Read may be: on the node's actors, or inside the call. Errors are
  // those of node::Node::ReadIndex. A bound on the age that is not proven yet is waited for as long
  // as itself at the most, and then kUnavailable.
  void WaitReadable(const ReadTerms& terms, MonotonicTime deadline,
                    absl::AnyInvocable<void(Status)> done);

  // Reads the local state. May read tables from disk: call it from a thread that may block.
  // kUnavailable: the state may be older by now than max_staleness allows.
  StatusOr<GetResult> Read(const GetRequest& request);

  // What is applied here.
  Index revision() const { return machine_->revision(); }

  // Walks over the local state at `revision`, which is not above revision(). Its Read may
  // read tables from disk.
  std::unique_ptr<RangeReader> NewRangeReader(KeyRange range, Index revision, bool reverse) {
    return std::make_unique<RangeReader>(machine_, std::move(range), revision, reverse);
  }
  // Errors as Watch::Open. The watch must not outlive the machine.
  StatusOr<std::unique_ptr<Watch>> OpenWatch(WatchRequest request);

  // Moves the floor of history to `revision`, if it is below. Errors are the node's.
  void Compact(Index revision, node::OperationContext context,
               absl::AnyInvocable<void(StatusOr<CompactResult>)> done);
  Index history_floor() const { return machine_->history_floor(); }
  // The local state is at most so old; nothing: unknown.
  std::optional<Duration> Staleness() { return Age(node_->FreshAsOf()); }

 private:
  bool Applied(Index index) const { return index <= machine_->revision(); }
  bool ConsistentNow(const ReadTerms& terms, std::optional<Index>* lease_index);
  void WaitConsistent(const ReadTerms& terms, MonotonicTime deadline,
                      absl::AnyInvocable<void(Status)> done);
  std::optional<Duration> Age(MonotonicTime fresh_as_of) const;

  node::Node* const node_;
  Machine* const machine_;
  Timekeeper timekeeper_;
};

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_STORE_H_
