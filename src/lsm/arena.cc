#include "lsm/arena.h"

#include "base/check.h"

namespace sisyphus::lsm {

char* Arena::Allocate(size_t size_bytes) {
  SIS_CHECK(size_bytes > 0, "an empty allocation");
  constexpr size_t kAlign = alignof(std::max_align_t) > 8 ? 8 : alignof(std::max_align_t);
  const size_t rounded = (size_bytes + kAlign - 1) / kAlign * kAlign;
  used_.store(used_.load(std::memory_order_relaxed) + rounded, std::memory_order_relaxed);
  if (rounded > free_bytes_) {
    if (rounded > kLargeBytes) return NewBlock(rounded);
    free_ = NewBlock(kBlockBytes);
    free_bytes_ = kBlockBytes;
  }
  char* result = free_;
  free_ += rounded;
  free_bytes_ -= rounded;
  return result;
}

char* Arena::NewBlock(size_t size_bytes) {
  // Not value-initialised: zeroing 64 KiB only to overwrite it costs a pass over memory.
  blocks_.push_back(std::unique_ptr<char[]>(new char[size_bytes]));
  return blocks_.back().get();
}

}  // namespace sisyphus::lsm
