#include "tests/sim/sim_request.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sisyphus::testing {
namespace {

using Kind = SimRequest::Kind;
using RegisterKind = verify::RegisterOperation::Kind;
using OperationKind = kv::TxnOperation::Kind;

verify::RegisterState ValueIn(const kv::TxnOperationResult& result) {
  if (result.found.empty()) return std::nullopt;
  return result.found.front().second.value;
}

void ProjectTxn(
    const SimRequest& request, const SimOutcome* outcome,
    const std::function<verify::RegisterOperation&(RegisterKind, const std::string&)>& add) {
  const bool succeeded = outcome == nullptr || outcome->txn.succeeded;
  const auto& operations = succeeded ? request.txn.then : request.txn.otherwise;
  if (!succeeded) {
    verify::RegisterOperation& compare = add(RegisterKind::kCompareAndSet, request.key);
    compare.expected = request.expected;
    compare.argument = request.value;
    compare.succeeded = false;
  }
  for (size_t i = 0; i < operations.size(); ++i) {
    const kv::TxnOperation& operation = operations[i];
    if (operation.lease.any()) continue;  // Keys that end by themselves are the model's alone.
    switch (operation.kind) {
      case OperationKind::kPut:
        if (operation.key == request.key) {
          verify::RegisterOperation& compare = add(RegisterKind::kCompareAndSet, operation.key);
          compare.expected = request.expected;
          compare.argument = operation.value;
        } else {
          add(RegisterKind::kPut, operation.key).argument = operation.value;
        }
        break;
      case OperationKind::kDelete:
        add(RegisterKind::kDelete, operation.key);
        break;
      case OperationKind::kGet:
        if (outcome == nullptr) break;
        add(RegisterKind::kGet, operation.key).read = ValueIn(outcome->txn.results[i]);
        break;
    }
  }
}

template <typename Result>
bool Failed(const StatusOr<Result>& result, const SimReply& reply) {
  if (result.ok()) return false;
  reply({.status = result.status()});
  return true;
}

kv::Store::LeaseCallback ThenReply(SimReply reply) {
  return [reply = std::move(reply)](StatusOr<kv::LeaseOutcome> result) {
    if (Failed(result, reply)) return;
    reply({.revision = result->revision,
           .replayed = result->replayed,
           .lease = std::move(result->result)});
  };
}

}  // namespace

void Submit(kv::Store& store, const SimRequest& request, MonotonicTime deadline, SimReply reply) {
  switch (request.kind) {
    case Kind::kDelete:
      return store.Delete({.key = request.key, .condition = {}, .retry = request.retry}, deadline,
                          [reply = std::move(reply)](StatusOr<kv::DeleteResult> result) {
                            if (Failed(result, reply)) return;
                            reply({.revision = result->revision, .replayed = result->replayed});
                          });
    case Kind::kDeleteRange:
      return store.DeleteRange(
          {.start = request.key, .end = request.end, .retry = request.retry}, deadline,
          [reply = std::move(reply)](StatusOr<kv::DeleteRangeResult> result) {
            if (Failed(result, reply)) return;
            reply({.revision = result->revision, .replayed = result->replayed});
          });
    case Kind::kTxn:
      return store.Transact(request.txn, request.retry, deadline,
                            [reply = std::move(reply)](StatusOr<kv::TxnOutcome> result) {
                              if (Failed(result, reply)) return;
                              reply({.revision = result->revision,
                                     .succeeded = result->result.succeeded,
                                     .replayed = result->replayed,
                                     .txn = std::move(result->result)});
                            });
    case Kind::kGrant:
      return store.GrantLease(request.ttl_ms, request.retry, deadline, ThenReply(std::move(reply)));
    case Kind::kKeepAlive:
      return store.KeepLeasesAlive(request.ids, request.retry, deadline,
                                   ThenReply(std::move(reply)));
    case Kind::kRevoke:
      return store.RevokeLease(request.ids.front(), request.retry, deadline,
                               ThenReply(std::move(reply)));
    case Kind::kCompact:
      return store.Compact(request.revision, deadline,
                           [reply = std::move(reply)](StatusOr<kv::CompactResult> result) {
                             if (Failed(result, reply)) return;
                             reply({.revision = result->revision});
                           });
    default:
      break;
  }
  kv::PutRequest put{.key = request.key,
                     .value = request.value,
                     .condition = request.condition,
                     .lease = request.lease,
                     .retry = request.retry};
  store.Put(std::move(put), deadline, [reply = std::move(reply)](StatusOr<kv::PutResult> result) {
    if (Failed(result, reply)) return;
    reply({.revision = result->revision,
           .succeeded = result->succeeded,
           .replayed = result->replayed});
  });
}

