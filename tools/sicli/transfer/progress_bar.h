// ProgressBar: how far an export or an import is, on a terminal's standard error; nowhere else.
#ifndef SISYPHUS_TOOLS_SICLI_TRANSFER_PROGRESS_BAR_H_
#define SISYPHUS_TOOLS_SICLI_TRANSFER_PROGRESS_BAR_H_

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "tools/sicli/load/progress_line.h"

namespace sisyphus::sicli {

struct Progress {
  uint64_t keys = 0;
  uint64_t bytes = 0;
  uint64_t done = 0;   // Of `total`: keys, or bytes.
  uint64_t total = 0;  // 0: nobody knows.
};

// "[======>             ]  31 %  310 keys  4.2 MiB  1.1 MiB/s  0:09 left". `before`: what was done
// when it began, `elapsed` ago.
std::string ProgressText(const Progress& progress, const Progress& before, Duration elapsed);

class ProgressBar {
 public:
  explicit ProgressBar(const Progress& before);
  // What Show would do is seen by nobody.
  static bool Hidden();

  // Draws at most ten times a second; cheap otherwise.
  void Show(const Progress& progress);

 private:
  const bool hidden_;
  const Progress before_;
  const MonotonicTime begun_;
  MonotonicTime next_;
  ProgressLine line_;
};

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_TRANSFER_PROGRESS_BAR_H_
