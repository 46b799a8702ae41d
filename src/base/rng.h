// Rng: a small deterministic generator. The same seed gives the same numbers on every machine. Not
// for secrets.
//
// Code never seeds one from the outside world itself: it is handed a seed (entropy.h in production,
// the run's seed in a test). Not thread-safe: each owner has its own.
#ifndef SISYPHUS_BASE_RNG_H_
#define SISYPHUS_BASE_RNG_H_

#include <cstdint>

namespace sisyphus {

class Rng {
 public:
  explicit Rng(uint64_t seed);

  uint64_t Next();

  // Uniform in [0, bound). Requires: bound > 0.
  uint64_t Below(uint64_t bound);

  // Uniform in [low, high]. Requires: low <= high.
  uint64_t Between(uint64_t low, uint64_t high) {
    const uint64_t width = high - low;
    return width == UINT64_MAX ? Next() : low + Below(width + 1);
  }

  // True in `numerator` of `denominator` draws.
  bool Chance(uint64_t numerator, uint64_t denominator) { return Below(denominator) < numerator; }

  // Uniform in [0, 1).
  double Uniform();

  // A generator whose stream does not depend on how many numbers this one yields later.
  Rng Fork() { return Rng(Next()); }

 private:
  uint64_t state_[4];
};

}  // namespace sisyphus

#endif  // SISYPHUS_BASE_RNG_H_
