// Flushes and compactions: the part of DbImpl that runs on its actors.

#include <algorithm>

#include "base/check.h"
#include "base/planted.h"
#include "lsm/db_impl.h"
#include "lsm/file_names.h"
#include "lsm/merging_iterator.h"

namespace sisyphus::lsm {

void DbImpl::Fail(const absl::Status& status) {
  {
    MutexLock lock(mu_);
    if (!background_error_.ok()) return;
    background_error_ = MakeStatus(StatusCode::kInternal, "the store takes no writes after: " +
                                                              std::string(status.ToString()));
    changed_.SignalAll();
  }
  if (options_.listener != nullptr) options_.listener->OnBackgroundError(status);
}

void DbImpl::PostFlush() {
  if (flush_posted_.exchange(true)) return;
  flush_actor_->Post([this] {
    flush_posted_ = false;
    FlushOne();
  });
}

void DbImpl::PostCompaction() {
  if (compaction_posted_.exchange(true)) return;
  compaction_actor_->Post([this] {
    compaction_posted_ = false;
    StartCompaction();
  });
}

absl::Status DbImpl::Flush() {
  const uint64_t target = last_written().sequence;
  ScheduleFlush();
  MutexLock lock(mu_);
  while (background_error_.ok() && view_->version->flushed().sequence < target) {
    changed_.Wait(mu_);
  }
  return background_error_;
}

void DbImpl::ScheduleFlush() {
  std::shared_ptr<const ReadView> dropped;
  {
    MutexLock lock(mu_);
    report_flush_ = true;
    if (writing_) {
      flush_requested_ = true;
      return;
    }
    dropped = SwitchMemtable();
  }
  PostFlush();
}

absl::Status DbImpl::CompactAll() {
  SIS_RETURN_IF_ERROR(Flush());
  uint64_t mine = 0;
  {
    MutexLock lock(mu_);
    compaction_enabled_ = true;
    mine = ++full_compactions_asked_;
  }
  PostCompaction();
  MutexLock lock(mu_);
  while (background_error_.ok() && full_compactions_done_ < mine) changed_.Wait(mu_);
  return background_error_;
}

void DbImpl::FlushOne() {
  std::shared_ptr<Memtable> memtable;
  VersionEdit edit;
  bool report = false;
  {
    MutexLock lock(mu_);
    if (!background_error_.ok()) return;
    if (!view_->immutable.empty()) {
      memtable = view_->immutable.back();
      edit.flushed = SIS_PLANTED(kFlushedTooHigh) ? last_written_ : memtable->last_position();
    }
    report = report_flush_;
    if (memtable == nullptr) report_flush_ = false;
  }
  if (memtable == nullptr) {
    if (report && options_.listener != nullptr) options_.listener->OnFlushed(flushed());
    return;
  }
  absl::Status status = WriteTable(*memtable, &edit);
  if (stopping_) return;
  const uint64_t bytes = edit.added.empty() ? 0 : edit.added[0].table.size_bytes;
  const Position position = *edit.flushed;
  if (status.ok()) status = versions_.Apply(std::move(edit));
  if (!status.ok()) {
    Fail(status);
    return;
  }
  Counters::Add(counters_.flushes);
  Counters::Add(counters_.flushed_bytes, bytes);
  const bool stalled = WriteStalled();
  PublishVersion(memtable.get());
  if (options_.listener != nullptr) {
    options_.listener->OnFlushed(position);
    if (stalled && !WriteStalled()) options_.listener->OnWritable();
  }
  // What is still waiting, or the report that nothing is.
  PostFlush();
  PostCompaction();
}

absl::Status DbImpl::WriteTable(const Memtable& memtable, VersionEdit* edit) {
  CompactionJob job(
      {.fs = &fs_,
       .options = &options_,
       .directory = directory_,
       .level = 0,
       .table_bytes = 0,
       .new_file_number = [this] { return versions_.NewFileNumber(); }},
      memtable.NewIterator(),
      // Deletions must reach what lies in the tables below.
      Retention(
          snapshots_.ReadPoints(), [](std::string_view) { return true; }, options_.history_prefix));
  while (!stopping_) {
    SIS_ASSIGN_OR_RETURN(const bool done, job.Step(kStepBytes));
    if (!done) continue;
    edit->added = job.outputs();
    break;
  }
  return OkStatus();
}

void DbImpl::PublishVersion(const Memtable* flushed) {
  std::shared_ptr<const ReadView> old;  // Dropped without the lock.
  {
    MutexLock lock(mu_);
    auto view = std::make_shared<ReadView>(*view_);
    view->version = versions_.current();
    if (flushed != nullptr) {
      SIS_CHECK(view->immutable.back().get() == flushed, "memtables are flushed in order");
      view->immutable.pop_back();
      // The caller is about to report this flush, which was the last one asked for.
      if (view->immutable.empty()) report_flush_ = false;
    }
    old = std::exchange(view_, std::move(view));
    changed_.SignalAll();
  }
}

void DbImpl::Install(VersionEdit edit) {
  if (const absl::Status status = versions_.Apply(std::move(edit)); !status.ok()) {
    Fail(status);
    return;
  }
  PublishVersion(nullptr);
  compaction_actor_->Post([this] { FinishCompaction(); });
}

void DbImpl::StartCompaction() {
  if (compaction_.has_value()) return;
  uint64_t full = 0;
  std::shared_ptr<const Version> version;
  {
    MutexLock lock(mu_);
    if (!background_error_.ok() || !compaction_enabled_) return;
    if (full_compactions_done_ < full_compactions_asked_) full = full_compactions_asked_;
    version = view_->version;
  }
  compaction_ = full > 0 ? PickEverything(version) : PickCompaction(options_, version);
  full_compaction_ = full;
  version = nullptr;
  if (!compaction_) {
    if (full > 0) FinishCompaction();
    return;
  }
  if (full == 0 && compaction_->IsTrivialMove()) {
    const Compaction::Input& input = compaction_->inputs[0];
    const TableMeta& table = input.tables[0]->meta;
    VersionEdit edit;
    edit.removed.push_back({input.level, table.number()});
    edit.added.push_back({compaction_->output_level, table});
    HandIn(std::move(edit));
    return;
  }
  job_ = NewJob(*compaction_);
  StepCompaction();
}

std::unique_ptr<CompactionJob> DbImpl::NewJob(const Compaction& compaction) {
  std::vector<std::unique_ptr<InternalIterator>> sources;
  for (const Compaction::Input& input : compaction.inputs) {
    if (input.level > 0) {
      sources.push_back(NewLevelIterator(&tables_, input.tables, /*fill_cache=*/false));
      continue;
    }
    for (const TablePointer& table : input.tables) {
      sources.push_back(NewLevelIterator(&tables_, {&table, 1}, /*fill_cache=*/false));
    }
  }
  const auto may_be_deeper = [version = compaction.version, level = compaction.output_level](
                                 std::string_view key) { return version->MayBeDeeper(level, key); };
  return std::make_unique<CompactionJob>(
      CompactionJob::Output{.fs = &fs_,
                            .options = &options_,
                            .directory = directory_,
                            .level = compaction.output_level,
                            .table_bytes = options_.table_bytes,
                            .new_file_number = [this] { return versions_.NewFileNumber(); }},
      NewMergingIterator(std::move(sources)),
      Retention(snapshots_.ReadPoints(), may_be_deeper, options_.history_prefix));
}

void DbImpl::StepCompaction() {
  if (stopping_) return;
  const absl::StatusOr<bool> done = job_->Step(kStepBytes);
  if (!done.ok()) {
    Fail(done.status());
    return;
  }
  if (!*done) {
    compaction_actor_->Post([this] { StepCompaction(); });
    return;
  }
  Counters::Add(counters_.compaction_read_bytes, compaction_->input_bytes());
  Counters::Add(counters_.compaction_written_bytes, job_->written_bytes());
  VersionEdit edit;
  for (const Compaction::Input& input : compaction_->inputs) {
    for (const TablePointer& table : input.tables) {
      edit.removed.push_back({input.level, table->meta.number()});
    }
  }
  edit.added = job_->outputs();
  job_ = nullptr;
  HandIn(std::move(edit));
}

void DbImpl::HandIn(VersionEdit edit) {
  Counters::Add(counters_.compactions);
  flush_actor_->Post([this, edit = std::move(edit)]() mutable { Install(std::move(edit)); });
}

void DbImpl::FinishCompaction() {
  compaction_.reset();
  if (full_compaction_ > 0) {
    MutexLock lock(mu_);
    full_compactions_done_ = full_compaction_;
    changed_.SignalAll();
  }
  full_compaction_ = 0;
  PostCompaction();
}

void DbImpl::Purge() {
  for (const uint64_t number : purge_.Take()) {
    tables_.Evict(number);
    // What cannot be deleted now is deleted by the next Open.
    fs_.Delete(TablePath(directory_, number)).IgnoreError();
  }
}

}  // namespace sisyphus::lsm
