#include "base/status.h"

#include <cerrno>
#include <system_error>

namespace sisyphus {

Status ErrnoStatus(int errno_value, const std::string& operation_and_path) {
  StatusCode code = StatusCode::kInternal;
  if (errno_value == ENOSPC || errno_value == EDQUOT) {
    code = StatusCode::kResourceExhausted;
  } else if (errno_value == ENOENT) {
    code = StatusCode::kNotFound;
  } else if (errno_value == EEXIST) {
    code = StatusCode::kAlreadyExists;
  }
  return MakeStatus(code, operation_and_path + ": " + std::generic_category().message(errno_value));
}

Status WithContext(const Status& status, const std::string& context) {
  if (status.ok()) return status;
  return MakeStatus(status.code(), context + ": " + std::string(MessageOf(status)));
}

}  // namespace sisyphus
