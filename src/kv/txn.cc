#include "kv/txn.h"

#include "base/coding.h"
#include "kv/command.h"
#include "kv/keys.h"

namespace sisyphus::kv {

namespace {

using Kind = TxnOperation::Kind;
using Relation = Comparison::Relation;
using Target = Comparison::Target;

constexpr uint8_t kFormat = 1;

constexpr uint8_t kRange = 1;
constexpr uint8_t kKeysOnly = 2;
constexpr uint8_t kCountOnly = 4;
constexpr uint8_t kReverse = 8;
constexpr uint8_t kLease = 16;
constexpr uint8_t kTtl = 32;

uint8_t FlagsOf(const TxnOperation& operation) {
  uint8_t flags = 0;
  if (operation.range) flags |= kRange;
  if (operation.keys_only) flags |= kKeysOnly;
  if (operation.count_only) flags |= kCountOnly;
  if (operation.reverse) flags |= kReverse;
  if (operation.lease.id != 0) flags |= kLease;
  if (operation.lease.ttl_ms != 0) flags |= kTtl;
  return flags;
}

void PutByte(std::string* out, uint8_t byte) { out->push_back(static_cast<char>(byte)); }

void PutOperation(std::string* out, const TxnOperation& operation) {
  PutByte(out, static_cast<uint8_t>(operation.kind));
  PutByte(out, FlagsOf(operation));
  if (operation.kind == Kind::kGet) PutVarint64(out, operation.limit);
  if (operation.lease.id != 0) PutVarint64(out, operation.lease.id);
  if (operation.lease.ttl_ms != 0) PutVarint64(out, operation.lease.ttl_ms);
  PutLengthPrefixed(out, operation.key);
  if (operation.kind == Kind::kPut) PutLengthPrefixed(out, operation.value);
  if (operation.range) PutLengthPrefixed(out, operation.end);
}

// False: malformed.
bool TakeOperation(Decoder* in, TxnOperation* operation) {
  const uint8_t kind = in->Byte();
  const uint8_t flags = in->Byte();
  if (kind < static_cast<uint8_t>(Kind::kPut) || kind > static_cast<uint8_t>(Kind::kDelete))
    return false;
  operation->kind = static_cast<Kind>(kind);
  uint8_t known = kRange;
  if (operation->kind == Kind::kPut) known = kLease | kTtl;
  if (operation->kind == Kind::kGet) known = kRange | kKeysOnly | kCountOnly | kReverse;
  if ((flags & ~known) != 0) return false;
  operation->range = (flags & kRange) != 0;
  operation->keys_only = (flags & kKeysOnly) != 0;
  operation->count_only = (flags & kCountOnly) != 0;
  operation->reverse = (flags & kReverse) != 0;
  if (operation->kind == Kind::kGet) operation->limit = in->Varint64();
  if ((flags & kLease) != 0) operation->lease.id = in->Varint64();
  if ((flags & kTtl) != 0) operation->lease.ttl_ms = in->Varint64();
  operation->key = in->LengthPrefixed();
  if (operation->kind == Kind::kPut) operation->value = in->LengthPrefixed();
  if (operation->range) operation->end = in->LengthPrefixed();
  return in->ok() && (operation->range || !operation->key.empty());
}

bool TakeOperations(Decoder* in, std::vector<TxnOperation>* operations) {
  const uint64_t count = in->Varint64();
  for (uint64_t i = 0; i < count; ++i) {
    if (!TakeOperation(in, &operations->emplace_back())) return false;
  }
  return in->ok();
}

bool TakeComparison(Decoder* in, Comparison* comparison) {
  const uint8_t target = in->Byte();
  const uint8_t relation = in->Byte();
  if (target < static_cast<uint8_t>(Target::kValue) ||
      target > static_cast<uint8_t>(Target::kLease) ||
      relation < static_cast<uint8_t>(Relation::kEqual) ||
      relation > static_cast<uint8_t>(Relation::kGreater)) {
    return false;
  }
  comparison->target = static_cast<Target>(target);
  comparison->relation = static_cast<Relation>(relation);
  comparison->key = in->LengthPrefixed();
  if (comparison->target == Target::kValue) {
    comparison->value = in->LengthPrefixed();
  } else {
    comparison->number = in->Varint64();
  }
  return in->ok();
}

template <typename T>
bool Holds(const T& left, Relation relation, const T& right) {
  switch (relation) {
    case Relation::kEqual:
      return left == right;
    case Relation::kDiffers:
      return left != right;
    case Relation::kLess:
      return left < right;
    case Relation::kGreater:
      return left > right;
  }
  return false;
}

bool Holds(const Comparison& comparison, const std::optional<VersionedValue>& found) {
  const VersionedValue nothing;
  const VersionedValue& now = found ? *found : nothing;
  switch (comparison.target) {
    case Target::kValue:
      if (!found) return comparison.relation == Relation::kDiffers;
      return Holds(now.value, comparison.relation, comparison.value);
    case Target::kVersion:
      return Holds(now.version, comparison.relation, comparison.number);
    case Target::kCreateRevision:
      return Holds(now.create_revision.value(), comparison.relation, comparison.number);
    case Target::kModRevision:
      return Holds(now.mod_revision.value(), comparison.relation, comparison.number);
    case Target::kLease:
      return Holds(now.lease, comparison.relation, comparison.number);
  }
  return false;
}

// One transaction being applied.
class Applier {
 public:
  explicit Applier(Draft* draft) : draft_(draft) {}

