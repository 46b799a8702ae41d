#include "tests/sim/state_model.h"

#include <algorithm>
#include <utility>

#include "base/checksum.h"
#include "base/coding.h"
#include "kv/history.h"
#include "kv/lease.h"
#include "kv/log_time.h"
#include "kv/session.h"

namespace sisyphus::testing {
namespace {

using kv::Comparison;
using kv::TxnOperation;

uint8_t KindOf(std::string_view bytes) {
  return bytes.empty() ? 0 : static_cast<uint8_t>(bytes.front());
}

void PutByte(std::string* out, uint64_t byte) { out->push_back(static_cast<char>(byte)); }

std::string OneByte(uint8_t byte) { return std::string(1, static_cast<char>(byte)); }

std::string BigEndian(uint64_t value) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) PutByte(&bytes, value >> shift & 255);
  return bytes;
}

template <typename T>
bool Compare(const T& left, Comparison::Relation relation, const T& right) {
  switch (relation) {
    case Comparison::Relation::kEqual:
      return left == right;
    case Comparison::Relation::kDiffers:
      return left != right;
    case Comparison::Relation::kLess:
      return left < right;
    case Comparison::Relation::kGreater:
      return left > right;
  }
  return false;
}

}  // namespace

const kv::VersionedValue* StateModel::Find(const std::string& key) const {
  const auto found = state_.keys.find(key);
  return found == state_.keys.end() ? nullptr : &found->second;
}

std::optional<std::string> StateModel::Apply(LogPosition at, std::string_view command) {
  index_ = at.index;
  granted_ = 0;
  touched_.clear();
  expired_.clear();
  if (command.empty()) return std::string();
  if (kv::IsCompactCommand(command)) return DecideCompact(command);
  if (KindOf(command) == kv::kTimedCommand) {
    const StatusOr<kv::TimedCommand> timed = kv::DecodeTimed(command);
    if (!timed.ok()) return std::nullopt;
    if (timed->time_ms > log_time_) {
      log_time_ = timed->time_ms;
      records_changed_ = true;
    }
    command = timed->command;
  }
  return Decide(command, at.term);
}

StateModel::Answer StateModel::Decide(std::string_view command, Term term) {
  switch (KindOf(command)) {
    case kv::kSessionCommand:
      return DecideInSession(command, term);
    case kv::kTxnCommand:
      return DecideTxn(command);
    case kv::kLeaseGrantCommand:
    case kv::kLeaseKeepAliveCommand:
    case kv::kLeaseRevokeCommand:
      return DecideLease(command);
    case kv::kTimePassedCommand: {
      const StatusOr<kv::TimePassed> passed = kv::DecodeTimePassed(command);
      if (!passed.ok()) return std::nullopt;
      if (passed->term != term) return std::string();
      log_time_ = std::max(log_time_, passed->time_ms);
      records_changed_ = true;
      PassTime();
      return std::string();
    }
    default:
      return DecidePlain(command);
  }
}

StateModel::Answer StateModel::DecideCompact(std::string_view command) {
  const StatusOr<Index> wanted = kv::DecodeCompactCommand(command);
  if (!wanted.ok()) return std::nullopt;
  if (*wanted > floor_ && *wanted < index_) {
    floor_ = *wanted;
    records_changed_ = true;
  }
  return kv::EncodeCompactResult(floor_);
}

