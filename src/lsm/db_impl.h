// The engine behind sisyphus::DB.
#ifndef SISYPHUS_LSM_DB_IMPL_H_
#define SISYPHUS_LSM_DB_IMPL_H_

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "lsm/memtable.h"
#include "lsm/snapshot_list.h"
#include "sisyphus/db.h"

namespace sisyphus::lsm {

// What a reader works on: never changed once published.
struct ReadView {
  std::shared_ptr<Memtable> memtable;
  std::vector<std::shared_ptr<Memtable>> immutable;  // Newest first.
};

class DbImpl final : public DB {
 public:
  explicit DbImpl(const Options& options);

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
  DbStats stats() const override;

 private:
  std::shared_ptr<const ReadView> CurrentView() const;

  const Options options_;
  SnapshotList snapshots_;
  std::atomic<uint64_t> last_sequence_{0};

  mutable Mutex mu_;
  std::shared_ptr<const ReadView> view_ SIS_GUARDED_BY(mu_);
  Position last_written_ SIS_GUARDED_BY(mu_);
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_DB_IMPL_H_
