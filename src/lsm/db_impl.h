// DbImpl: the engine behind sisyphus::DB.
//
// Three threads of work meet here. The caller's writer fills the memtable and, when that is full,
// puts a new one in its place. The flush actor turns full memtables into tables and owns the
// manifest: every change of the version set is applied on it. The compaction actor merges tables in
// bounded steps, hands the resulting edits to the flush actor, and deletes files that nobody needs.
// Readers take a ReadView, which never changes, and hold no lock while they work.
#ifndef SISYPHUS_LSM_DB_IMPL_H_
#define SISYPHUS_LSM_DB_IMPL_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/file_system.h"
#include "base/mutex.h"
#include "lsm/compaction_job.h"
#include "lsm/compaction_picker.h"
#include "lsm/counters.h"
#include "lsm/memtable.h"
#include "lsm/snapshot_list.h"
#include "lsm/table_cache.h"
#include "lsm/version_set.h"
#include "sisyphus/db.h"

namespace sisyphus::lsm {

// What a reader works on: never changed once published (but writes go on filling `memtable`).
struct ReadView {
  std::shared_ptr<Memtable> memtable;
  std::vector<std::shared_ptr<Memtable>> immutable;  // Newest first.
  std::shared_ptr<const Version> version;
};

class DbImpl final : public DB {
 public:
  // `options.file_system` is set.
  DbImpl(const Options& options, std::string directory);
  ~DbImpl() override;

  // Reads the store. Once, before anything else.
  absl::Status Recover();

  absl::Status Write(const WriteBatch& batch, const Position& position) override;
  bool WriteStalled() const override;
  absl::StatusOr<bool> Get(const ReadOptions& options, std::string_view key,
                           ReadResult* result) override;
  std::unique_ptr<Iterator> NewIterator(const ReadOptions& options) override;
  std::unique_ptr<Snapshot> NewSnapshot() override;
  void SetHistoryFloor(uint64_t sequence) override;
  Position last_written() const override;
  Position flushed() const override;
  absl::Status Flush() override;
  void ScheduleFlush() override;
  absl::Status CompactAll() override;
  absl::StatusOr<Position> Checkpoint(const std::string& path) override;
  void StopBackgroundWork() override;
  DbStats stats() const override;

 private:
  // Input that one step of a compaction reads.
  static constexpr uint64_t kStepBytes = 1 << 20;

  std::shared_ptr<const ReadView> CurrentView() const;
  bool StalledLocked() const SIS_REQUIRES(mu_);

  // Freezes the memtable if anything was written to it. The answer is the view before, for the
  // caller to drop without the lock.
  std::shared_ptr<const ReadView> SwitchMemtable() SIS_REQUIRES(mu_);
  // Publishes versions_.current(), without `flushed` if that is not null.
  void PublishVersion(const Memtable* flushed);
  void PostFlush();
  void PostCompaction();
  void Fail(const absl::Status& status);

  // On the flush actor.
  void FlushOne();
  absl::Status WriteTable(const Memtable& memtable, VersionEdit* edit);
  void Install(VersionEdit edit);

  // On the compaction actor.
  void StartCompaction();
  void StepCompaction();
  void FinishCompaction();
  void HandIn(VersionEdit edit);
  std::unique_ptr<CompactionJob> NewJob(const Compaction& compaction);
  void Purge();

  // Immutable.
  const std::unique_ptr<Executor> own_executor_;  // When options name none.
  const Options options_;
  const std::string directory_;
  FileSystem& fs_;

  std::atomic<bool> stopping_{false};
  std::atomic<bool> flush_posted_{false};
  std::atomic<bool> compaction_posted_{false};
  Counters counters_;
  SnapshotList snapshots_;
  std::atomic<uint64_t> last_sequence_{0};  // What readers may see.

  // Stopped by the destructor; destroyed after everything that may post to them.
  std::unique_ptr<Actor> flush_actor_;
  std::unique_ptr<Actor> compaction_actor_;
  PurgeQueue purge_;
  TableCache tables_;

  VersionSet versions_;  // Owned by the flush actor, once recovered.

  // Guarded by mu_.
  mutable Mutex mu_;
  CondVar changed_;  // Of flushed position, background error, compactions done.
  std::shared_ptr<const ReadView> view_ SIS_GUARDED_BY(mu_);
  Position last_written_ SIS_GUARDED_BY(mu_);
  absl::Status background_error_ SIS_GUARDED_BY(mu_);
  bool writing_ SIS_GUARDED_BY(mu_) = false;             // The memtable must not be switched now.
  bool flush_requested_ SIS_GUARDED_BY(mu_) = false;     // For the writer, when it is done.
  bool report_flush_ SIS_GUARDED_BY(mu_) = false;        // ScheduleFlush waits for OnFlushed.
  bool compaction_enabled_ SIS_GUARDED_BY(mu_) = false;  // Not before the floor can be set.
  uint64_t full_compactions_asked_ SIS_GUARDED_BY(mu_) = 0;
  uint64_t full_compactions_done_ SIS_GUARDED_BY(mu_) = 0;

  // Owned by the compaction actor.
  std::optional<Compaction> compaction_;  // The one that is under way.
  std::unique_ptr<CompactionJob> job_;
  uint64_t full_compaction_ = 0;  // What full_compactions_done_ becomes with it, if not 0.
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_DB_IMPL_H_
