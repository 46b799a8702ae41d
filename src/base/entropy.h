// The one place where randomness enters the process.
#ifndef SISYPHUS_BASE_ENTROPY_H_
#define SISYPHUS_BASE_ENTROPY_H_

#include <cstdint>

namespace sisyphus {

// 64 bits from the operating system's generator. For seeding an Rng and for making ids, in
// production only.
uint64_t OsEntropy();

}  // namespace sisyphus

#endif  // SISYPHUS_BASE_ENTROPY_H_
