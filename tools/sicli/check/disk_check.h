// Is a directory's disk fast enough for the log? Every acknowledged write waits for a sync of it.
#ifndef SISYPHUS_TOOLS_SICLI_CHECK_DISK_CHECK_H_
#define SISYPHUS_TOOLS_SICLI_CHECK_DISK_CHECK_H_

#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "tools/sicli/check/check.h"
#include "tools/sicli/load/latency_histogram.h"

namespace sisyphus::sicli {

struct DiskCheckOptions {
  std::string directory;
  uint32_t syncs = 1000;                         // At most,
  Duration duration = std::chrono::seconds(10);  // and for so long at most.
  uint32_t write_size = 4096;                    // Bytes before each sync.
  Duration max_p99 = std::chrono::milliseconds(10);
  uint64_t min_free_bytes = uint64_t{1} << 30;
};

struct DiskReport {
  LatencyHistogram syncs;  // A write and its fdatasync.
  uint64_t free_bytes = 0;
  std::string file_system;  // "tmpfs", or empty: one that is on a disk.
  Checks checks;
};

// Writes into a file of the directory as the log does, into space that was allocated before. The
// file has no name by then: nothing is left, however it ends. Blocks. kInvalidArgument: no
// directory to write to; kInternal: a write failed.
StatusOr<DiskReport> CheckDisk(const DiskCheckOptions& options);

// "1.5 GiB"
std::string ShowBytes(uint64_t bytes);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_CHECK_DISK_CHECK_H_
