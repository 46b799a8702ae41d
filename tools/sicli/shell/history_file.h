// The lines that were typed in the shell of sicli, in a file, one a line, the newest last.
//
// It is $XDG_STATE_HOME/sicli/history, or ~/.local/state/sicli/history. Values stand in it: only
// its owner may read it. Several shells add to one file; none loses the lines of another.
#ifndef SISYPHUS_TOOLS_SICLI_SHELL_HISTORY_FILE_H_
#define SISYPHUS_TOOLS_SICLI_SHELL_HISTORY_FILE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sisyphus::sicli {

inline constexpr size_t kMaxHistoryLines = 1000;

class HistoryFile {
 public:
  // Without a home there is none: nothing is kept.
  HistoryFile();
  explicit HistoryFile(std::string path) : path_(std::move(path)) {}

  // At most kMaxHistoryLines, oldest first. Cuts a file that has grown to twice as many. No file is
  // no error.
  absl::StatusOr<std::vector<std::string>> Load() const;
  // Makes the file and its directory.
  absl::Status Add(const std::string& line) const;

 private:
  std::string path_;
};

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_SHELL_HISTORY_FILE_H_
