// What a client asks for.
#include <algorithm>
#include <utility>

#include "tests/sim/sim_client.h"

namespace sisyphus::testing {
namespace {

using std::chrono::milliseconds;
using Kind = SimRequest::Kind;
using OperationKind = kv::TxnOperation::Kind;
using kv::Comparison;
using kv::Consistency;

// No more is appended to a value of this size.
constexpr size_t kLongValue = 400;
// In the calm part of a period.
constexpr Duration kCalmThinkTime = milliseconds(250);
// Keys of leases are apart from all others: these end by themselves.
constexpr char kLeased[] = "leased";
constexpr uint64_t kLeasedKeys = 4;
constexpr size_t kMostLeases = 3;

kv::TxnOperation Operation(OperationKind kind, std::string key, std::string value = "") {
  kv::TxnOperation operation;
  operation.kind = kind;
  operation.key = std::move(key);
  operation.value = std::move(value);
  return operation;
}

}  // namespace

Duration SimClient::DrawPause() {
  const ClientMix& mix = world_->mix;
  const Duration phase = world_->executor->now().time_since_epoch() % mix.period;
  const bool busy = phase < mix.period * mix.busy_of_8 / 8;
  const Duration mean = busy ? mix.think_time : std::max(mix.think_time, kCalmThinkTime);
  return Duration(static_cast<int64_t>(rng_.Between(0, 2 * static_cast<uint64_t>(mean.count()))));
}

std::string SimClient::DrawLeasedKey() { return kLeased + std::to_string(rng_.Below(kLeasedKeys)); }

std::string SimClient::DrawKey() { return world_->keys[rng_.Below(world_->keys.size())]; }

std::string SimClient::NewValue() {
  std::string value = std::to_string(id_) + "." + std::to_string(++values_);
  // Some values are large enough to fill a memtable or a log segment.
  if (rng_.Chance(world_->mix.large_of_100, 100)) value.append(rng_.Between(1, 3000), '.');
  return value;
}

SimRequest SimClient::Choose() {
  const ClientMix& mix = world_->mix;
  if (!mix.special.empty() && rng_.Chance(mix.special_of_10, 10)) {
    return ChooseSpecial(mix.special[rng_.Below(mix.special.size())]);
  }
  const std::string key = DrawKey();
  if (rng_.Chance(mix.reads_of_10, 10)) {
    return {.kind = Kind::kGet, .key = key, .terms = DrawTerms(key)};
  }
  if (rng_.Chance(mix.appends_of_10, 10)) {
    append_to_ = key;
    return {.kind = Kind::kGet, .key = key};
  }
  return ChooseWrite(key);
}

SimRequest SimClient::ChooseWrite(const std::string& key) {
  const uint64_t dice = rng_.Below(10);
  if (dice < 2) return {.kind = Kind::kDelete, .key = key};
  if (dice < 5 && seen_.contains(key)) return CompareAndSet(key, /*append=*/false);
  return {.kind = Kind::kPut, .key = key, .value = NewValue()};
}

kv::ReadTerms SimClient::DrawTerms(const std::string& key) {
  kv::ReadTerms terms;
  if (rng_.Chance(world_->mix.lease_reads_of_10, 10)) {
    terms.consistency = Consistency::kLease;
  } else if (rng_.Chance(world_->mix.stale_reads_of_10, 10)) {
    terms.consistency = Consistency::kStale;
    if (rng_.Chance(1, 2)) {
      terms.max_staleness = milliseconds(static_cast<int64_t>(rng_.Between(1, 800)));
    }
  }
  // What this client has seen of the key, and sometimes a little more.
  const auto seen = seen_.find(key);
  if (seen != seen_.end() && rng_.Chance(1, 4)) {
    terms.min_revision = Index(seen->second.revision.value() + (rng_.Chance(1, 4) ? 1 : 0));
  }
  return terms;
}

// Requires: seen_ has the key.
SimRequest SimClient::CompareAndSet(const std::string& key, bool append) {
  const Seen& seen = seen_[key];
  SimRequest request{.kind = Kind::kCompareAndSet, .key = key, .expected = seen.value};
  if (seen.value) {
    request.condition.if_revision = seen.revision;
    if (append && seen.value->size() < kLongValue) request.value = *seen.value + "+";
  } else {
    request.condition.if_absent = true;
  }
  request.value += NewValue();
  return request;
}

SimRequest SimClient::ChooseSpecial(Kind kind) {
  SimRequest request{.kind = kind};
  switch (kind) {
    case Kind::kRange:
      DrawRange(&request.key, &request.end);
      request.terms = DrawTerms("");
      request.past = rng_.Chance(1, 2);
      return request;
    case Kind::kDeleteRange:
      DrawRange(&request.key, &request.end);
      return request;
    case Kind::kTxn:
      return ChooseTxn();
    case Kind::kGrant: {  // Stands for all that has to do with leases.
      const uint64_t dice = rng_.Below(10);
      if (dice < 5) return PutLeased();
      if (dice < 6) {
        return {.kind = Kind::kGet, .key = DrawLeasedKey()};
      }
      if (!leases_.empty() && (dice < 8 || leases_.size() >= kMostLeases)) {
        request.kind = Kind::kKeepAlive;
        for (const Lease& lease : leases_) {
          if (request.ids.empty() || rng_.Chance(1, 2)) request.ids.push_back(lease.id);
        }
        return request;
      }
      if (!leases_.empty() && dice == 8) {
        request.kind = Kind::kRevoke;
        request.ids.push_back(leases_[rng_.Below(leases_.size())].id);
        return request;
      }
      request.ttl_ms = rng_.Between(kv::kMinTtlMs, 4'000);
      return request;
    }
    case Kind::kCompact: {
      const uint64_t newest = world_->newest_told().value();
      request.revision = Index(newest - rng_.Below(std::min<uint64_t>(newest, 400) + 1));
      return request;
    }
    default:
      return ChooseWrite(DrawKey());
  }
}

// Narrow, and sometimes to the end of everything, where the keys with leases are.
void SimClient::DrawRange(std::string* start, std::string* end) {
  const size_t first = rng_.Below(world_->keys.size());
  const size_t behind = first + rng_.Between(1, 6);
  *start = world_->keys[first];
  if (rng_.Chance(1, 4)) {
    *start = kLeased;
  } else if (behind < world_->keys.size()) {
    *end = world_->keys[behind];
  } else {
    *end = kLeased;
  }
}

SimRequest SimClient::PutLeased() {
  SimRequest request{.kind = Kind::kPut, .key = DrawLeasedKey(), .value = NewValue()};
  if (rng_.Chance(1, 4)) {
    request.lease.ttl_ms = rng_.Between(kv::kMinTtlMs, 4'000);
  } else if (!leases_.empty()) {
    request.lease.id = leases_[rng_.Below(leases_.size())].id;
  }
  return request;
}

// If the first key is as this client has seen it, it and a second one change and a third is read,
// or else the first is read; in between, perhaps, a key with a lease that may have ended: then
// nothing of all that is done.
SimRequest SimClient::ChooseTxn() {
  SimRequest request{.kind = Kind::kTxn, .key = DrawKey(), .value = NewValue()};
  kv::Txn& txn = request.txn;
  const auto seen = seen_.find(request.key);
  const bool known = seen != seen_.end() && seen->second.value;
  Comparison compare;
  compare.key = request.key;
  if (known) {
    request.expected = seen->second.value;
    compare.value = *seen->second.value;
  } else {
    compare.target = Comparison::Target::kVersion;
  }
  txn.compare.push_back(std::move(compare));
  txn.then.push_back(Operation(OperationKind::kPut, request.key, request.value));
  if (const std::string second = DrawKey(); second != request.key) {
    if (rng_.Chance(1, 3)) {
      txn.then.push_back(Operation(OperationKind::kDelete, second));
    } else {
      txn.then.push_back(Operation(OperationKind::kPut, second, NewValue()));
    }
    const std::string third = DrawKey();
    if (third != request.key && third != second) {
      txn.then.push_back(Operation(OperationKind::kGet, third));
    }
  }
  if (!leases_.empty() && rng_.Chance(1, 2)) {
    kv::TxnOperation put = Operation(OperationKind::kPut, DrawLeasedKey(), NewValue());
    put.lease.id = leases_[rng_.Below(leases_.size())].id;
    txn.then.push_back(std::move(put));
  }
  txn.otherwise.push_back(Operation(OperationKind::kGet, request.key));
  return request;
}

// A write with a number below that of one that was answered.
SimRequest SimClient::OldWrite() {
  SimRequest request{.kind = Kind::kPut, .key = DrawKey(), .value = NewValue()};
  request.retry = {{"c" + std::to_string(id_), rng_.Between(1, answered_sequence_ - 1)}};
  return request;
}

}  // namespace sisyphus::testing
