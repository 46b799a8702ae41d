#include "tests/sim/state_history.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/checksum.h"
#include "base/coding.h"
#include "kv/history.h"

namespace sisyphus::testing {
namespace {

constexpr char kBehindChanges = kv::kChangeRecordPrefix + 1;

std::string Describe(const kv::VersionedValue* value) {
  if (value == nullptr) return "nothing";
  return "'" + value->value.substr(0, 40) + "'@" + ToString(value->mod_revision) + " created @" +
         ToString(value->create_revision) + " version " + std::to_string(value->version) +
         (value->lease == 0 ? "" : " lease " + std::to_string(value->lease));
}

bool Same(const kv::VersionedValue* a, const kv::VersionedValue* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return a->value == b->value && a->mod_revision == b->mod_revision &&
         a->create_revision == b->create_revision && a->version == b->version &&
         a->lease == b->lease;
}

}  // namespace

void StateHistory::Violate(const std::string& what) {
  if (violation_.empty()) violation_ = what;
}

uint64_t StateHistory::Fingerprint(std::string_view key, const kv::VersionedValue& value) {
  const uint64_t revisions = value.mod_revision.value() * 0x9e3779b97f4a7c15 +
                             value.create_revision.value() * 0xc2b2ae3d27d4eb4f + value.version +
                             value.lease * 0x165667b19e3779f9;
  return Checksum(value.value, Checksum(key, revisions));
}

uint64_t StateHistory::ChangeFingerprint(Index revision, std::string_view key) {
  return Checksum(key, revision.value());
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

void StateHistory::OnApply(LogPosition at, std::string_view command, std::string_view result) {
  if (at.index.value() != sums_.size()) return;  // Known; a gap is RaftInvariants' business.
  const std::optional<std::string> expected = model_.Apply(at, command);
  if (!expected) return Violate("entry " + ToString(at.index) + " is malformed");
  if (*expected != result) {
    Violate("the model decides entry " + ToString(at.index) + " (kind " +
            std::to_string(command.empty() ? 0 : static_cast<uint8_t>(command[0])) + ") otherwise");
  }
  sums_.push_back(sums_.back());
  for (const std::string& key : model_.touched()) NoteChange(at.index, key);
  sums_.back().records = model_.RecordSum();
  if (!on_expired_) return;
  for (const uint64_t lease : model_.expired()) on_expired_(lease);
}

// What an entry created and deleted again leaves no trace.
void StateHistory::NoteChange(Index index, const std::string& key) {
  std::vector<Version>& versions = versions_[key];
  const kv::VersionedValue* now = model_.Find(key);
  const bool there_before = !versions.empty() && versions.back().value;
  if (now == nullptr && !there_before) return;
  Sums& sums = sums_.back();
  if (there_before) sums.keys -= Fingerprint(key, *versions.back().value);
  if (now != nullptr) sums.keys += Fingerprint(key, *now);
  sums.changes += ChangeFingerprint(index, key);
  ++sums.changed;
  versions.push_back(now != nullptr ? Version{index, *now} : Version{index, std::nullopt});
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

void StateHistory::OnRange(const std::string& who, const std::string& start, const std::string& end,
                           Index state, const Found& found) {
  for (const auto& [key, value] : found) OnRead(who, key, state, value);
  size_t expected = 0;
  for (auto it = versions_.lower_bound(start); it != versions_.end(); ++it) {
    if (!end.empty() && it->first >= end) break;
    if (At(it->first, state) != nullptr) ++expected;
  }
  if (found.size() != expected) {
    Violate(who + " has " + std::to_string(found.size()) + " keys from '" + start + "' to '" + end +
            "' after entry " + ToString(state) + ", not " + std::to_string(expected));
  }
}

Status StateHistory::CheckTree(const std::string& who, DB& tree) {
  return CheckTreeAt(who, tree, Index(tree.last_written().sequence));
}

Status StateHistory::CheckTreeAt(const std::string& who, DB& tree, Index state) {
  uint64_t keys = 0;
  uint64_t records = 0;
  ReadOptions options;
  options.fill_cache = false;
  options.sequence = state.value();
  const std::unique_ptr<Iterator> it = tree.NewIterator(options);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    // The records of changes stand behind everything else but the sessions and log time.
    if (it->key().front() == kv::kChangeRecordPrefix) it->Seek({&kBehindChanges, 1});
    if (!it->Valid()) break;
    if (!kv::IsUserTreeKey(it->key())) {
      records += StateModel::RecordSumOf(it->key(), it->value());
      continue;
    }
    const std::string key(kv::UserKey(it->key()));
    SIS_ASSIGN_OR_RETURN(const std::optional<kv::VersionedValue> found,
                         kv::DecodeTreeValue(it->value(), Index(it->sequence())));
    OnRead(who, key, state, found);
    keys += Fingerprint(key, *found);
  }
  SIS_RETURN_IF_ERROR(it->status());
  if (state.value() >= sums_.size()) return OkStatus();
  if (keys != sums_[state.value()].keys) {
    Violate(who + " lacks a key in its tables, after entry " + ToString(state));
  }
  if (records != sums_[state.value()].records) {
    Violate(who + " has other leases, sessions or log time in its tables, after entry " +
            ToString(state));
  }
  return OkStatus();
}

Status StateHistory::CheckChanges(const std::string& who, DB& tree, Index floor) {
  const uint64_t last = std::min<uint64_t>(tree.last_written().sequence, sums_.size() - 1);
  Sums found;
  const std::unique_ptr<Iterator> it = tree.NewIterator({});
  for (it->Seek(kv::ChangeRecordKey(floor.Next(), 0)); it->Valid(); it->Next()) {
    const std::optional<kv::ChangeRecordPlace> place = kv::ParseChangeRecordKey(it->key());
    if (!place || place->revision.value() > last) break;
    for (Decoder keys(it->value()); keys.ok() && !keys.rest().empty(); ++found.changed) {
      found.changes += ChangeFingerprint(place->revision, keys.LengthPrefixed());
    }
  }
  SIS_RETURN_IF_ERROR(it->status());
  if (last < floor.value()) return OkStatus();
  const Sums& before = sums_[floor.value()];
  const uint64_t changed = sums_[last].changed - before.changed;
  if (found.changed != changed) {
    Violate(who + " has " + std::to_string(found.changed) + " changes above " + ToString(floor) +
            ", not " + std::to_string(changed));
  } else if (found.changes != sums_[last].changes - before.changes) {
    Violate(who + " has other changes above " + ToString(floor) + " than there were");
  }
  return OkStatus();
}

}  // namespace sisyphus::testing
