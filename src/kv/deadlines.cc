#include "kv/deadlines.h"

#include <algorithm>
#include <memory>

#include "base/coding.h"
#include "kv/lease.h"
#include "kv/session.h"

namespace sisyphus::kv {

namespace {

template <typename Id, typename Set>
void MoveAll(const std::vector<DeadlineChanges::Move<Id>>& moves, Set* set) {
  for (const auto& move : moves) {
    if (move.before != 0) set->erase({move.before, move.id});
    if (move.after != 0) set->insert({move.after, move.id});
  }
}

template <typename Id, typename Set>
std::vector<Id> Due(const Set& set, uint64_t now, size_t limit) {
  std::vector<Id> ids;
  for (auto it = set.begin(); it != set.end() && it->first <= now && ids.size() < limit; ++it)
    ids.push_back(it->second);
  return ids;
}

}  // namespace

Status Deadlines::Load(DB* db) {
  uint64_t log_time = 0;
  absl::btree_set<std::pair<uint64_t, uint64_t>> leases;
  std::set<std::pair<uint64_t, std::string>> sessions;
  ReadOptions options;
  options.fill_cache = false;
  ReadResult time;
  SIS_ASSIGN_OR_RETURN(const bool has_time, db->Get(options, kLogTimeKey, &time));
  if (has_time) {
    Decoder in(time.value);
    log_time = in.Varint64();
    if (!in.Done()) return MakeStatus(StatusCode::kDataLoss, "malformed log time in the tree");
  }
  const std::unique_ptr<Iterator> it = db->NewIterator(options);
  for (it->Seek(kLeasePrefix); it->Valid() && it->key().starts_with(kLeasePrefix); it->Next()) {
    SIS_ASSIGN_OR_RETURN(const Lease lease, DecodeLease(it->key(), it->value()));
    leases.insert({lease.deadline_ms, lease.id});
  }
  SIS_RETURN_IF_ERROR(it->status());
  for (it->Seek(kSessionPrefix); it->Valid() && it->key().starts_with(kSessionPrefix); it->Next()) {
    SIS_ASSIGN_OR_RETURN(const Session session, DecodeSession(it->value()));
    sessions.insert({session.deadline_ms, std::string(it->key().substr(kSessionPrefix.size()))});
  }
  SIS_RETURN_IF_ERROR(it->status());
  MutexLock lock(mu_);
  log_time_ = log_time;
  leases_.swap(leases);
  sessions_.swap(sessions);
  return OkStatus();
}

bool Deadlines::Commit(const DeadlineChanges& changes) {
  MutexLock lock(mu_);
  const std::optional<uint64_t> before = EarliestLocked();
  if (changes.log_time) log_time_ = *changes.log_time;
  MoveAll(changes.leases, &leases_);
  MoveAll(changes.sessions, &sessions_);
  return EarliestLocked() != before;
}

uint64_t Deadlines::log_time() const {
  MutexLock lock(mu_);
  return log_time_;
}

size_t Deadlines::leases() const {
  MutexLock lock(mu_);
  return leases_.size();
}

size_t Deadlines::sessions() const {
  MutexLock lock(mu_);
  return sessions_.size();
}

std::optional<uint64_t> Deadlines::Earliest() const {
  MutexLock lock(mu_);
  return EarliestLocked();
}

std::optional<uint64_t> Deadlines::EarliestLocked() const {
  if (leases_.empty() && sessions_.empty()) return std::nullopt;
  const uint64_t lease = leases_.empty() ? UINT64_MAX : leases_.begin()->first;
  const uint64_t session = sessions_.empty() ? UINT64_MAX : sessions_.begin()->first;
  return std::min(lease, session);
}

std::vector<uint64_t> Deadlines::DueLeases(uint64_t now, size_t limit) const {
  MutexLock lock(mu_);
  return Due<uint64_t>(leases_, now, limit);
}

std::vector<std::string> Deadlines::DueSessions(uint64_t now, size_t limit) const {
  MutexLock lock(mu_);
  return Due<std::string>(sessions_, now, limit);
}

}  // namespace sisyphus::kv