StateModel::Answer StateModel::DecideInSession(std::string_view command, Term term) {
  Decoder in(command);
  in.Byte();
  const std::string client(in.LengthPrefixed());
  const uint64_t sequence = in.Varint64();
  const std::string_view within = in.rest();
  if (!in.ok()) return std::nullopt;
  if (const auto last = sessions_.find(client); last != sessions_.end()) {
    const Session& known = last->second;
    if (sequence < known.sequence) return kv::EncodeRefusal(kv::Refusal::kOldSequence);
    if (sequence == known.sequence && within != known.command) {
      return kv::EncodeRefusal(kv::Refusal::kOtherCommand);
    }
    if (sequence == known.sequence) {
      if (known.result.size() > kv::kMaxKeptAnswerBytes) {
        return kv::EncodeRefusal(kv::Refusal::kAnswerNotKept);
      }
      std::string repeat = OneByte(kv::kSessionCommand);
      PutVarint64(&repeat, known.index.value());
      return repeat + known.result;
    }
  }
  Answer result = Decide(within, term);
  if (!result) return result;
  sessions_[client] = {sequence, log_time_ + kv::kSessionTtlMs, index_, std::string(within),
                       *result};
  records_changed_ = true;
  return result;
}

StateModel::Answer StateModel::DecidePlain(std::string_view bytes) {
  const StatusOr<kv::Command> command = kv::DecodeCommand(bytes);
  if (!command.ok()) return std::nullopt;
  const std::string key(command->key);
  if (command->kind == kv::Command::Kind::kDeleteRange) {
    return kv::EncodeRangeResult(DeleteRange(key, std::string(command->end)));
  }
  const kv::VersionedValue* now = Find(key);
  kv::CommandResult result;
  const std::optional<Index>& wanted = command->condition.if_revision;
  if ((command->condition.if_absent && now != nullptr) ||
      (wanted && (now == nullptr || now->mod_revision != *wanted))) {
    result.current_revision = now != nullptr ? now->mod_revision : Index(0);
    return kv::EncodeResult(result);
  }
  result.done = true;
  result.existed = now != nullptr;
  if (command->want_previous && now != nullptr) result.previous = *now;
  if (command->kind == kv::Command::Kind::kDelete) {
    if (now != nullptr) Delete(key);
    return kv::EncodeResult(result);
  }
  if (!Put(key, command->value, command->lease)) {
    return kv::EncodeRefusal(kv::Refusal::kNoLease);
  }
  result.create_revision = Find(key)->create_revision;
  result.version = Find(key)->version;
  return kv::EncodeResult(result);
}

StateModel::Answer StateModel::DecideTxn(std::string_view bytes) {
  const StatusOr<kv::Txn> txn = kv::DecodeTxn(bytes);
  if (!txn.ok()) return std::nullopt;
  const bool holds = std::all_of(txn->compare.begin(), txn->compare.end(),
                                 [this](const Comparison& each) { return Holds(each); });
  const std::vector<TxnOperation>& operations = holds ? txn->then : txn->otherwise;
  std::optional<State> before;
  const bool may_be_refused =
      std::any_of(operations.begin(), operations.end(),
                  [](const TxnOperation& operation) { return operation.lease.id != 0; });
  if (may_be_refused) before = state_;
  std::string answer = OneByte(kv::kTxnCommand);
  PutByte(&answer, holds ? 1 : 0);
  PutVarint64(&answer, operations.size());
  for (const TxnOperation& operation : operations) {
    if (Do(operation, &answer)) continue;
    state_ = std::move(*before);
    touched_.clear();
    return kv::EncodeRefusal(kv::Refusal::kNoLease);
  }
  return answer;
}

bool StateModel::Holds(const Comparison& comparison) const {
  static const kv::VersionedValue kNothing;
  const kv::VersionedValue* found = Find(comparison.key);
  const kv::VersionedValue& now = found != nullptr ? *found : kNothing;
  switch (comparison.target) {
    case Comparison::Target::kValue:
      if (found == nullptr) return comparison.relation == Comparison::Relation::kDiffers;
      return Compare(now.value, comparison.relation, comparison.value);
    case Comparison::Target::kVersion:
      return Compare(now.version, comparison.relation, comparison.number);
    case Comparison::Target::kCreateRevision:
      return Compare(now.create_revision.value(), comparison.relation, comparison.number);
    case Comparison::Target::kModRevision:
      return Compare(now.mod_revision.value(), comparison.relation, comparison.number);
    case Comparison::Target::kLease:
      return Compare(now.lease, comparison.relation, comparison.number);
  }
  return false;
}

