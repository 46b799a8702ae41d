#include <errno.h>
#include <unistd.h>

#include "base/status.h"
#include "tools/sicli/command.h"

namespace sisyphus::sicli {

absl::Status WriteOut(const std::string& data) {
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t n = write(STDOUT_FILENO, data.data() + done, data.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      // Never kNotFound or the like: the exit code speaks of the store.
      return MakeStatus(StatusCode::kInternal,
                        std::string(MessageOf(ErrnoStatus(errno, "standard output"))));
    }
    done += static_cast<size_t>(n);
  }
  return OkStatus();
}

absl::StatusOr<std::string> ReadIn() {
  std::string data;
  char buffer[64 << 10];
  while (true) {
    const ssize_t n = read(STDIN_FILENO, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return MakeStatus(StatusCode::kInternal,
                        std::string(MessageOf(ErrnoStatus(errno, "standard input"))));
    }
    if (n == 0) return data;
    data.append(buffer, static_cast<size_t>(n));
  }
}

}  // namespace sisyphus::sicli