std::vector<verify::RegisterOperation> Project(const SimRequest& request, const SimOutcome* outcome,
                                               const SimCall& call,
                                               const std::vector<std::string>& keys) {
  std::vector<verify::RegisterOperation> operations;
  operations.reserve(keys.size() + request.txn.then.size() + request.txn.otherwise.size() + 2);
  verify::RegisterOperation ignored;
  const auto add = [&](RegisterKind kind, const std::string& key) -> verify::RegisterOperation& {
    if (!std::binary_search(keys.begin(), keys.end(), key)) return ignored;
    operations.push_back({.kind = kind,
                          .key = key,
                          .called = call.called,
                          .returned = call.returned,
                          .client = call.client});
    return operations.back();
  };
  switch (request.kind) {
    case Kind::kGet:
      if (outcome != nullptr) add(RegisterKind::kGet, request.key).read = outcome->read;
      break;
    case Kind::kPut:
      add(RegisterKind::kPut, request.key).argument = request.value;
      break;
    case Kind::kDelete:
      add(RegisterKind::kDelete, request.key);
      break;
    case Kind::kCompareAndSet: {
      verify::RegisterOperation& operation = add(RegisterKind::kCompareAndSet, request.key);
      operation.expected = request.expected;
      operation.argument = request.value;
      operation.succeeded = outcome == nullptr || outcome->succeeded;
      break;
    }
    case Kind::kDeleteRange:
      for (auto key = std::lower_bound(keys.begin(), keys.end(), request.key);
           key != keys.end() && (request.end.empty() || *key < request.end); ++key) {
        add(RegisterKind::kDelete, *key);
      }
      break;
    case Kind::kTxn:
      ProjectTxn(request, outcome, add);
      break;
    default:
      break;
  }
  return operations;
}

bool SameAnswer(const SimOutcome& a, const SimOutcome& b) {
  const auto same = [](const kv::TxnOperationResult& x, const kv::TxnOperationResult& y) {
    return x.kind == y.kind && x.version == y.version && x.created == y.created &&
           x.count == y.count && x.more == y.more && ValueIn(x) == ValueIn(y);
  };
  return a.revision == b.revision && a.succeeded == b.succeeded &&
         std::equal(a.txn.results.begin(), a.txn.results.end(), b.txn.results.begin(),
                    b.txn.results.end(), same) &&
         a.lease.id == b.lease.id && a.lease.ttls_ms == b.lease.ttls_ms &&
         a.lease.existed == b.lease.existed && a.lease.deleted == b.lease.deleted;
}

const char* NameOf(Kind kind) {
  static const char* const kNames[] = {
      "get", "range", "put",        "delete", "compare-and-set", "delete-range",
      "txn", "grant", "keep-alive", "revoke", "compact"};
  static_assert(std::size(kNames) == kKinds);
  return kNames[static_cast<size_t>(kind)];
}

std::string Describe(const SimRequest& request) {
  std::string text = NameOf(request.kind);
  if (!request.key.empty()) text += " " + request.key;
  if (request.retry) {
    text += " (" + request.retry->client + " " + std::to_string(request.retry->sequence) + ")";
  }
  return text;
}

}  // namespace sisyphus::testing
