// ProcessFigures: what the kernel says of this process and of a disk.
#ifndef SISYPHUS_SERVER_PROCESS_FIGURES_H_
#define SISYPHUS_SERVER_PROCESS_FIGURES_H_

#include <cstdint>
#include <string>

namespace sisyphus::server {

struct ProcessFigures {
  double cpu_seconds = 0;         // User and system.
  double start_time_seconds = 0;  // Since 1970.
  uint64_t resident_bytes = 0;
  uint64_t virtual_bytes = 0;
  uint64_t open_fds = 0;
  uint64_t max_fds = 0;
  uint64_t threads = 0;
};

// From /proc; what cannot be read is 0.
ProcessFigures ReadProcessFigures();

// Of the file system that `path` is on; 0: it cannot be told.
uint64_t DiskSizeBytes(const std::string& path);

// When `path` was changed last, since 1970; 0: it does not exist.
double ChangedAt(const std::string& path);

}  // namespace sisyphus::server

#endif  // SISYPHUS_SERVER_PROCESS_FIGURES_H_