  StatusOr<bool> CheckAll(const std::vector<Comparison>& comparisons) {
    for (const Comparison& comparison : comparisons) {
      SIS_ASSIGN_OR_RETURN(const auto found, FindKey(draft_, comparison.key));
      if (!Holds(comparison, found)) return false;
    }
    return true;
  }

  Status Do(const TxnOperation& operation) {
    PutByte(&answer_, static_cast<uint8_t>(operation.kind));
    switch (operation.kind) {
      case Kind::kPut:
        return Put(operation);
      case Kind::kGet:
        return Get(operation);
      case Kind::kDelete:
        return Delete(operation);
    }
    return OkStatus();
  }

  Refusal refusal() const { return refusal_; }
  const std::string& answer() const { return answer_; }

 private:
  Status Put(const TxnOperation& operation) {
    SIS_ASSIGN_OR_RETURN(const auto now, FindKey(draft_, operation.key));
    SIS_ASSIGN_OR_RETURN(refusal_,
                         PutKey(draft_, operation.key, operation.value, operation.lease, now));
    PutVarint64(&answer_, now ? now->version + 1 : 1);
    PutByte(&answer_, now ? 0 : 1);
    return OkStatus();
  }

  Status Get(const TxnOperation& operation) {
    std::string found;
    uint64_t count = 0;
    uint64_t shown = 0;
    bool more = false;
    Status damage = OkStatus();
    const auto visit = [&](const Draft::Entry& entry) {
      if (!Touch()) return false;
      if (operation.count_only) {
        ++count;
        return true;
      }
      if (shown == operation.limit) {
        more = true;
        return false;
      }
      StatusOr<VersionedValue> value = DecodeTreeValue(entry.value, Index(entry.sequence));
      if (!value.ok()) {
        damage = value.status();
        return false;
      }
      if (operation.keys_only) value->value.clear();
      Append(&found, UserKey(entry.key), *value);
      ++shown;
      ++count;
      if (answer_.size() + found.size() > kMaxAnswerBytes) refusal_ = Refusal::kAnswerTooLarge;
      return refusal_ == Refusal::kNone;
    };
    SIS_RETURN_IF_ERROR(Visit(operation, visit));
    SIS_RETURN_IF_ERROR(damage);
    PutByte(&answer_, more ? 1 : 0);
    PutVarint64(&answer_, count);
    PutVarint64(&answer_, shown);
    answer_ += found;
    return OkStatus();
  }

  Status Delete(const TxnOperation& operation) {
    // The first key behind a single one.
    const std::string end = operation.range ? operation.end : operation.key + '\0';
    SIS_ASSIGN_OR_RETURN(const uint64_t deleted,
                         DeleteKeys(draft_, operation.key, end, kMaxKeysTouchedByTxn - touched_));
    touched_ += deleted;
    if (touched_ > kMaxKeysTouchedByTxn) refusal_ = Refusal::kTooManyKeys;
    PutVarint64(&answer_, deleted);
    return OkStatus();
  }

  Status Visit(const TxnOperation& operation, absl::FunctionRef<bool(const Draft::Entry&)> visit) {
    if (operation.range) {
      return draft_->Scan(TreeKey(operation.key), TreeEnd(operation.end), operation.reverse, visit);
    }
    const std::string key = TreeKey(operation.key);
    ReadResult found;
    SIS_ASSIGN_OR_RETURN(const bool exists, draft_->Get(key, &found));
    if (exists) visit({key, found.value, found.sequence});
    return OkStatus();
  }

  bool Touch() {
    if (++touched_ > kMaxKeysTouchedByTxn) refusal_ = Refusal::kTooManyKeys;
    return refusal_ == Refusal::kNone;
  }

