#include "base/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace sisyphus {
namespace {

constexpr mode_t kFileMode = 0640;
constexpr mode_t kDirectoryMode = 0750;

// Repeats a system call that a signal interrupted. Not for close: on Linux the descriptor is gone
// even then, and a second close could hit somebody else's.
template <typename Call>
auto Retry(Call call) {
  while (true) {
    const auto result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

Status LastError(const char* operation, const std::string& path) {
  return ErrnoStatus(errno, std::string(operation) + " " + path);
}

// A file descriptor that is closed once.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  int get() const { return fd_; }

  Status Close(const std::string& path) {
    const int fd = std::exchange(fd_, -1);
    if (fd >= 0 && ::close(fd) != 0 && errno != EINTR) return LastError("close", path);
    return OkStatus();
  }

 private:
  int fd_;
};

StatusOr<Descriptor> OpenDescriptor(const std::string& path, int flags) {
  const int fd = Retry([&] { return ::open(path.c_str(), flags | O_CLOEXEC, kFileMode); });
  if (fd < 0) return LastError("open", path);
  return Descriptor(fd);
}

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(std::string path, Descriptor descriptor, uint64_t size)
      : path_(std::move(path)), descriptor_(std::move(descriptor)), size_(size) {}

  Status Append(std::string_view data) override {
    SIS_RETURN_IF_ERROR(broken_);
    uint64_t offset = size_;
    while (!data.empty()) {
      const ssize_t n = Retry([&] {
        return ::pwrite(descriptor_.get(), data.data(), data.size(), static_cast<off_t>(offset));
      });
      if (n < 0) return LastError("write", path_);
      data.remove_prefix(static_cast<size_t>(n));
      offset += static_cast<uint64_t>(n);
    }
    size_ = offset;
    return OkStatus();
  }

  Status Preallocate(uint64_t size_bytes) override {
    SIS_RETURN_IF_ERROR(broken_);
    const auto size = static_cast<off_t>(size_bytes);
    if (Retry([&] { return ::fallocate(descriptor_.get(), 0, 0, size); }) == 0) return OkStatus();
    if (errno != EOPNOTSUPP) return LastError("fallocate", path_);
    // This file system cannot reserve space. A file that is long already still spares the syncs
    // its size.
    if (Retry([&] { return ::ftruncate(descriptor_.get(), size); }) == 0) return OkStatus();
    return LastError("truncate", path_);
  }

  Status Truncate(uint64_t size_bytes) override {
    SIS_RETURN_IF_ERROR(broken_);
    const auto size = static_cast<off_t>(size_bytes);
    if (Retry([&] { return ::ftruncate(descriptor_.get(), size); }) != 0) {
      return LastError("truncate", path_);
    }
    size_ = size_bytes;
    return OkStatus();
  }

  // A second fdatasync after a failed one may succeed without having written anything (the kernel
  // reports an error once and drops the pages), so a failed one is final.
  Status Sync() override {
    SIS_RETURN_IF_ERROR(broken_);
    if (Retry([&] { return ::fdatasync(descriptor_.get()); }) != 0) {
      broken_ = LastError("fdatasync", path_);
    }
    return broken_;
  }

  Status Close() override { return descriptor_.Close(path_); }

  uint64_t size() const override { return size_; }

 private:
  const std::string path_;
  Descriptor descriptor_;
  uint64_t size_;
  Status broken_;  // Of the Sync that failed.
};

class PosixRandomAccessFile final : public RandomAccessFile {
 public:
  PosixRandomAccessFile(std::string path, Descriptor descriptor, uint64_t size)
      : path_(std::move(path)), descriptor_(std::move(descriptor)), size_(size) {}

  StatusOr<std::string_view> ReadAt(uint64_t offset, size_t n, char* scratch) const override {
    size_t done = 0;
    while (done < n) {
      const ssize_t got = Retry([&] {
        return ::pread(descriptor_.get(), scratch + done, n - done,
                       static_cast<off_t>(offset + done));
      });
      if (got < 0) return LastError("read", path_);
      if (got == 0) break;
      done += static_cast<size_t>(got);
    }
    return std::string_view(scratch, done);
  }

  uint64_t size() const override { return size_; }

 private:
  const std::string path_;
  const Descriptor descriptor_;
  const uint64_t size_;
};

class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

 private:
  const Descriptor descriptor_;  // Closing it releases the lock.
};

// Who holds a lock, for the message: the holder writes its process id into the file.
std::string HolderOf(int fd) {
  char text[21] = {};
  const ssize_t n = Retry([&] { return ::pread(fd, text, sizeof(text) - 1, 0); });
  const long pid = n > 0 ? std::strtol(text, nullptr, 10) : 0;
  return pid > 0 ? " (process " + std::to_string(pid) + ")" : "";
}

