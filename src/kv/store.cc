#include "kv/store.h"

#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "kv/command.h"
#include "kv/history.h"

namespace sisyphus::kv {

namespace {

Status EmptyKey() { return MakeStatus(StatusCode::kInvalidArgument, "a key must not be empty"); }

Status TooOld() {
  return MakeStatus(StatusCode::kUnavailable, "the state of this node may be older than allowed");
}

Status ContentReplaced() {
  return MakeStatus(StatusCode::kPermissionDenied,
                    "this node's content differs from what a majority holds and is being replaced");
}

PutResult ToPutResult(CommandResult result, Index revision) {
  PutResult put;
  put.succeeded = result.done;
  put.revision = revision;
  put.version = result.version;
  put.created = !result.existed;
  put.current_revision = result.current_revision;
  put.previous = std::move(result.previous);
  return put;
}

DeleteResult ToDeleteResult(CommandResult result, Index revision) {
  DeleteResult deleted;
  deleted.succeeded = result.done;
  deleted.revision = revision;
  deleted.deleted = result.existed ? 1 : 0;
  deleted.current_revision = result.current_revision;
  deleted.previous = std::move(result.previous);
  return deleted;
}

DeleteRangeResult ToDeleteRangeResult(const CommandResult& result, Index revision) {
  return {.revision = revision, .deleted = result.deleted};
}

TxnOutcome ToTxnOutcome(TxnResult result, Index revision) {
  return {.revision = revision, .result = std::move(result)};
}

LeaseOutcome ToLeaseOutcome(LeaseResult result, Index revision) {
  return {.revision = revision, .result = std::move(result)};
}

// For the mistake kConditionAtProposal.
bool HoldsNow(Machine& machine, const PutRequest& put) {
  const StatusOr<Machine::ReadOutcome> now = machine.Read(put.key);
  return now.ok() && now->found && now->found->mod_revision == put.condition.if_revision;
}

// Turns what the node answers into what the client asked for.
template <typename Result, typename Decode, typename Convert>
node::Node::ProposeCallback Then(absl::AnyInvocable<void(StatusOr<Result>)> done, Decode decode,
                                 Convert convert) {
  return [done = std::move(done), decode, convert](StatusOr<node::ProposalResult> outcome) mutable {
    if (!outcome.ok()) return done(outcome.status());
    const Replay replay = ReplayIn(outcome->result);
    if (const Refusal refusal = RefusalIn(replay.result); refusal != Refusal::kNone)
      return done(RefusalStatus(refusal));
    auto decoded = decode(replay.result);
    if (!decoded.ok()) return done(decoded.status());
    Result result =
        convert(*std::move(decoded), replay.replayed ? replay.index : outcome->position.index);
    result.replayed = replay.replayed;
    done(std::move(result));
  };
}

enum class Needs : uint8_t { kNothing, kTime };

// The command as it is proposed. The time is outermost: it is the leader's to fill in, and no part
// of what a client repeats.
std::string Wrapped(std::string command, const Retry& retry, Needs needs) {
  if (retry) command = EncodeInSession(*retry, command);
  if (needs == Needs::kTime) command = EncodeTimed(command);
  return command;
}

Status CheckTxn(const Txn& txn) {
  if (txn.compare.size() + txn.then.size() + txn.otherwise.size() > kMaxTxnOperations) {
    return MakeStatus(StatusCode::kInvalidArgument, "a transaction has at most " +
                                                        std::to_string(kMaxTxnOperations) +
                                                        " comparisons and operations");
  }
  for (const Comparison& comparison : txn.compare) {
    if (comparison.key.empty()) return EmptyKey();
  }
  for (const auto* operations : {&txn.then, &txn.otherwise}) {
    for (const TxnOperation& operation : *operations) {
      if (!operation.range && operation.key.empty()) return EmptyKey();
    }
  }
  return OkStatus();
}

}  // namespace

void Store::Put(PutRequest request, node::OperationContext context,
                absl::AnyInvocable<void(StatusOr<PutResult>)> done) {
  if (request.key.empty()) {
    done(EmptyKey());
    return;
  }
  Command command;
  command.kind = Command::Kind::kPut;
  command.condition = request.condition;
  command.want_previous = request.want_previous;
  command.key = request.key;
  command.value = request.value;
  if (SIS_PLANTED(kConditionAtProposal) && HoldsNow(*machine_, request)) command.condition = {};
  command.lease = request.lease;
  const Needs needs = request.lease.ttl_ms != 0 ? Needs::kTime : Needs::kNothing;
  node_->Propose(Wrapped(EncodeCommand(command), request.retry, needs), std::move(context),
                 Then<PutResult>(std::move(done), DecodeResult, ToPutResult));
}

void Store::Delete(DeleteRequest request, node::OperationContext context,
                   absl::AnyInvocable<void(StatusOr<DeleteResult>)> done) {
  if (request.key.empty()) {
    done(EmptyKey());
    return;
  }
  Command command;
  command.kind = Command::Kind::kDelete;
  command.condition = request.condition;
  command.want_previous = request.want_previous;
  command.key = request.key;
  node_->Propose(Wrapped(EncodeCommand(command), request.retry, Needs::kNothing),
                 std::move(context),
                 Then<DeleteResult>(std::move(done), DecodeResult, ToDeleteResult));
}

void Store::DeleteRange(DeleteRangeRequest request, node::OperationContext context,
                        absl::AnyInvocable<void(StatusOr<DeleteRangeResult>)> done) {
  Command command;
  command.kind = Command::Kind::kDeleteRange;
  command.key = request.start;
  command.end = request.end;
  node_->Propose(Wrapped(EncodeCommand(command), request.retry, Needs::kNothing),
                 std::move(context),
                 Then<DeleteRangeResult>(std::move(done), DecodeResult, ToDeleteRangeResult));
}

void Store::Transact(const Txn& txn, const Retry& retry, node::OperationContext context,
                     absl::AnyInvocable<void(StatusOr<TxnOutcome>)> done) {
  if (Status status = CheckTxn(txn); !status.ok()) return done(std::move(status));
  const auto lasts = [](const TxnOperation& operation) { return operation.lease.ttl_ms != 0; };
  const bool timed = std::any_of(txn.then.begin(), txn.then.end(), lasts) ||
                     std::any_of(txn.otherwise.begin(), txn.otherwise.end(), lasts);
  node_->Propose(Wrapped(EncodeTxn(txn), retry, timed ? Needs::kTime : Needs::kNothing),
                 std::move(context),
                 Then<TxnOutcome>(std::move(done), DecodeTxnResult, ToTxnOutcome));
}

void Store::GrantLease(uint64_t ttl_ms, const Retry& retry, node::OperationContext context,
                       LeaseCallback done) {
  if (ttl_ms < kMinTtlMs || ttl_ms > kMaxTtlMs)
    return done(MakeStatus(StatusCode::kInvalidArgument, "a TTL is from a second to ten years"));
  node_->Propose(Wrapped(EncodeLeaseGrant(ttl_ms), retry, Needs::kTime), std::move(context),
                 Then<LeaseOutcome>(std::move(done), DecodeLeaseResult, ToLeaseOutcome));
}

void Store::KeepLeasesAlive(const std::vector<uint64_t>& ids, const Retry& retry,
                            node::OperationContext context, LeaseCallback done) {
  if (ids.empty() || ids.size() > kMaxLeaseIds) {
    return done(MakeStatus(StatusCode::kInvalidArgument,
                           "from 1 to " + std::to_string(kMaxLeaseIds) + " leases at once"));
  }
  node_->Propose(Wrapped(EncodeLeaseKeepAlive(ids), retry, Needs::kTime), std::move(context),
                 Then<LeaseOutcome>(std::move(done), DecodeLeaseResult, ToLeaseOutcome));
}

void Store::RevokeLease(uint64_t id, const Retry& retry, node::OperationContext context,
                        LeaseCallback done) {
  node_->Propose(Wrapped(EncodeLeaseRevoke(id), retry, Needs::kNothing), std::move(context),
                 Then<LeaseOutcome>(std::move(done), DecodeLeaseResult, ToLeaseOutcome));
}

// --- Reads ---

std::optional<Duration> Store::Age(MonotonicTime fresh_as_of) const {
  if (fresh_as_of == MonotonicTime::min()) return std::nullopt;
  return node_->Now() - fresh_as_of;
}

bool Store::ConsistentNow(const ReadTerms& terms, std::optional<Index>* lease_index) {
  switch (terms.consistency) {
    case Consistency::kLinearizable:
      return false;
    case Consistency::kLease:
      *lease_index = node_->LeaseIndex();
      return lease_index->has_value() && Applied(**lease_index);
    case Consistency::kStale:
      return !terms.max_staleness || Staleness().value_or(Duration::max()) <= *terms.max_staleness;
  }
  return false;
}

bool Store::ReadableNow(const ReadTerms& terms) {
  std::optional<Index> lease_index;
  return node_->ContentTrusted() && Applied(terms.min_revision) &&
         ConsistentNow(terms, &lease_index);
}

void Store::WaitReadable(const ReadTerms& terms, MonotonicTime deadline,
                         absl::AnyInvocable<void(Status)> done) {
  if (!node_->ContentTrusted()) return done(ContentReplaced());
  if (Applied(terms.min_revision)) return WaitConsistent(terms, deadline, std::move(done));
  node_->WaitApplied(terms.min_revision, deadline,
                     [this, terms, deadline, done = std::move(done)](Status status) mutable {
                       if (!status.ok()) return done(std::move(status));
                       WaitConsistent(terms, deadline, std::move(done));
                     });
}

void Store::WaitConsistent(const ReadTerms& terms, MonotonicTime deadline,
                           absl::AnyInvocable<void(Status)> done) {
  std::optional<Index> lease_index;
  if (ConsistentNow(terms, &lease_index)) return done(OkStatus());
  if (lease_index) return node_->WaitApplied(*lease_index, deadline, std::move(done));
  if (!terms.max_staleness) return node_->ReadIndex(deadline, std::move(done));
  node_->ReadIndex(std::min(deadline, node_->Now() + *terms.max_staleness),
                   [done = std::move(done)](Status status) mutable {
                     done(status.code() == StatusCode::kDeadlineExceeded ? TooOld() : status);
                   });
}

StatusOr<std::optional<Lease>> Store::FindLease(uint64_t id) {
  if (!node_->ContentTrusted()) return ContentReplaced();
  return machine_->FindLease(id);
}

StatusOr<std::vector<Lease>> Store::ListLeases(uint64_t after, size_t limit) {
  if (!node_->ContentTrusted()) return ContentReplaced();
  return machine_->ListLeases(after, limit);
}

StatusOr<GetResult> Store::Read(const GetRequest& request) {
  if (!node_->ContentTrusted()) return ContentReplaced();
  const bool stale = request.terms.consistency == Consistency::kStale;
  // What is known before the state is read holds for it; the time of the answer comes after.
  const MonotonicTime fresh_as_of = stale ? node_->FreshAsOf() : MonotonicTime::min();
  SIS_ASSIGN_OR_RETURN(Machine::ReadOutcome outcome, machine_->Read(request.key));
  GetResult result{std::move(outcome.found), outcome.state, Age(fresh_as_of)};
  const std::optional<Duration>& bound = request.terms.max_staleness;
  if (bound && result.staleness.value_or(Duration::max()) > *bound) {
    return TooOld();
  }
  return result;
}

StatusOr<std::unique_ptr<Watch>> Store::OpenWatch(WatchRequest request) {
  if (!node_->ContentTrusted()) return ContentReplaced();
  return Watch::Open(machine_, std::move(request));
}

void Store::Compact(Index revision, node::OperationContext context,
                    absl::AnyInvocable<void(StatusOr<CompactResult>)> done) {
  node_->Propose(EncodeCompactCommand(revision), std::move(context),
                 [then = std::move(done)](StatusOr<node::ProposalResult> outcome) mutable {
                   if (!outcome.ok()) return then(outcome.status());
                   const StatusOr<Index> floor = DecodeCompactResult(outcome->result);
                   if (!floor.ok()) return then(floor.status());
                   then(CompactResult{*floor, outcome->position.index});
                 });
}

}  // namespace sisyphus::kv
