#include "tests/sim/state_history.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/checksum.h"
#include "base/coding.h"
#include "kv/command.h"
#include "kv/history.h"

namespace sisyphus::testing {
namespace {

std::string Describe(const kv::VersionedValue* value) {
  if (value == nullptr) return "nothing";
  return "'" + value->value.substr(0, 40) + "'@" + ToString(value->mod_revision) + " created @" +
         ToString(value->create_revision) + " version " + std::to_string(value->version);
}

bool Same(const kv::VersionedValue* a, const kv::VersionedValue* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return a->value == b->value && a->mod_revision == b->mod_revision &&
         a->create_revision == b->create_revision && a->version == b->version;
}

}  // namespace

void StateHistory::Violate(const std::string& what) {
  if (violation_.empty()) violation_ = what;
}

uint64_t StateHistory::Fingerprint(std::string_view key, const kv::VersionedValue& value) {
  const uint64_t revisions = value.mod_revision.value() * 0x9e3779b97f4a7c15 +
                             value.create_revision.value() * 0xc2b2ae3d27d4eb4f + value.version;
  return Checksum(value.value, Checksum(key, revisions));
}

void StateHistory::Change(const std::string& key, Version version) {
  std::vector<Version>& versions = versions_[key];
  if (!versions.empty() && versions.back().value) sum_ -= Fingerprint(key, *versions.back().value);
  if (version.value) sum_ += Fingerprint(key, *version.value);
  ++changes_.back();
  versions.push_back(std::move(version));
}

const kv::VersionedValue* StateHistory::At(const std::string& key, Index state) const {
  const auto versions = versions_.find(key);
  if (versions == versions_.end()) return nullptr;
  const auto after =
      std::upper_bound(versions->second.begin(), versions->second.end(), state,
                       [](Index index, const Version& version) { return index < version.since; });
  if (after == versions->second.begin()) return nullptr;
  const Version& version = *std::prev(after);
  return version.value ? &*version.value : nullptr;
}

void StateHistory::OnApply(Index index, std::string_view command, std::string_view result) {
  if (index.value() != sums_.size()) return;  // Known; a gap is RaftInvariants' business.
  changes_.push_back(0);
  if (!command.empty()) Decide(index, command, result);
  sums_.push_back(sum_);
}

void StateHistory::Decide(Index index, std::string_view bytes, std::string_view result_bytes) {
  if (kv::IsCompactCommand(bytes)) return;  // Changes no key.
  const StatusOr<kv::Command> command = kv::DecodeCommand(bytes);
  const StatusOr<kv::CommandResult> result = kv::DecodeResult(result_bytes);
  if (!command.ok() || !result.ok()) return Violate("entry " + ToString(index) + " is malformed");
  if (command->kind == kv::Command::Kind::kDeleteRange) {
    return DecideRange(index, *command, *result);
  }
  const std::string key(command->key);
  const kv::VersionedValue* now = At(key, index);
  const std::optional<Index>& wanted = command->condition.if_revision;
  const bool holds = !(command->condition.if_absent && now != nullptr) &&
                     !(wanted && (now == nullptr || now->mod_revision != *wanted));
  if (result->done != holds) {
    Violate("the model decides entry " + ToString(index) + " (" + key + ") otherwise");
  }
  if (!holds) return;
  if (command->kind == kv::Command::Kind::kDelete) {
    if (now != nullptr) Change(key, {index, std::nullopt});
    return;
  }
  kv::VersionedValue next{std::string(command->value), index, index, 1};
  if (now != nullptr) {
    next.create_revision = now->create_revision;
    next.version = now->version + 1;
  }
  Change(key, {index, std::move(next)});
}

void StateHistory::DecideRange(Index index, const kv::Command& command,
                               const kv::CommandResult& result) {
  uint64_t deleted = 0;
  for (auto it = versions_.lower_bound(std::string(command.key)); it != versions_.end(); ++it) {
    if (!command.end.empty() && it->first >= command.end) break;
    if (At(it->first, index) == nullptr) continue;
    Change(it->first, {index, std::nullopt});
    ++deleted;
  }
  if (!result.done || result.deleted != deleted) {
    Violate("the model deletes " + std::to_string(deleted) + " keys with entry " + ToString(index));
  }
}

void StateHistory::OnRead(const std::string& who, const std::string& key, Index state,
                          const std::optional<kv::VersionedValue>& found) {
  if (state.value() >= sums_.size()) {
    return Violate(who + " reads from the state after entry " + ToString(state) +
                   ", which nobody has applied");
  }
  const kv::VersionedValue* expected = At(key, state);
  const kv::VersionedValue* seen = found ? &*found : nullptr;
  if (Same(seen, expected)) return;
  Violate(who + " has " + Describe(seen) + " under " + key + " after entry " + ToString(state) +
          ", not " + Describe(expected));
}

Status StateHistory::CheckTree(const std::string& who, DB& tree) {
  return CheckTreeAt(who, tree, Index(tree.last_written().sequence));
}

Status StateHistory::CheckTreeAt(const std::string& who, DB& tree, Index state) {
  uint64_t sum = 0;
  ReadOptions options;
  options.fill_cache = false;
  options.sequence = state.value();
  const std::unique_ptr<Iterator> it = tree.NewIterator(options);
  for (it->Seek(kv::TreeKey("")); it->Valid() && kv::IsUserTreeKey(it->key()); it->Next()) {
    const std::string key(kv::UserKey(it->key()));
    SIS_ASSIGN_OR_RETURN(const std::optional<kv::VersionedValue> found,
                         kv::DecodeTreeValue(it->value(), Index(it->sequence())));
    OnRead(who, key, state, found);
    sum += Fingerprint(key, *found);
  }
  SIS_RETURN_IF_ERROR(it->status());
  if (state.value() < sums_.size() && sum != sums_[state.value()]) {
    Violate(who + " lacks a key in its tables, after entry " + ToString(state));
  }
  return OkStatus();
}

Status StateHistory::CheckChanges(const std::string& who, DB& tree, Index floor) {
  const uint64_t last = std::min<uint64_t>(tree.last_written().sequence, changes_.size() - 1);
  uint64_t expected = 0;
  for (uint64_t i = floor.value() + 1; i <= last; ++i) expected += changes_[i];
  uint64_t found = 0;
  const std::unique_ptr<Iterator> it = tree.NewIterator({});
  for (it->Seek(kv::ChangeRecordKey(floor.Next(), 0)); it->Valid(); it->Next()) {
    const std::optional<kv::ChangeRecordPlace> place = kv::ParseChangeRecordKey(it->key());
    if (!place || place->revision.value() > last) break;
    for (Decoder keys(it->value()); keys.ok() && !keys.rest().empty(); ++found) {
      const std::string key(keys.LengthPrefixed());
      const auto versions = versions_.find(key);
      const bool known =
          versions != versions_.end() &&
          std::any_of(versions->second.begin(), versions->second.end(),
                      [&](const Version& version) { return version.since == place->revision; });
      if (!known) {
        Violate(who + " says that entry " + ToString(place->revision) + " changed " + key);
      }
    }
  }
  SIS_RETURN_IF_ERROR(it->status());
  if (found != expected) {
    Violate(who + " has " + std::to_string(found) + " changes above " + ToString(floor) + ", not " +
            std::to_string(expected));
  }
  return OkStatus();
}

}  // namespace sisyphus::testing
