// SimDisk: files and directories as they are now, and as they would be after a power loss.
//
// The model
//   - A file's unsynced writes survive sector by sector (512 bytes, each atomic): every sector
//   shows
//     the effect of a prefix of the writes that touched it. A lost truncation or preallocation
//     loses what the file was given after it. The file's length may survive without its bytes
//     (zeros).
//   - Of a directory's unsynced operations a prefix survives. An operation on two directories (a
//     rename) survives in both or in neither.
//   - Hard links are names of one inode.
// No locks, no faults, no handles: sim_file_system.h has those.
#ifndef SISYPHUS_TESTS_SUPPORT_SIM_DISK_H_
#define SISYPHUS_TESTS_SUPPORT_SIM_DISK_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"

namespace sisyphus::testing {

inline constexpr uint64_t kSectorBytes = 512;

// What a file reads as: `bytes`, then zeros up to `allocated` (if that is more).
struct SimContent {
  std::string bytes;
  uint64_t allocated = 0;

  uint64_t size() const { return bytes.size() > allocated ? bytes.size() : allocated; }
  void Write(uint64_t offset, std::string_view data);
  void Truncate(uint64_t size);
};

class SimInode {
 public:
  using Entries = std::map<std::string, std::shared_ptr<SimInode>>;

  // `usage` counts the bytes of all inodes of a disk.
  SimInode(bool is_directory, std::shared_ptr<std::atomic<uint64_t>> usage);
  ~SimInode();
  SimInode(const SimInode&) = delete;
  SimInode& operator=(const SimInode&) = delete;

  const bool is_directory;

  // A file's.
  const SimContent& content() const { return now_; }
  void Write(uint64_t offset, std::string_view data);
  void Truncate(uint64_t size);
  void Preallocate(uint64_t size);
  void Sync();
  void FlipBit(uint64_t offset,
               unsigned bit);  // As if the medium had decayed: at once and durably.

  // What a power loss would leave of the file.
  SimContent DrawCrash(Rng& rng) const;
  void Restore(SimContent content);  // Durable at once.

  // A directory's; changed by SimDisk.
  Entries entries;
  Entries durable_entries;

 private:
  struct Change {
    enum class Kind : uint8_t { kWrite, kTruncate, kPreallocate };
    Kind kind;
    uint64_t offset;      // kWrite; the size for the others.
    uint64_t length = 0;  // kWrite.
    std::string data{};   // kWrite, unless the file has only grown: then now_ has the bytes.
  };
  static void Redo(const Change& change, SimContent* content);
  void Account(uint64_t size_before);
  SimContent Durable() const;
  std::string_view DataOf(const Change& change) const;
  // Something else than growth is about to happen: now_ will not tell any more what was before.
  void Part();

  const std::shared_ptr<std::atomic<uint64_t>> usage_;
  SimContent now_;
  std::vector<Change> changes_;  // Since the last Sync.
  // As long as the file has only grown since the last Sync (nearly always), what is durable is the
  // beginning of now_.
  bool grown_only_ = true;
  uint64_t durable_bytes_ = 0;
  uint64_t durable_allocated_ = 0;
  SimContent durable_;  // Otherwise.
};

class SimDisk {
 public:
  SimDisk();

  const std::shared_ptr<SimInode>& root() const { return root_; }
  std::shared_ptr<SimInode> NewInode(bool is_directory) const;
  uint64_t used_bytes() const { return *usage_; }

  // One step of an operation: `name` in `directory` becomes `inode` (null: is gone).
  struct Edit {
    std::shared_ptr<SimInode> directory;
    std::string name;
    std::shared_ptr<SimInode> inode;
  };
  // The edits of one operation happen together.
  void Apply(std::vector<Edit> edits);

  // Makes the operations on `directory` durable, and with those that touch another directory what
  // that one needs.
  void SyncDirectory(const SimInode* directory);

  // What a power loss at this moment leaves, drawn from `rng`.
  std::unique_ptr<SimDisk> DrawCrash(Rng& rng) const;

 private:
  using Operation = std::vector<Edit>;
  class CrashCopier;

  std::shared_ptr<std::atomic<uint64_t>> usage_ = std::make_shared<std::atomic<uint64_t>>(0);
  std::shared_ptr<SimInode> root_;
  std::vector<Operation> operations_;  // Not durable yet, oldest first.
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SUPPORT_SIM_DISK_H_
