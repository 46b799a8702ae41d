#include "lsm/db_impl.h"

#include <algorithm>

#include "base/check.h"
#include "base/planted.h"
#include "base/posix_file_system.h"
#include "base/thread_executor.h"
#include "lsm/checkpoint.h"
#include "lsm/db_iterator.h"
#include "lsm/merging_iterator.h"

namespace sisyphus::lsm {

DbImpl::DbImpl(const Options& options, std::string directory)
    : own_executor_(options.executor == nullptr ? std::make_unique<ThreadExecutor>() : nullptr),
      options_(options),
      directory_(std::move(directory)),
      fs_(*options.file_system),
      purge_([this] { compaction_actor_->Post([this] { Purge(); }); }),
      tables_(fs_, options_, directory_),
      versions_(options_, directory_, &purge_) {
  Executor& executor = own_executor_ != nullptr ? *own_executor_ : *options_.executor;
  flush_actor_ = executor.CreateActor({.name = "lsm-flush"});
  compaction_actor_ = executor.CreateActor({.name = "lsm-compact"});
}

DbImpl::~DbImpl() { StopBackgroundWork(); }

void DbImpl::StopBackgroundWork() {
  stopping_ = true;
  compaction_actor_->Stop();
  flush_actor_->Stop();
}

absl::Status DbImpl::Recover() {
  SIS_RETURN_IF_ERROR(versions_.Recover());
  auto view = std::make_shared<ReadView>();
  view->memtable = std::make_shared<Memtable>();
  view->version = versions_.current();
  MutexLock lock(mu_);
  last_written_ = view->version->flushed();
  last_sequence_ = last_written_.sequence;
  view_ = std::move(view);
  return OkStatus();
}

std::shared_ptr<const ReadView> DbImpl::CurrentView() const {
  MutexLock lock(mu_);
  return view_;
}

absl::Status DbImpl::Write(const WriteBatch& batch, const Position& position) {
  Memtable* memtable = nullptr;
  {
    MutexLock lock(mu_);
    if (!background_error_.ok()) return background_error_;
    if (position.sequence <= last_written_.sequence || position.sequence >= kMaxSequence) {
      return MakeStatus(StatusCode::kInvalidArgument,
                        "write at sequence number " + std::to_string(position.sequence) +
                            " after " + std::to_string(last_written_.sequence));
    }
    SIS_CHECK(!writing_, "two threads write at the same time");
    writing_ = true;
    compaction_enabled_ = true;
    memtable = view_->memtable.get();  // Stays in place while writing_.
  }
  memtable->Add(batch, position.sequence);
  Counters::Add(counters_.written_bytes, batch.bytes());
  std::shared_ptr<const ReadView> dropped;
  {
    MutexLock lock(mu_);
    writing_ = false;
    last_written_ = position;
    memtable->set_last_position(position);
    last_sequence_.store(position.sequence, std::memory_order_release);
    if (flush_requested_ || memtable->bytes() >= options_.memtable_bytes) {
      flush_requested_ = false;
      dropped = SwitchMemtable();
    }
  }
  if (dropped != nullptr) PostFlush();
  return OkStatus();
}

std::shared_ptr<const ReadView> DbImpl::SwitchMemtable() {
  if (view_->memtable->last_position().sequence == 0) return nullptr;
  const bool stalled = StalledLocked();
  auto view = std::make_shared<ReadView>();
  view->memtable = std::make_shared<Memtable>();
  view->immutable.reserve(view_->immutable.size() + 1);
  view->immutable.push_back(view_->memtable);
  view->immutable.insert(view->immutable.end(), view_->immutable.begin(), view_->immutable.end());
  view->version = view_->version;
  std::shared_ptr<const ReadView> old = std::exchange(view_, std::move(view));
  if (!stalled && StalledLocked()) Counters::Add(counters_.stalls);
  return old;
}

bool DbImpl::StalledLocked() const {
  return view_->immutable.size() > options_.max_immutable_memtables;
}

bool DbImpl::WriteStalled() const {
  MutexLock lock(mu_);
  return StalledLocked();
}

absl::StatusOr<bool> DbImpl::Get(const ReadOptions& options, std::string_view key,
                                 ReadResult* result) {
  Counters::Add(counters_.gets);
  // The view first: a version that was visible at a sequence number taken before it might have been
  // replaced and dropped by the time of the view.
  const std::shared_ptr<const ReadView> view = CurrentView();
  ReadOptions at = options;
  at.sequence = std::min(options.sequence, last_sequence_.load(std::memory_order_acquire));
  const auto answer = [result](const Memtable::Found& found) {
    if (found.kind == Kind::kDelete) return false;
    result->value.assign(found.value);
    result->sequence = found.sequence;
    return true;
  };
  if (const auto found = view->memtable->Get(key, at.sequence)) return answer(*found);
  for (const auto& memtable : view->immutable) {
    if (const auto found = memtable->Get(key, at.sequence)) return answer(*found);
  }
  return view->version->Get(tables_, counters_, at, key, result);
}

std::unique_ptr<Iterator> DbImpl::NewIterator(const ReadOptions& options) {
  std::shared_ptr<const ReadView> view = CurrentView();
  const uint64_t sequence =
      std::min(options.sequence, last_sequence_.load(std::memory_order_acquire));
  std::vector<std::unique_ptr<InternalIterator>> sources;
  sources.push_back(view->memtable->NewIterator());
  for (const auto& memtable : view->immutable) sources.push_back(memtable->NewIterator());
  view->version->AddIterators(&tables_, options.fill_cache, &sources);
  return NewDbIterator(NewMergingIterator(std::move(sources)), sequence, std::move(view));
}

std::unique_ptr<Snapshot> DbImpl::NewSnapshot() { return snapshots_.Pin(last_sequence_); }

void DbImpl::SetHistoryFloor(uint64_t sequence) {
  snapshots_.SetFloor(sequence);
  {
    MutexLock lock(mu_);
    compaction_enabled_ = true;
  }
  PostCompaction();
}

Position DbImpl::last_written() const {
  MutexLock lock(mu_);
  return last_written_;
}

Position DbImpl::flushed() const { return CurrentView()->version->flushed(); }

absl::StatusOr<Position> DbImpl::Checkpoint(const std::string& path) {
  const std::shared_ptr<const ReadView> view = CurrentView();
  SIS_RETURN_IF_ERROR(WriteCheckpoint(fs_, directory_, path, *view->version));
  return SIS_PLANTED(kCheckpointTooNew) ? last_written() : view->version->flushed();
}

DbStats DbImpl::stats() const {
  const std::shared_ptr<const ReadView> view = CurrentView();
  DbStats stats;
  for (int i = 0; i < kLevels; ++i) {
    const TableList& tables = view->version->level(i);
    stats.levels[static_cast<size_t>(i)] = {tables.size(), TotalBytes(tables)};
  }
  stats.memtable_bytes = view->memtable->bytes();
  for (const auto& memtable : view->immutable) stats.memtable_bytes += memtable->bytes();
  stats.immutable_memtables = view->immutable.size();
  stats.compaction_debt_bytes = CompactionDebt(options_, *view->version);
  stats.flushes = counters_.flushes;
  stats.flushed_bytes = counters_.flushed_bytes;
  stats.compactions = counters_.compactions;
  stats.compaction_read_bytes = counters_.compaction_read_bytes;
  stats.compaction_written_bytes = counters_.compaction_written_bytes;
  stats.cache_hits = tables_.blocks().hits();
  stats.cache_misses = tables_.blocks().misses();
  stats.cache_bytes = tables_.blocks().cost();
  stats.bloom_checks = counters_.bloom_checks;
  stats.bloom_skips = counters_.bloom_skips;
  stats.bloom_false_positives = counters_.bloom_false_positives;
  stats.stalls = counters_.stalls;
  stats.gets = counters_.gets;
  stats.written_bytes = counters_.written_bytes;
  return stats;
}

}  // namespace sisyphus::lsm

namespace sisyphus {

absl::StatusOr<std::unique_ptr<DB>> DB::Open(const Options& options, const std::string& path) {
  if (options.block_restart_interval < 1 || options.block_bytes < 1 || options.table_bytes < 1 ||
      options.level_multiplier < 1 || options.bloom_bits_per_key < 0) {
    return MakeStatus(StatusCode::kInvalidArgument, "options: a size or interval is not positive");
  }
  Options complete = options;
  if (complete.file_system == nullptr) complete.file_system = &PosixFileSystem();
  SIS_RETURN_IF_ERROR(complete.file_system->CreateDirectory(path));
  SIS_RETURN_IF_ERROR(complete.file_system->SyncDirectory(DirectoryOf(path)));
  auto db = std::make_unique<lsm::DbImpl>(complete, path);
  SIS_RETURN_IF_ERROR(db->Recover());
  return db;
}

}  // namespace sisyphus
