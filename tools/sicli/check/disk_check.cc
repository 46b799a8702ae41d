#include "tools/sicli/check/disk_check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/thread_executor.h"

namespace sisyphus::sicli {
namespace {

Status Invalid(const std::string& what) {
  return MakeStatus(StatusCode::kInvalidArgument, std::string(MessageOf(ErrnoStatus(errno, what))));
}

// An open file that ends with the process, whatever happens.
class NamelessFile {
 public:
  static StatusOr<NamelessFile> Create(const std::string& directory) {
    std::string path = directory + "/.sicli-check-XXXXXX";
    const int descriptor = mkostemp(path.data(), O_CLOEXEC);
    if (descriptor < 0) return Invalid("cannot write to " + directory);
    unlink(path.c_str());
    return NamelessFile(descriptor);
  }
  NamelessFile(NamelessFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  NamelessFile& operator=(NamelessFile&&) = delete;
  ~NamelessFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int descriptor() const { return descriptor_; }

 private:
  explicit NamelessFile(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

Status MeasureSyncs(const DiskCheckOptions& options, int descriptor, DiskReport* report) {
  const auto whole = static_cast<off_t>(options.syncs) * options.write_size;
  if (const int error = posix_fallocate(descriptor, 0, whole); error != 0) {
    return ErrnoStatus(error, "allocating a file in " + options.directory);
  }
  if (fsync(descriptor) != 0) return ErrnoStatus(errno, "fsync in " + options.directory);
  const std::string block(options.write_size, 'x');
  const MonotonicTime end = RealClock().Now() + options.duration;
  for (uint32_t i = 0; i < options.syncs; ++i) {
    const MonotonicTime begin = RealClock().Now();
    if (begin >= end) break;
    const ssize_t written =
        pwrite(descriptor, block.data(), block.size(), static_cast<off_t>(i) * options.write_size);
    if (written != static_cast<ssize_t>(block.size()) || fdatasync(descriptor) != 0) {
      return ErrnoStatus(errno, "writing in " + options.directory);
    }
    report->syncs.Record(RealClock().Now() - begin);
  }
  return OkStatus();
}

}  // namespace

std::string ShowBytes(uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

StatusOr<DiskReport> CheckDisk(const DiskCheckOptions& options) {
  DiskReport report;
  SIS_ASSIGN_OR_RETURN(const NamelessFile file, NamelessFile::Create(options.directory));
  struct statvfs space {};
  struct statfs kind {};
  if (fstatvfs(file.descriptor(), &space) != 0 || fstatfs(file.descriptor(), &kind) != 0) {
    return Invalid(options.directory);
  }
  report.free_bytes = static_cast<uint64_t>(space.f_bavail) * space.f_frsize;
  if (kind.f_type == TMPFS_MAGIC || kind.f_type == RAMFS_MAGIC) report.file_system = "tmpfs";
  const bool enough = report.free_bytes >= options.min_free_bytes;
  if (enough) SIS_RETURN_IF_ERROR(MeasureSyncs(options, file.descriptor(), &report));

  report.checks.push_back({"disk", report.file_system.empty(),
                           report.file_system.empty()
                               ? "not in memory"
                               : "a file system in memory: nothing survives a power failure"});
  report.checks.push_back({"free space", enough,
                           ShowBytes(report.free_bytes) +
                               (enough ? ", at least " : ", less than ") +
                               ShowBytes(options.min_free_bytes)});
  if (!enough) return report;
  const Duration p99 = report.syncs.Quantile(0.99);
  const bool fast = p99 <= options.max_p99;
  report.checks.push_back({"sync", fast,
                           "p99 " + ShowDuration(p99) + (fast ? " is within " : " is above ") +
                               ShowDuration(options.max_p99) + " (" +
                               std::to_string(report.syncs.count()) + " writes of " +
                               std::to_string(options.write_size) + " bytes, median " +
                               ShowDuration(report.syncs.Quantile(0.5)) + ")"});
  return report;
}

}  // namespace sisyphus::sicli