  static void Append(std::string* out, std::string_view key, const VersionedValue& value) {
    PutLengthPrefixed(out, key);
    PutVarint64(out, value.create_revision.value());
    PutVarint64(out, value.mod_revision.value());
    PutVarint64(out, value.version);
    PutVarint64(out, value.lease);
    PutLengthPrefixed(out, value.value);
  }

  Draft* const draft_;
  uint64_t touched_ = 0;
  Refusal refusal_ = Refusal::kNone;
  std::string answer_;
};

StatusOr<TxnOperationResult> TakeResult(Decoder* in) {
  TxnOperationResult result;
  const uint8_t kind = in->Byte();
  result.kind = static_cast<Kind>(kind);
  if (result.kind == Kind::kPut) {
    result.version = in->Varint64();
    result.created = in->Byte() != 0;
  } else if (result.kind == Kind::kDelete) {
    result.count = in->Varint64();
  } else if (result.kind == Kind::kGet) {
    result.more = in->Byte() != 0;
    result.count = in->Varint64();
    const uint64_t shown = in->Varint64();
    for (uint64_t i = 0; i < shown && in->ok(); ++i) {
      auto& [key, value] = result.found.emplace_back();
      key = in->LengthPrefixed();
      value.create_revision = Index(in->Varint64());
      value.mod_revision = Index(in->Varint64());
      value.version = in->Varint64();
      value.lease = in->Varint64();
      value.value = in->LengthPrefixed();
    }
  } else {
    return MakeStatus(StatusCode::kInternal, "malformed result of a transaction");
  }
  return result;
}

}  // namespace

std::string EncodeTxn(const Txn& txn) {
  std::string bytes;
  PutByte(&bytes, kTxnCommand);
  PutByte(&bytes, kFormat);
  PutVarint64(&bytes, txn.compare.size());
  for (const Comparison& comparison : txn.compare) {
    PutByte(&bytes, static_cast<uint8_t>(comparison.target));
    PutByte(&bytes, static_cast<uint8_t>(comparison.relation));
    PutLengthPrefixed(&bytes, comparison.key);
    if (comparison.target == Target::kValue) {
      PutLengthPrefixed(&bytes, comparison.value);
    } else {
      PutVarint64(&bytes, comparison.number);
    }
  }
  for (const auto* operations : {&txn.then, &txn.otherwise}) {
    PutVarint64(&bytes, operations->size());
    for (const TxnOperation& operation : *operations) PutOperation(&bytes, operation);
  }
  return bytes;
}

StatusOr<Txn> DecodeTxn(std::string_view bytes) {
  Decoder in(bytes);
  Txn txn;
  bool good = in.Byte() == kTxnCommand && in.Byte() == kFormat;
  const uint64_t comparisons = in.Varint64();
  for (uint64_t i = 0; good && i < comparisons; ++i) {
    good = TakeComparison(&in, &txn.compare.emplace_back());
  }
  good = good && TakeOperations(&in, &txn.then) && TakeOperations(&in, &txn.otherwise);
  if (!good || !in.Done()) {
    return MakeStatus(StatusCode::kDataLoss, "malformed transaction, or one of a newer version");
  }
  return txn;
}

StatusOr<TxnResult> DecodeTxnResult(std::string_view bytes) {
  if (const Refusal refusal = RefusalIn(bytes); refusal != Refusal::kNone)
    return RefusalStatus(refusal);
  Decoder in(bytes);
  TxnResult result;
  const uint8_t kind = in.Byte();
  result.succeeded = in.Byte() != 0;
  const uint64_t count = in.Varint64();
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    SIS_ASSIGN_OR_RETURN(TxnOperationResult one, TakeResult(&in));
    result.results.push_back(std::move(one));
  }
  if (kind != kTxnCommand || !in.Done()) {
    return MakeStatus(StatusCode::kInternal, "malformed result of a transaction");
  }
  return result;
}

StatusOr<std::string> ApplyTxn(std::string_view command, Draft* draft) {
  SIS_ASSIGN_OR_RETURN(const Txn txn, DecodeTxn(command));
  draft->ReadBack();
  Applier applier(draft);
  SIS_ASSIGN_OR_RETURN(const bool succeeded, applier.CheckAll(txn.compare));
  const std::vector<TxnOperation>& operations = succeeded ? txn.then : txn.otherwise;
  for (const TxnOperation& operation : operations) {
    SIS_RETURN_IF_ERROR(applier.Do(operation));
    if (applier.refusal() != Refusal::kNone) return EncodeRefusal(applier.refusal());
  }
  std::string result;
  PutByte(&result, kTxnCommand);
  PutByte(&result, succeeded ? 1 : 0);
  PutVarint64(&result, operations.size());
  return result + applier.answer();
}

}  // namespace sisyphus::kv
