// SIS_CHECK: an invariant that stays on in release builds. A failed check ends the process: a store
// whose assumptions do not hold must not go on writing.
#ifndef SISYPHUS_BASE_CHECK_H_
#define SISYPHUS_BASE_CHECK_H_

#include <string>

namespace sisyphus {

// Prints one line to standard error and aborts.
[[noreturn]] void CheckFailed(const char* file, int line, const char* condition,
                              const std::string& message);

}  // namespace sisyphus

// `message` is evaluated only on failure.
#define SIS_CHECK(condition, message)                                     \
  do {                                                                    \
    if (!(condition)) [[unlikely]]                                        \
      ::sisyphus::CheckFailed(__FILE__, __LINE__, #condition, (message)); \
  } while (false)

#endif  // SISYPHUS_BASE_CHECK_H_
