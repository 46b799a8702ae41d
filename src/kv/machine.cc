#include "kv/machine.h"

#include <algorithm>
#include <utility>

#include "kv/draft.h"
#include "kv/keys.h"
#include "kv/txn.h"

namespace sisyphus::kv {

namespace {

// Commands between two looks at the tree's backlog.
constexpr uint64_t kReviewEvery = 256;

// Level 0 tables from which on writers are slowed down, and the number that counts as pressure 1.
constexpr double kCalmLevel0 = 12;
constexpr double kPressedLevel0 = 12;

// Decides a command on single keys or a range; answers its result.
StatusOr<std::string> ApplyCommand(std::string_view bytes, Draft* draft) {
  SIS_ASSIGN_OR_RETURN(const Command command, DecodeCommand(bytes));
  if (command.kind == Command::Kind::kDeleteRange) {
    SIS_ASSIGN_OR_RETURN(const uint64_t deleted,
                         DeleteKeys(draft, command.key, command.end, kMaxKeysTouched));
    return deleted > kMaxKeysTouched ? EncodeRefusal(Refusal::kTooManyKeys)
                                     : EncodeRangeResult(deleted);
  }
  SIS_ASSIGN_OR_RETURN(std::optional<VersionedValue> now, FindKey(draft, command.key));
  CommandResult result;
  const Index current = now ? now->mod_revision : Index(0);
  const bool refused =
      (command.condition.if_absent && now) ||
      (command.condition.if_revision && (!now || *command.condition.if_revision != current));
  if (refused) {
    result.current_revision = current;
    return EncodeResult(result);
  }
  result.done = true;
  result.existed = now.has_value();
  if (command.kind == Command::Kind::kPut) {
    result.create_revision = now ? now->create_revision : draft->index();
    result.version = PutKey(draft, command.key, command.value, now);
  } else if (now) {
    SIS_RETURN_IF_ERROR(draft->Delete(TreeKey(command.key)));
  }
  if (command.want_previous) result.previous = std::move(now);
  return EncodeResult(result);
}

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

}  // namespace

StatusOr<std::unique_ptr<Machine>> Machine::Open(MachineOptions options) {
  std::unique_ptr<Machine> machine(new Machine(std::move(options)));
  SIS_ASSIGN_OR_RETURN(std::unique_ptr<DB> db, machine->OpenTree());
  MutexLock lock(machine->mu_);
  machine->db_ = std::move(db);
  return machine;
}

StatusOr<std::unique_ptr<DB>> Machine::OpenTree() {
  Options engine = options_.engine;
  engine.listener = this;
  return DB::Open(engine, options_.directory);
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
  for (const node::Command& entry : commands) {
    SIS_ASSIGN_OR_RETURN(std::string answer, Execute(*tree, entry));
    SIS_RETURN_IF_ERROR(
        tree->Write(batch_, {entry.position.index.value(), entry.position.term.value()}));
    results->push_back(std::move(answer));
  }
  applied_since_review_ += commands.size();
  if (applied_since_review_ >= kReviewEvery) {
    applied_since_review_ = 0;
    ReviewPressure();
  }
  return OkStatus();
}

StatusOr<std::string> Machine::Execute(DB& db, const node::Command& entry) {
  batch_.Clear();
  if (entry.bytes.empty()) return std::string();
  Draft draft(&db, entry.position.index, &batch_);
  StatusOr<std::string> result = static_cast<uint8_t>(entry.bytes.front()) == kTxnCommand
                                     ? ApplyTxn(entry.bytes, &draft)
                                     : ApplyCommand(entry.bytes, &draft);
  if (!result.ok()) return WithContext(result.status(), "entry " + ToString(entry.position.index));
  if (RefusalIn(*result) == Refusal::kNone) {
    draft.Finish();
  } else {
    batch_.Clear();
  }
  return result;
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
  MutexLock lock(mu_);
  db_.swap(fresh);
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

void Machine::OnFlushed(const Position& /*position*/) { ReviewPressure(); }

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
