// FileSystem: every byte that the store keeps goes through here.
//
// Real: posix_file_system.h. In tests: tests/support/sim_file_system.h, whose crashes lose what was
// not synced.
//
// What a crash leaves: bytes of a file are durable once Sync has returned OK after them; a file's
// name (created, renamed, linked, deleted) is durable once SyncDirectory of its parent has returned
// OK after it. Everything else may be there, in part or not at all. After a failed Sync nothing is
// known any more: the caller must end the process (kInternal stays kInternal; no caller retries
// it).
//
// Paths are strings with '/'. All errors name the operation and the path. EINTR and short transfers
// are handled inside.
#ifndef SISYPHUS_BASE_FILE_SYSTEM_H_
#define SISYPHUS_BASE_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace sisyphus {

// A file that grows at its end. Used by one thread at a time.
class WritableFile {
 public:
  virtual ~WritableFile() = default;  // Closes, dropping errors; call Close where they matter.

  // Appends all of `data`. Not buffered in the process.
  virtual Status Append(std::string_view data) = 0;

  // Reserves `size_bytes` from the start of the file, reading as zeros beyond what was appended, so
  // that later syncs need not write the file's size (a preallocated log segment syncs in about half
  // the time). May be called once, before Append.
  virtual Status Preallocate(uint64_t size_bytes) = 0;

  // Cuts the file to `size_bytes`; the next Append goes there.
  virtual Status Truncate(uint64_t size_bytes) = 0;

  // Makes everything appended durable (fdatasync).
  virtual Status Sync() = 0;

  virtual Status Close() = 0;

  // Bytes appended so far (not the preallocated size).
  virtual uint64_t size() const = 0;
};

// Positional reads. Any number of threads at once.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;

  // Reads `n` bytes at `offset` into `scratch`, which holds at least `n`; the answer views scratch
  // (or mapped memory that lives as long as this object). It is shorter than `n` only at the end of
  // the file.
  virtual StatusOr<std::string_view> ReadAt(uint64_t offset, size_t n, char* scratch) const = 0;

  virtual uint64_t size() const = 0;
};

// Held until destroyed.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Creates or replaces.
  virtual StatusOr<std::unique_ptr<WritableFile>> NewWritableFile(const std::string& path) = 0;
  // Opens an existing file to write at `offset` (what lies behind it is cut).
  virtual StatusOr<std::unique_ptr<WritableFile>> OpenForAppend(const std::string& path,
                                                                uint64_t offset) = 0;
  virtual StatusOr<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path) = 0;

  virtual Status CreateDirectory(
      const std::string& path) = 0;  // OK when it is there already; parents are not made.
  virtual Status SyncDirectory(const std::string& path) = 0;
  virtual StatusOr<std::vector<std::string>> List(
      const std::string& path) = 0;                    // Names, sorted, without . and ..
  virtual Status Delete(const std::string& path) = 0;  // A file or an empty directory.
  virtual Status Rename(const std::string& from,
                        const std::string& to) = 0;  // Replaces `to`, atomically.
  virtual Status Link(const std::string& from, const std::string& to) = 0;  // A hard link.
  virtual StatusOr<bool> Exists(const std::string& path) = 0;
  virtual StatusOr<uint64_t> FileSize(const std::string& path) = 0;
  virtual StatusOr<uint64_t> FreeSpace(
      const std::string& path) = 0;  // Bytes that this process may still write.

  // An exclusive lock that dies with the process. kFailedPrecondition when a living process holds
  // it.
  virtual StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) = 0;
};

// The whole file. For small files (IDENTITY, CURRENT) only: refuses more than `max_bytes`.
StatusOr<std::string> ReadWholeFile(FileSystem& fs, const std::string& path,
                                    uint64_t max_bytes = 1 << 20);

// Replaces `path` so that a crash leaves the old or the new content: temporary file, sync, rename,
// directory sync.
Status WriteFileAtomically(FileSystem& fs, const std::string& path, std::string_view content);

// The part of `path` before the last '/', "." if there is none.
std::string DirectoryOf(const std::string& path);

}  // namespace sisyphus

#endif  // SISYPHUS_BASE_FILE_SYSTEM_H_