bool StateModel::Do(const TxnOperation& operation, std::string* answer) {
  PutByte(answer, static_cast<uint64_t>(operation.kind));
  switch (operation.kind) {
    case TxnOperation::Kind::kPut: {
      const bool created = Find(operation.key) == nullptr;
      if (!Put(operation.key, operation.value, operation.lease)) return false;
      PutVarint64(answer, Find(operation.key)->version);
      PutByte(answer, created ? 1 : 0);
      return true;
    }
    case TxnOperation::Kind::kGet:
      Show(operation, answer);
      return true;
    case TxnOperation::Kind::kDelete: {
      const std::string end = operation.range ? operation.end : operation.key + '\0';
      PutVarint64(answer, DeleteRange(operation.key, end));
      return true;
    }
  }
  return false;
}

void StateModel::Show(const TxnOperation& operation, std::string* answer) const {
  const std::string end = operation.range ? operation.end : operation.key + '\0';
  std::vector<const std::pair<const std::string, kv::VersionedValue>*> in_range;
  for (auto it = state_.keys.lower_bound(operation.key); it != state_.keys.end(); ++it) {
    if (!end.empty() && it->first >= end) break;
    in_range.push_back(&*it);
  }
  if (operation.reverse) std::reverse(in_range.begin(), in_range.end());
  const size_t most = operation.count_only ? 0 : operation.limit;
  const size_t shown = std::min(most, in_range.size());
  PutByte(answer, !operation.count_only && shown < in_range.size() ? 1 : 0);
  PutVarint64(answer, operation.count_only ? in_range.size() : shown);
  PutVarint64(answer, shown);
  for (size_t i = 0; i < shown; ++i) {
    const auto& [key, value] = *in_range[i];
    PutLengthPrefixed(answer, key);
    PutVarint64(answer, value.create_revision.value());
    PutVarint64(answer, value.mod_revision.value());
    PutVarint64(answer, value.version);
    PutVarint64(answer, value.lease);
    PutLengthPrefixed(answer, operation.keys_only ? "" : value.value);
  }
}

StateModel::Answer StateModel::DecideLease(std::string_view command) {
  Decoder in(command);
  const uint8_t kind = in.Byte();
  const uint64_t number = in.Varint64();
  std::string answer = OneByte(kind);
  if (kind == kv::kLeaseGrantCommand) {
    PutVarint64(&answer, Grant(number, /*ends_with_keys=*/false));
  } else if (kind == kv::kLeaseRevokeCommand) {
    const bool existed = state_.leases.contains(number);
    PutByte(&answer, existed ? 1 : 0);
    PutVarint64(&answer, existed ? EndLease(number) : 0);
  } else {
    PutVarint64(&answer, number);
    for (uint64_t i = 0; i < number && in.ok(); ++i) {
      const auto lease = state_.leases.find(in.Varint64());
      const bool known = lease != state_.leases.end();
      PutVarint64(&answer, known ? lease->second.ttl_ms : 0);
      if (known) lease->second.deadline_ms = log_time_ + lease->second.ttl_ms;
    }
    records_changed_ = true;
  }
  return in.Done() ? Answer(answer) : std::nullopt;
}

void StateModel::PassTime() {
  for (const auto& [id, lease] : state_.leases) {
    if (lease.deadline_ms <= log_time_) expired_.push_back(id);
  }
  for (const uint64_t id : expired_) EndLease(id);
  std::erase_if(sessions_,
                [this](const auto& session) { return session.second.deadline_ms <= log_time_; });
}

uint64_t StateModel::Grant(uint64_t ttl_ms, bool ends_with_keys) {
  const uint64_t id = index_.value() * kv::kLeasesAnEntry + granted_++;
  state_.leases[id] = {ttl_ms, log_time_ + ttl_ms, ends_with_keys, {}};
  records_changed_ = true;
  return id;
}

