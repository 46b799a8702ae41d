// Fuzz: bytes that nobody meant, for everything that reads bytes from outside or from a disk.
//
// Deterministic: inputs are mutations of valid seeds (and plain noise) drawn from an Rng, so a
// failure happens again. Each input ends where an unreadable page begins: whoever reads past its
// end dies, in every build. What a target checks beyond that is its own affair.
#ifndef SISYPHUS_TESTS_FUZZ_FUZZ_H_
#define SISYPHUS_TESTS_FUZZ_FUZZ_H_

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/rng.h"

namespace sisyphus::fuzz {

// Memory whose last byte is followed by a page that cannot be read.
class GuardedMemory {
 public:
  explicit GuardedMemory(size_t capacity);
  ~GuardedMemory();
  GuardedMemory(const GuardedMemory&) = delete;
  GuardedMemory& operator=(const GuardedMemory&) = delete;

  // A copy of `bytes` at the very end. Until the next call. Requires: they fit.
  std::string_view Place(std::string_view bytes);

 private:
  size_t capacity_;
  size_t guard_;
  char* begin_;
};

// A few changes of `input`: bits, bytes, numbers, parts left out, doubled, or taken from `other`.
std::string Mutate(Rng& rng, std::string input, const std::string& other);

// A target: must return, whatever the bytes, and may check what must hold of what it makes of them.
// Answers whether the bytes meant something.
using Target = std::function<bool(std::string_view bytes)>;

// Runs the seeds as they are, which must mean something, then `runs` mutations of them, of which
// some must and some must not. SISYPHUS_FUZZ_SEED in the environment makes them other ones.
void Run(const std::vector<std::string>& seeds, size_t runs, const Target& target);

// `bytes` as they can be written into a test.
std::string Escaped(std::string_view bytes);

}  // namespace sisyphus::fuzz

#endif  // SISYPHUS_TESTS_FUZZ_FUZZ_H_
