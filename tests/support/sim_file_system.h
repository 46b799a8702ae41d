// SimFileSystem: a disk in memory that loses what was not synced, and fails when told to.
//
// What survives a power loss is in sim_disk.h. A crash state is a value: CrashClone() draws one and
// leaves this file system as it is, so a test can reopen the store at every operation of a run,
// even in the middle of a task (from the observer).
//
// A process that dies while the machine goes on: Halt() (every operation fails from now on, locks
// are gone), destroy what used the file system, Revive(). What was written stays in the page cache.
//
// Threads: all of it from any thread. The observer runs on the caller's thread, without a lock
// held.
#ifndef SISYPHUS_TESTS_SUPPORT_SIM_FILE_SYSTEM_H_
#define SISYPHUS_TESTS_SUPPORT_SIM_FILE_SYSTEM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "base/status.h"
#include "tests/support/sim_disk.h"

namespace sisyphus::testing {

struct FileOperation {
  enum class Kind : uint8_t {
    kCreate,  // NewWritableFile
    kOpenForAppend,
    kAppend,
    kPreallocate,
    kTruncate,
    kSync,
    kCreateDirectory,
    kSyncDirectory,
    kDelete,
    kRename,
    kLink,
    kLock,
    // These change nothing.
    kOpenForRead,
    kRead,
    kInspect,  // List, Exists, FileSize, FreeSpace
  };
  Kind kind;
  std::string_view path;
  uint64_t bytes = 0;

  bool mutates() const { return kind < Kind::kOpenForRead; }
};

class SimFileSystem final : public FileSystem {
 public:
  // An empty root directory.
  SimFileSystem();
  ~SimFileSystem() override;

  // --- Crashes ---

  std::unique_ptr<SimFileSystem> CrashClone(Rng& rng);
  void Halt();
  void Revive();

  // --- Faults ---

  struct Fault {
    uint64_t countdown = 1;  // The how manieth fitting operation from now on fails.
    Status status;           // Without the path; it is added.
    bool lasting = false;    // And every fitting one after it.
    std::optional<FileOperation::Kind> only = std::nullopt;  // Nothing: any operation that mutates.
  };
  // A failed append has written half of its bytes; a failed sync has done nothing, and its file
  // fails from then on.
  void AddFault(Fault fault);
  void ClearFaults();

  // The bytes that all files together may occupy; appends and reservations beyond fail like a full
  // disk.
  void SetCapacity(uint64_t bytes);
  uint64_t used_bytes();

  // Called before each operation. May draw a CrashClone, Halt, add faults, or let simulated time
  // pass; must not do file operations.
  void SetObserver(std::function<void(const FileOperation&)> observer);

  // Operations that mutated, so far (failed ones included).
  uint64_t mutations();

  // Flips bit `bit` (0..7) of the byte at `offset`, on the medium. kNotFound, or kInvalidArgument
  // beyond the end.
  Status FlipBit(const std::string& path, uint64_t offset, unsigned bit);

  // --- FileSystem ---

  StatusOr<std::unique_ptr<WritableFile>> NewWritableFile(const std::string& path) override;
  StatusOr<std::unique_ptr<WritableFile>> OpenForAppend(const std::string& path,
                                                        uint64_t offset) override;
  StatusOr<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path) override;
  Status CreateDirectory(const std::string& path) override;
  Status SyncDirectory(const std::string& path) override;
  StatusOr<std::vector<std::string>> List(const std::string& path) override;
  Status Delete(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Link(const std::string& from, const std::string& to) override;
  StatusOr<bool> Exists(const std::string& path) override;
  StatusOr<uint64_t> FileSize(const std::string& path) override;
  StatusOr<uint64_t> FreeSpace(const std::string& path) override;
  StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override;

 private:
  class File;
  class ReadFile;
  class HeldLock;
  struct Place {
    std::shared_ptr<SimInode> directory;
    std::string name;                 // Empty: the root itself.
    std::shared_ptr<SimInode> inode;  // Null: there is nothing of that name.
  };

  explicit SimFileSystem(std::unique_ptr<SimDisk> disk);

  void Observe(const FileOperation& operation) SIS_EXCLUDES(mu_);
  Status Admit(const FileOperation& operation, uint64_t epoch) SIS_REQUIRES(mu_);
  StatusOr<Place> Find(const std::string& operation, const std::string& path) SIS_REQUIRES(mu_);
  StatusOr<Place> FindExisting(const std::string& operation, const std::string& path)
      SIS_REQUIRES(mu_);
  uint64_t FreeBytes() SIS_REQUIRES(mu_);

  Mutex mu_;
  std::function<void(const FileOperation&)> observer_;  // Set while nothing else runs.
  std::unique_ptr<SimDisk> disk_ SIS_GUARDED_BY(mu_);
  std::vector<Fault> faults_ SIS_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<SimInode>> locked_ SIS_GUARDED_BY(mu_);
  uint64_t capacity_ SIS_GUARDED_BY(mu_) = uint64_t{1} << 50;
  uint64_t mutations_ SIS_GUARDED_BY(mu_) = 0;
  uint64_t epoch_ SIS_GUARDED_BY(mu_) = 0;  // Handles of an earlier one are dead.
  bool halted_ SIS_GUARDED_BY(mu_) = false;
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SUPPORT_SIM_FILE_SYSTEM_H_