class PosixFileSystemImpl final : public FileSystem {
 public:
  // An existing file is unlinked, not cut in place: another hard link to it (a checkpoint's) and
  // whoever still reads it keep the old bytes.
  StatusOr<std::unique_ptr<WritableFile>> NewWritableFile(const std::string& path) override {
    struct stat info;
    if (::lstat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::unlink(path.c_str()) != 0) {
      return LastError("replace", path);
    }
    SIS_ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(path, O_WRONLY | O_CREAT | O_TRUNC));
    return std::make_unique<PosixWritableFile>(path, std::move(fd), 0);
  }

  StatusOr<std::unique_ptr<WritableFile>> OpenForAppend(const std::string& path,
                                                        uint64_t offset) override {
    SIS_ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(path, O_WRONLY));
    if (Retry([&] { return ::ftruncate(fd.get(), static_cast<off_t>(offset)); }) != 0) {
      return LastError("truncate", path);
    }
    return std::make_unique<PosixWritableFile>(path, std::move(fd), offset);
  }

  StatusOr<std::unique_ptr<RandomAccessFile>> OpenForRead(const std::string& path) override {
    SIS_ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(path, O_RDONLY));
    struct stat info;
    if (::fstat(fd.get(), &info) != 0) return LastError("stat", path);
    if (S_ISDIR(info.st_mode)) return ErrnoStatus(EISDIR, "open " + path);
    return std::make_unique<PosixRandomAccessFile>(path, std::move(fd),
                                                   static_cast<uint64_t>(info.st_size));
  }

  Status CreateDirectory(const std::string& path) override {
    if (::mkdir(path.c_str(), kDirectoryMode) == 0) return OkStatus();
    const int mkdir_error = errno;
    struct stat info;
    if (mkdir_error == EEXIST && ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
      return OkStatus();
    }
    return ErrnoStatus(mkdir_error, "create directory " + path);
  }

  Status SyncDirectory(const std::string& path) override {
    SIS_ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(path, O_RDONLY | O_DIRECTORY));
    if (Retry([&] { return ::fsync(fd.get()); }) != 0) return LastError("sync directory", path);
    return OkStatus();
  }

  StatusOr<std::vector<std::string>> List(const std::string& path) override {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir(path.c_str()), ::closedir);
    if (directory == nullptr) return LastError("list", path);
    std::vector<std::string> names;
    while (true) {
      errno = 0;  // The only way to tell an error from the end (readdir(3)).
      const dirent* entry = ::readdir(directory.get());
      if (entry == nullptr) break;
      std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(std::move(name));
    }
    if (errno != 0) return LastError("list", path);
    std::sort(names.begin(), names.end());
    return names;
  }

  Status Delete(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) return OkStatus();
    if (errno == EISDIR && ::rmdir(path.c_str()) == 0) return OkStatus();
    return LastError("delete", path);
  }

  Status Rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return OkStatus();
    return ErrnoStatus(errno, "rename " + from + " to " + to);
  }

  Status Link(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) == 0) return OkStatus();
    return ErrnoStatus(errno, "link " + from + " to " + to);
  }

  StatusOr<bool> Exists(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return LastError("stat", path);
  }

  StatusOr<uint64_t> FileSize(const std::string& path) override {
    struct stat info;
    if (::stat(path.c_str(), &info) != 0) return LastError("stat", path);
    return static_cast<uint64_t>(info.st_size);
  }

  StatusOr<uint64_t> FreeSpace(const std::string& path) override {
    struct statvfs info;
    if (Retry([&] { return ::statvfs(path.c_str(), &info); }) != 0) {
      return LastError("statvfs", path);
    }
    // f_bavail leaves out the blocks that are reserved for root.
    return static_cast<uint64_t>(info.f_bavail) * info.f_frsize;
  }

  // Open-file-description locks: two locks conflict within one process too, and closing another
  // descriptor of the file does not release them.
  StatusOr<std::unique_ptr<FileLock>> Lock(const std::string& path) override {
    SIS_ASSIGN_OR_RETURN(Descriptor fd, OpenDescriptor(path, O_RDWR | O_CREAT));
    struct flock request = {};
    request.l_type = F_WRLCK;
    request.l_whence = SEEK_SET;
    if (Retry([&] { return ::fcntl(fd.get(), F_OFD_SETLK, &request); }) != 0) {
      if (errno != EAGAIN && errno != EACCES) return LastError("lock", path);
      return MakeStatus(StatusCode::kFailedPrecondition,
                        "lock " + path + ": a running process" + HolderOf(fd.get()) +
                            " holds it; only one at a time may use this directory");
    }
    char pid[24];
    const int length = std::snprintf(pid, sizeof(pid), "%ld\n", static_cast<long>(::getpid()));
    // For the message only: on a full disk the lock holds without it.
    if (Retry([&] { return ::ftruncate(fd.get(), 0); }) == 0) {
      (void)!::pwrite(fd.get(), pid, static_cast<size_t>(length), 0);
    }
    return std::make_unique<PosixFileLock>(std::move(fd));
  }
};

}  // namespace

FileSystem& PosixFileSystem() {
  static PosixFileSystemImpl file_system;
  return file_system;
}

}  // namespace sisyphus
