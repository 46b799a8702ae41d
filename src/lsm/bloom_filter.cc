#include "lsm/bloom_filter.h"

#include <algorithm>
#include <bit>

#include "base/checksum.h"

namespace sisyphus::lsm {
namespace {

constexpr int kMaxProbes = 30;
// A table of a few keys would otherwise have a filter with many false answers.
constexpr uint64_t kMinBits = 64;

uint64_t StepOf(uint64_t hash) { return std::rotr(hash, 32) | 1; }

}  // namespace

void BloomFilterBuilder::Add(std::string_view user_key) {
  const uint64_t hash = Checksum(user_key);
  if (hashes_.empty() || hashes_.back() != hash) hashes_.push_back(hash);
}

std::string BloomFilterBuilder::Finish() const {
  // The fewest false answers come from bits per key times ln 2 probes.
  const int probes = std::clamp(static_cast<int>(bits_per_key_ * 0.69), 1, kMaxProbes);
  uint64_t bits = std::max(
      static_cast<uint64_t>(hashes_.size()) * static_cast<uint64_t>(bits_per_key_), kMinBits);
  bits = (bits + 7) / 8 * 8;
  std::string filter(bits / 8, '\0');
  for (uint64_t hash : hashes_) {
    const uint64_t step = StepOf(hash);
    for (int i = 0; i < probes; ++i, hash += step) {
      const uint64_t bit = hash % bits;
      filter[bit / 8] = static_cast<char>(filter[bit / 8] | 1 << (bit % 8));
    }
  }
  filter.push_back(static_cast<char>(probes));
  return filter;
}

bool BloomMayContain(std::string_view filter, std::string_view user_key) {
  if (filter.size() < 2) return true;
  const int probes = filter.back();
  if (probes < 1 || probes > kMaxProbes) return true;
  const uint64_t bits = (filter.size() - 1) * 8;
  uint64_t hash = Checksum(user_key);
  const uint64_t step = StepOf(hash);
  for (int i = 0; i < probes; ++i, hash += step) {
    const uint64_t bit = hash % bits;
    if ((filter[bit / 8] & 1 << (bit % 8)) == 0) return false;
  }
  return true;
}

}  // namespace sisyphus::lsm
