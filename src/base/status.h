// absl::Status with std:: strings at the door.
//
// Debian's Abseil has a string_view of its own; these bridges keep it out of our signatures.
// What the codes mean here:
//   kInvalidArgument     the caller's input is wrong
//   kNotFound            no such key, file or member
//   kAlreadyExists       something is there already
//   kFailedPrecondition  a condition does not hold
//   kResourceExhausted   overloaded, too large, or no space left
//   kOutOfRange          a write refused because the disk is nearly full: never applied
//   kUnavailable         no leader, or not ready: never applied
//   kAborted             superseded: never applied
//   kDeadlineExceeded    the outcome is unknown
//   kDataLoss            damage: a checksum or a format does not hold
//   kInternal            an I/O error, or a broken invariant
#ifndef SISYPHUS_BASE_STATUS_H_
#define SISYPHUS_BASE_STATUS_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sisyphus {

using absl::OkStatus;
using absl::Status;
using absl::StatusCode;
using absl::StatusOr;

inline Status MakeStatus(StatusCode code, const std::string& message) { return {code, message}; }

// The message alone, without the code.
inline std::string_view MessageOf(const Status& status) {
  return {status.message().data(), status.message().size()};
}

// `errno_value` as a status that names the operation and the path: "open /data/log/1.log: No space
// left on device". ENOSPC and EDQUOT become kResourceExhausted, ENOENT kNotFound, EEXIST
// kAlreadyExists, all else kInternal.
Status ErrnoStatus(int errno_value, const std::string& operation_and_path);

// The same code, with "context: " before the message.
Status WithContext(const Status& status, const std::string& context);

}  // namespace sisyphus

#define SIS_CONCAT_INNER(a, b) a##b
#define SIS_CONCAT(a, b) SIS_CONCAT_INNER(a, b)

#define SIS_RETURN_IF_ERROR(expression)                                                    \
  do {                                                                                     \
    if (::sisyphus::Status sis_status = (expression); !sis_status.ok()) return sis_status; \
  } while (false)

#define SIS_ASSIGN_OR_RETURN(lhs, expression) \
  SIS_ASSIGN_OR_RETURN_IMPL(SIS_CONCAT(sis_or_, __LINE__), lhs, expression)
#define SIS_ASSIGN_OR_RETURN_IMPL(temp, lhs, expression) \
  auto temp = (expression);                              \
  if (!temp.ok()) return temp.status();                  \
  lhs = std::move(temp).value()

#endif  // SISYPHUS_BASE_STATUS_H_
