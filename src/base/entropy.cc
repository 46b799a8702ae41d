#include "base/entropy.h"

#include <sys/random.h>

#include <cerrno>

#include "base/check.h"

namespace sisyphus {

uint64_t OsEntropy() {
  uint64_t value = 0;
  ssize_t n = 0;
  do {
    n = ::getrandom(&value, sizeof(value), 0);
  } while (n < 0 && errno == EINTR);
  // Reads of up to 256 bytes are never cut short (getrandom(2)).
  SIS_CHECK(n == static_cast<ssize_t>(sizeof(value)), "the system gives no random numbers");
  return value;
}

}  // namespace sisyphus
