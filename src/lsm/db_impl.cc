#include "lsm/db_impl.h"

#include <algorithm>

#include "base/file_system.h"
#include "base/posix_file_system.h"
#include "lsm/db_iterator.h"
#include "lsm/merging_iterator.h"

namespace sisyphus::lsm {

DbImpl::DbImpl(const Options& options) : options_(options) {
  auto view = std::make_shared<ReadView>();
  view->memtable = std::make_shared<Memtable>();
  view_ = std::move(view);
}

std::shared_ptr<const ReadView> DbImpl::CurrentView() const {
  MutexLock lock(mu_);
  return view_;
}

absl::Status DbImpl::Write(const WriteBatch& batch, const Position& position) {
  const std::shared_ptr<const ReadView> view = CurrentView();
  if (position.sequence <= last_sequence_.load(std::memory_order_relaxed)) {
    return MakeStatus(StatusCode::kInvalidArgument, "write: the sequence number has been used");
  }
  view->memtable->Add(batch, position.sequence);
  MutexLock lock(mu_);
  last_written_ = position;
  view->memtable->set_last_position(position);
  last_sequence_.store(position.sequence, std::memory_order_release);
  return OkStatus();
}

bool DbImpl::WriteStalled() const { return false; }

absl::StatusOr<bool> DbImpl::Get(const ReadOptions& options, std::string_view key,
                                 ReadResult* result) {
  // The view first: what is read at a sequence number taken before it might be gone from it.
  const std::shared_ptr<const ReadView> view = CurrentView();
  const uint64_t sequence =
      std::min(options.sequence, last_sequence_.load(std::memory_order_acquire));
  const auto found = view->memtable->Get(key, sequence);
  if (!found || found->kind == Kind::kDelete) return false;
  result->value.assign(found->value);
  result->sequence = found->sequence;
  return true;
}

std::unique_ptr<Iterator> DbImpl::NewIterator(const ReadOptions& options) {
  std::shared_ptr<const ReadView> view = CurrentView();
  const uint64_t sequence =
      std::min(options.sequence, last_sequence_.load(std::memory_order_acquire));
  std::vector<std::unique_ptr<InternalIterator>> sources;
  sources.push_back(view->memtable->NewIterator());
  return NewDbIterator(NewMergingIterator(std::move(sources)), sequence, std::move(view));
}

std::unique_ptr<Snapshot> DbImpl::NewSnapshot() { return snapshots_.Pin(last_sequence_); }
void DbImpl::SetHistoryFloor(uint64_t sequence) { snapshots_.SetFloor(sequence); }

Position DbImpl::last_written() const {
  MutexLock lock(mu_);
  return last_written_;
}

Position DbImpl::flushed() const { return {}; }
absl::Status DbImpl::Flush() { return absl::UnimplementedError("memory only"); }
void DbImpl::ScheduleFlush() {}
absl::Status DbImpl::CompactAll() { return absl::UnimplementedError("memory only"); }
absl::StatusOr<Position> DbImpl::Checkpoint(const std::string& /*path*/) {
  return absl::UnimplementedError("memory only");
}
DbStats DbImpl::stats() const { return {}; }

}  // namespace sisyphus::lsm

namespace sisyphus {

absl::StatusOr<std::unique_ptr<DB>> DB::Open(const Options& options, const std::string& path) {
  FileSystem& fs = options.file_system != nullptr ? *options.file_system : PosixFileSystem();
  SIS_RETURN_IF_ERROR(fs.CreateDirectory(path));
  return std::make_unique<lsm::DbImpl>(options);
}

}  // namespace sisyphus
