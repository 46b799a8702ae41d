#include "tools/sicli/shell/history_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/posix_file_system.h"
#include "base/status.h"

namespace sisyphus::sicli {
namespace {

constexpr mode_t kOwnerOnly = 0600;
constexpr mode_t kOwnerOnlyDirectory = 0700;

std::string DefaultPath() {
  const char* state = std::getenv("XDG_STATE_HOME");
  if (state != nullptr && *state != '\0') return std::string(state) + "/sicli/history";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') return "";
  return std::string(home) + "/.local/state/sicli/history";
}

Status Failed(const std::string& path) {
  return MakeStatus(StatusCode::kInternal, std::string(MessageOf(ErrnoStatus(errno, path))));
}

Status MakeDirectories(const std::string& path) {
  for (size_t i = path.find('/', 1); i != std::string::npos; i = path.find('/', i + 1)) {
    const std::string directory = path.substr(0, i);
    if (mkdir(directory.c_str(), kOwnerOnlyDirectory) != 0 && errno != EEXIST) {
      return Failed(directory);
    }
  }
  return OkStatus();
}

Status Write(const std::string& path, int flags, std::string_view data) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, kOwnerOnly);
  if (descriptor < 0) return Failed(path);
  const ssize_t written = write(descriptor, data.data(), data.size());
  const Status status = written == static_cast<ssize_t>(data.size()) ? OkStatus() : Failed(path);
  close(descriptor);  // A line that is lost with the machine is no loss.
  return status;
}

}  // namespace

HistoryFile::HistoryFile() : path_(DefaultPath()) {}

StatusOr<std::vector<std::string>> HistoryFile::Load() const {
  std::vector<std::string> lines;
  if (path_.empty()) return lines;
  SIS_ASSIGN_OR_RETURN(const bool there, PosixFileSystem().Exists(path_));
  if (!there) return lines;
  SIS_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(PosixFileSystem(), path_));
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (end > begin) lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  if (lines.size() <= kMaxHistoryLines) return lines;
  const bool cut = lines.size() >= 2 * kMaxHistoryLines;
  lines.erase(lines.begin(), lines.end() - kMaxHistoryLines);
  if (!cut) return lines;
  std::string kept;
  for (const std::string& line : lines) kept += line + "\n";
  const std::string next = path_ + ".new";
  SIS_RETURN_IF_ERROR(Write(next, O_TRUNC, kept));
  if (rename(next.c_str(), path_.c_str()) != 0) return Failed(path_);
  return lines;
}

Status HistoryFile::Add(const std::string& line) const {
  if (path_.empty()) return OkStatus();
  SIS_RETURN_IF_ERROR(MakeDirectories(path_));
  return Write(path_, O_APPEND, line + "\n");
}

}  // namespace sisyphus::sicli
