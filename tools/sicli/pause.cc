#include "tools/sicli/pause.h"

#include <poll.h>

#include <algorithm>
#include <climits>

namespace sisyphus::sicli {

void Pause(std::chrono::milliseconds time) {
  // On no descriptor: only the time ends it, or a signal that ends the process.
  poll(nullptr, 0, static_cast<int>(std::clamp<int64_t>(time.count(), 0, INT_MAX)));
}

}  // namespace sisyphus::sicli
