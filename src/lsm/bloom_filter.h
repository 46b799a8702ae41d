// Bloom filter over the user keys of a table.
//
// Bytes: bit array (its size in bits is a multiple of 8), then 1 byte: probes a key.
// Probe i of a key is bit (h + i * d) mod bits, where h is the XXH3 of the user key and d the same
// rotated by 32 bits, made odd (double hashing: Kirsch and Mitzenmacher, "Less Hashing, Same
// Performance").
#ifndef SISYPHUS_LSM_BLOOM_FILTER_H_
#define SISYPHUS_LSM_BLOOM_FILTER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sisyphus::lsm {

class BloomFilterBuilder {
 public:
  // Requires: bits_per_key > 0.
  explicit BloomFilterBuilder(int bits_per_key) : bits_per_key_(bits_per_key) {}

  // Versions of one key that follow each other are counted once.
  void Add(std::string_view user_key);
  std::string Finish() const;

 private:
  const int bits_per_key_;
  std::vector<uint64_t> hashes_;
};

// False only if `user_key` was not added. An empty or malformed filter answers true.
bool BloomMayContain(std::string_view filter, std::string_view user_key);

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_BLOOM_FILTER_H_
