#include "tools/sicli/pause.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

namespace sisyphus::sicli {
namespace {

int Clamped(std::chrono::milliseconds time) {
  return static_cast<int>(std::clamp<int64_t>(time.count(), 0, INT_MAX));
}

}  // namespace

void Pause(std::chrono::milliseconds time) { poll(nullptr, 0, Clamped(time)); }

bool PauseOrQuit(std::chrono::milliseconds time) {
  if (isatty(STDIN_FILENO) != 1) {
    Pause(time);
    return false;
  }
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  if (poll(&input, 1, Clamped(time)) <= 0) return false;
  char c = 0;
  return read(STDIN_FILENO, &c, 1) <= 0 || c == 'q';
}

}  // namespace sisyphus::sicli
