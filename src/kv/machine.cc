#include "kv/machine.h"

#include <algorithm>
#include <utility>

#include "base/planted.h"
#include "kv/draft.h"
#include "kv/execute.h"
#include "kv/history.h"
#include "kv/session.h"

namespace sisyphus::kv {

namespace {

// Commands between two looks at the tree's backlog.
constexpr uint64_t kReviewEvery = 256;

// Level 0 tables from which on writers are slowed down, and the number that counts as pressure 1.
constexpr double kCalmLevel0 = 12;
constexpr double kPressedLevel0 = 12;

StatusOr<std::optional<VersionedValue>> Find(DB& db, const std::string& tree_key,
                                             uint64_t sequence) {
  ReadOptions read;
  read.sequence = sequence;
  ReadResult found;
  SIS_ASSIGN_OR_RETURN(const bool exists, db.Get(read, tree_key, &found));
  if (!exists) return std::optional<VersionedValue>();
  SIS_ASSIGN_OR_RETURN(VersionedValue value, DecodeTreeValue(found.value, Index(found.sequence)));
  return std::optional<VersionedValue>(std::move(value));
}

StatusOr<Index> FloorAt(DB& db, uint64_t sequence) {
  ReadOptions read;
  read.sequence = sequence;
  ReadResult found;
  SIS_ASSIGN_OR_RETURN(const bool exists, db.Get(read, kFloorKey, &found));
  return exists ? DecodeFloor(found.value) : Index();
}

// For the mistakes kLeasesNotInSnapshot and kSessionsNotInSnapshot.
void ForgetDeadlines(DB* db, Deadlines* deadlines) {
  DeadlineChanges changes;
  const std::unique_ptr<Iterator> it = db->NewIterator({});
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if (it->key().starts_with(kLeasePrefix) && SIS_PLANTED(kLeasesNotInSnapshot)) {
      const StatusOr<Lease> lease = DecodeLease(it->key(), it->value());
      if (lease.ok()) changes.leases.push_back({lease->id, lease->deadline_ms, 0});
    } else if (it->key().starts_with(kSessionPrefix) && SIS_PLANTED(kSessionsNotInSnapshot)) {
      const StatusOr<Session> session = DecodeSession(it->value());
      const std::string client(it->key().substr(kSessionPrefix.size()));
      if (session.ok()) changes.sessions.push_back({client, session->deadline_ms, 0});
    }
  }
  deadlines->Commit(changes);
}

// For the mistake kLeaseByLocalClock.
uint64_t LocalMilliseconds(Clock& clock) {
  const Duration now = clock.Now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

}  // namespace

StatusOr<std::unique_ptr<Machine>> Machine::Open(MachineOptions options) {
  std::unique_ptr<Machine> machine(new Machine(std::move(options)));
  machine->feed_ =
      std::make_unique<WatchFeed>(machine->options_.watches, machine->options_.engine.executor);
  SIS_ASSIGN_OR_RETURN(std::unique_ptr<DB> db, machine->OpenTree());
  MutexLock lock(machine->mu_);
  machine->db_ = std::move(db);
  return machine;
}

StatusOr<std::unique_ptr<DB>> Machine::OpenTree() {
  Options engine = options_.engine;
  engine.listener = this;
  engine.history_prefix = kChangeRecordPrefix;
  SIS_ASSIGN_OR_RETURN(std::unique_ptr<DB> db, DB::Open(engine, options_.directory));
  SIS_RETURN_IF_ERROR(deadlines_.Load(db.get()));
  applied_term_.store(db->last_written().term);
  const uint64_t applied = db->last_written().sequence;
  SIS_ASSIGN_OR_RETURN(const Index floor, FloorAt(*db, applied));
  db->SetHistoryFloor(floor.value());
  history_floor_ = floor.value();
  feed_->Restart(Index(applied));
  const Position at = db->last_written();
  content_.Restart(Index(at.sequence), at.digest);
  return db;
}

// The tree's background work calls back: it ends before anything else does.
Machine::~Machine() {
  if (const std::shared_ptr<DB> tree = db()) tree->StopBackgroundWork();
}

LogPosition Machine::durable() const {
  const Position position = db()->flushed();
  return {Index(position.sequence), Term(position.term)};
}

Status Machine::Apply(std::span<const node::Command> commands, std::vector<std::string>* results) {
  const std::shared_ptr<DB> tree = db();
  bool wake = false;  // The timekeeper.
  for (const node::Command& entry : commands) {
    DeadlineChanges changes;
    SIS_ASSIGN_OR_RETURN(std::string answer, Decide(*tree, entry, &changes));
    feed_->Note(entry.position.index, batch_);
    AppendChangeRecord(entry.position.index, &batch_);
    SIS_RETURN_IF_ERROR(
        tree->Write(batch_, {entry.position.index.value(), entry.position.term.value(),
                             content_.Fold(entry.position, batch_, answer)}));
    results->push_back(std::move(answer));
    if (!changes.empty() && deadlines_.Commit(changes)) wake = true;
    if (entry.position.term != applied_term()) {
      applied_term_.store(entry.position.term.value());
      wake = true;
    }
  }
  if (wake) CallOnTime();
  if (!commands.empty()) {
    const Index last = commands.back().position.index;
    feed_->Publish(last);
    if (on_applied_) on_applied_(last);
  }
  applied_since_review_ += commands.size();
  if (applied_since_review_ >= kReviewEvery) {
    applied_since_review_ = 0;
    ReviewPressure();
  }
  return OkStatus();
}

StatusOr<std::string> Machine::Decide(DB& db, const node::Command& entry,
                                      DeadlineChanges* changes) {
  batch_.Clear();
  if (entry.bytes.empty()) return std::string();
  if (IsCompactCommand(entry.bytes)) {
    SIS_ASSIGN_OR_RETURN(const Index floor, Compact(entry.bytes, entry.position.index));
    return EncodeCompactResult(floor);
  }
  Draft draft(&db, entry.position.index, &deadlines_, &batch_);
  if (SIS_PLANTED(kLeaseByLocalClock) && deadlines_.leases() > 0)
    draft.MoveTime(LocalMilliseconds(clock()));
  StatusOr<std::string> result = Execute(entry.bytes, entry.position.term, &draft);
  if (!result.ok()) return WithContext(result.status(), "entry " + ToString(entry.position.index));
  *changes = std::move(draft.deadline_changes());
  return result;
}

std::shared_ptr<const std::string> Machine::Stamp(std::shared_ptr<const std::string> command,
                                                  Term term) {
  if (!IsTimed(*command)) return command;
  const uint64_t time = log_clock_.Time(term, executor()->clock().Now());
  return std::make_shared<const std::string>(WithTime(*command, time));
}

void Machine::SetTimeCallback(std::function<void()> on_time) {
  MutexLock lock(mu_);
  on_time_ = std::move(on_time);
}

void Machine::CallOnTime() {
  std::function<void()> on_time;
  {
    MutexLock lock(mu_);
    on_time = on_time_;
  }
  if (on_time) on_time();
}

uint64_t Machine::LogTimeNow() {
  return std::max(deadlines_.log_time(),
                  log_clock_.Time(applied_term(), executor()->clock().Now()));
}

StatusOr<std::optional<Lease>> Machine::FindLease(uint64_t id) {
  const std::string key = LeaseKey(id);
  ReadResult found;
  SIS_ASSIGN_OR_RETURN(const bool exists, db()->Get({}, key, &found));
  if (!exists) return std::optional<Lease>();
  SIS_ASSIGN_OR_RETURN(const Lease lease, DecodeLease(key, found.value));
  return std::optional<Lease>(lease);
}

StatusOr<std::vector<Lease>> Machine::ListLeases(uint64_t after, size_t limit) {
  std::vector<Lease> leases;
  const std::shared_ptr<DB> tree = db();
  const std::unique_ptr<Iterator> it = tree->NewIterator({});
  for (it->Seek(LeaseKey(after + 1));
       it->Valid() && it->key().starts_with(kLeasePrefix) && leases.size() < limit; it->Next()) {
    SIS_ASSIGN_OR_RETURN(const Lease lease, DecodeLease(it->key(), it->value()));
    leases.push_back(lease);
  }
  SIS_RETURN_IF_ERROR(it->status());
  return leases;
}

// The floor moves up, and never to the entry itself or beyond. The tree goes on keeping what lies
// above the floor that its tables hold (OnFlushed): a crash now takes this entry back, and what is
// read until it is applied again has the old floor.
StatusOr<Index> Machine::Compact(std::string_view bytes, Index index) {
  SIS_ASSIGN_OR_RETURN(const Index wanted, DecodeCompactCommand(bytes));
  if (wanted > history_floor() && wanted < index) {
    batch_.Put(kFloorKey, EncodeFloor(wanted));
    history_floor_ = wanted.value();
    if (SIS_PLANTED(kFloorAtOnce)) db()->SetHistoryFloor(wanted.value());
  }
  return history_floor();
}

StatusOr<Machine::ReadOutcome> Machine::Read(std::string_view key) {
  ReadOutcome outcome;
  const std::shared_ptr<DB> tree = db();
  const uint64_t sequence = tree->last_written().sequence;
  outcome.state = Index(sequence);
  SIS_ASSIGN_OR_RETURN(outcome.found, Find(*tree, TreeKey(key), sequence));
  return outcome;
}

StatusOr<LogPosition> Machine::Checkpoint(const std::string& directory) {
  SIS_ASSIGN_OR_RETURN(const Position position, db()->Checkpoint(directory));
  return LogPosition{Index(position.sequence), Term(position.term)};
}

Status Machine::Install(const std::function<Status()>& swap) {
  // The old tree must not touch files of the new one, which stands at the same path. Who reads from
  // it still may.
  db()->StopBackgroundWork();
  SIS_RETURN_IF_ERROR(swap());
  SIS_ASSIGN_OR_RETURN(std::shared_ptr<DB> fresh, OpenTree());
  if (SIS_PLANTED(kLeasesNotInSnapshot) || SIS_PLANTED(kSessionsNotInSnapshot))
    ForgetDeadlines(fresh.get(), &deadlines_);
  {
    MutexLock lock(mu_);
    db_.swap(fresh);
  }
  CallOnTime();
  return OkStatus();
}

void Machine::SetReadyCallback(std::function<void()> on_ready) {
  MutexLock lock(mu_);
  on_ready_ = std::move(on_ready);
}

void Machine::ReviewPressure() {
  const DbStats stats = this->stats();
  const double level0 = (static_cast<double>(stats.levels[0].files) - kCalmLevel0) / kPressedLevel0;
  const double waiting =
      static_cast<double>(stats.immutable_memtables) /
          static_cast<double>(std::max<size_t>(options_.engine.max_immutable_memtables, 1)) -
      0.5;
  pressure_.store(std::max({0.0, level0, 2 * waiting}), std::memory_order_relaxed);
}

void Machine::OnFlushed(const Position& position) {
  const std::shared_ptr<DB> tree = db();
  const StatusOr<Index> floor = FloorAt(*tree, position.sequence);
  if (!floor.ok()) return OnBackgroundError(floor.status());
  if (floor->value() > std::exchange(tree_floor_, floor->value()))
    tree->SetHistoryFloor(floor->value());
  ReviewPressure();
}

void Machine::OnWritable() {
  std::function<void()> on_ready;
  {
    MutexLock lock(mu_);
    on_ready = on_ready_;
  }
  ReviewPressure();
  if (on_ready) on_ready();
}

void Machine::OnBackgroundError(const Status& status) {
  if (options_.on_fatal) options_.on_fatal(status);
}

}  // namespace sisyphus::kv
