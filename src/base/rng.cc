// xoshiro256** (Blackman and Vigna, "Scrambled linear pseudorandom number generators"), its state
// filled from the seed by splitmix64, as its authors advise: so that near seeds give far streams
// and the state is never all zeros.
#include "base/rng.h"

#include <bit>

#include "base/check.h"

namespace sisyphus {
namespace {

uint64_t SplitMix64(uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

Rng::Rng(uint64_t seed) {
  for (uint64_t& word : state_) word = SplitMix64(seed);
}

uint64_t Rng::Next() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

// Lemire, "Fast random integer generation in an interval": the high half of a product, and a
// redraw for the few values that would be favoured.
uint64_t Rng::Below(uint64_t bound) {
  SIS_CHECK(bound > 0, "nothing lies below 0");
  const uint64_t unfair = (0 - bound) % bound;  // 2^64 mod bound
  while (true) {
    const unsigned __int128 product = static_cast<unsigned __int128>(Next()) * bound;
    if (static_cast<uint64_t>(product) >= unfair) return static_cast<uint64_t>(product >> 64);
  }
}

double Rng::Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

}  // namespace sisyphus
