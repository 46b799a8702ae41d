// XXH3, 64 bits: what every block, record and file on disk is checked with.
#ifndef SISYPHUS_BASE_CHECKSUM_H_
#define SISYPHUS_BASE_CHECKSUM_H_

#include <cstdint>
#include <string_view>

namespace sisyphus {

uint64_t Checksum(std::string_view data);

// With a seed, so that a valid block in the wrong place does not pass.
uint64_t Checksum(std::string_view data, uint64_t seed);

}  // namespace sisyphus

#endif  // SISYPHUS_BASE_CHECKSUM_H_