bool StateModel::Put(const std::string& key, std::string_view value,
                     const kv::LeaseChoice& choice) {
  uint64_t lease = choice.id;
  if (choice.ttl_ms != 0) lease = Grant(choice.ttl_ms, /*ends_with_keys=*/true);
  if (lease != 0) {
    const auto found = state_.leases.find(lease);
    if (found == state_.leases.end()) return false;
    found->second.keys.insert(key);
    records_changed_ = true;
  }
  kv::VersionedValue next{std::string(value), index_, index_, 1, lease};
  if (const kv::VersionedValue* now = Find(key)) {
    next.create_revision = now->create_revision;
    next.version = now->version + 1;
    if (now->lease != lease) Detach(now->lease, key);
  }
  state_.keys[key] = std::move(next);
  touched_.insert(key);
  return true;
}

void StateModel::Delete(const std::string& key) {
  const auto found = state_.keys.find(key);
  const uint64_t lease = found->second.lease;
  state_.keys.erase(found);
  touched_.insert(key);
  Detach(lease, key);
}

uint64_t StateModel::DeleteRange(const std::string& start, const std::string& end) {
  uint64_t deleted = 0;
  for (auto it = state_.keys.lower_bound(start); it != state_.keys.end(); ++deleted) {
    if (!end.empty() && it->first >= end) break;
    const std::string key = (it++)->first;
    Delete(key);
  }
  return deleted;
}

uint64_t StateModel::EndLease(uint64_t id) {
  const std::set<std::string> keys = state_.leases[id].keys;
  for (const std::string& key : keys) {
    state_.keys.erase(key);
    touched_.insert(key);
  }
  state_.leases.erase(id);
  records_changed_ = true;
  return keys.size();
}

void StateModel::Detach(uint64_t id, const std::string& key) {
  const auto lease = state_.leases.find(id);
  if (lease == state_.leases.end()) return;
  lease->second.keys.erase(key);
  if (lease->second.keys.empty() && lease->second.ends_with_keys) state_.leases.erase(lease);
  records_changed_ = true;
}

uint64_t StateModel::RecordSumOf(std::string_view tree_key, std::string_view value) {
  return Checksum(value, Checksum(tree_key));
}

// Their formats are described at the heads of the headers in src/kv.
uint64_t StateModel::RecordSum() {
  if (!std::exchange(records_changed_, false)) return record_sum_;
  record_sum_ = 0;
  std::string value;
  for (const auto& [id, lease] : state_.leases) {
    value.clear();
    PutVarint64(&value, lease.ttl_ms);
    PutVarint64(&value, lease.deadline_ms);
    PutVarint64(&value, lease.keys.size());
    PutByte(&value, lease.ends_with_keys ? 1 : 0);
    record_sum_ += RecordSumOf("l" + BigEndian(id), value);
    for (const std::string& key : lease.keys) {
      record_sum_ += RecordSumOf("a" + BigEndian(id) + key, "");
    }
  }
  for (const auto& [client, session] : sessions_) {
    value.clear();
    PutVarint64(&value, session.sequence);
    PutVarint64(&value, session.deadline_ms);
    PutVarint64(&value, session.index.value());
    PutFixed64(&value, Checksum(session.command));
    const bool kept = session.result.size() <= kv::kMaxKeptAnswerBytes;
    PutByte(&value, kept ? 1 : 0);
    if (kept) value += session.result;
    record_sum_ += RecordSumOf("s" + client, value);
  }
  value.clear();
  PutVarint64(&value, log_time_);
  if (log_time_ > 0) record_sum_ += RecordSumOf(kv::kLogTimeKey, value);
  if (floor_ > Index(0)) record_sum_ += RecordSumOf(kv::kFloorKey, kv::EncodeFloor(floor_));
  return record_sum_;
}

}  // namespace sisyphus::testing
