#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/status.h"
#include "tools/sicli/command.h"

namespace sisyphus::sicli {

namespace {

StatusOr<std::string> ReadAll(int descriptor, const std::string& name, StatusCode code) {
  std::string data;
  char buffer[64 << 10];
  while (true) {
    const ssize_t n = read(descriptor, buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return MakeStatus(code, std::string(MessageOf(ErrnoStatus(errno, name))));
    if (n == 0) return data;
    data.append(buffer, static_cast<size_t>(n));
  }
}

}  // namespace

StatusOr<std::string> ReadIn() {
  return ReadAll(STDIN_FILENO, "standard input", StatusCode::kInternal);
}

StatusOr<std::string> ReadFile(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      std::string(MessageOf(ErrnoStatus(errno, path))));
  }
  StatusOr<std::string> content = ReadAll(descriptor, path, StatusCode::kInvalidArgument);
  close(descriptor);  // Nothing was written: it has nothing to say.
  return content;
}

}  // namespace sisyphus::sicli
