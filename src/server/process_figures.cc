#include "server/process_figures.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

namespace sisyphus::server {

namespace {

std::string ReadProc(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// proc(5): seconds since 1970 at which the machine started.
double BootTime() {
  std::istringstream lines(ReadProc("/proc/stat"));
  std::string name;
  double value = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    if (words >> name >> value && name == "btime") return value;
  }
  return 0;
}

// proc(5), /proc/self/stat, by the numbers given there. The name, field 2, may hold blanks and
// brackets.
void ReadStat(ProcessFigures* figures) {
  const std::string stat = ReadProc("/proc/self/stat");
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return;
  std::istringstream fields(stat.substr(name_end + 1));
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  std::string field;
  for (int number = 3; number <= 24 && fields >> field; ++number) {
    const double value = number == 3 ? 0 : std::stod(field);  // 3 is a letter.
    if (number == 14 || number == 15) figures->cpu_seconds += value / ticks;
    if (number == 20) figures->threads = static_cast<uint64_t>(value);
    if (number == 22) figures->start_time_seconds = BootTime() + value / ticks;
    if (number == 23) figures->virtual_bytes = static_cast<uint64_t>(value);
    if (number == 24) {
      figures->resident_bytes =
          static_cast<uint64_t>(value) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    }
  }
}

}  // namespace

ProcessFigures ReadProcessFigures() {
  ProcessFigures figures;
  ReadStat(&figures);
  std::error_code error;
  const auto descriptors = std::filesystem::directory_iterator("/proc/self/fd", error);
  if (!error) {
    figures.open_fds = static_cast<uint64_t>(std::distance(begin(descriptors), end(descriptors)));
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.max_fds = limit.rlim_cur;
  return figures;
}

uint64_t DiskSizeBytes(const std::string& path) {
  struct statvfs disk {};
  return statvfs(path.c_str(), &disk) == 0 ? uint64_t{disk.f_blocks} * disk.f_frsize : 0;
}

double ChangedAt(const std::string& path) {
  struct stat file {};
  if (stat(path.c_str(), &file) != 0) return 0;
  return static_cast<double>(file.st_mtim.tv_sec) + static_cast<double>(file.st_mtim.tv_nsec) / 1e9;
}

}  // namespace sisyphus::server
