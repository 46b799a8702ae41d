// Arena: memory that is handed out piece by piece and freed all at once.
//
// One thread allocates; bytes_used() may be read by any thread meanwhile. Pieces never move and
// live as long as the arena.
#ifndef SISYPHUS_LSM_ARENA_H_
#define SISYPHUS_LSM_ARENA_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

namespace sisyphus::lsm {

class Arena {
 public:
  static constexpr size_t kBlockBytes = 64 << 10;

  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // `size_bytes` bytes, aligned for pointers. Requires: size_bytes > 0.
  char* Allocate(size_t size_bytes);

  // Bytes handed out, with padding; what is left over in blocks is not counted.
  size_t bytes_used() const { return used_.load(std::memory_order_relaxed); }

 private:
  // A piece larger than this gets a block of its own, so that little of the current one is wasted.
  static constexpr size_t kLargeBytes = kBlockBytes / 4;

  char* NewBlock(size_t size_bytes);

  char* free_ = nullptr;
  size_t free_bytes_ = 0;
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::atomic<size_t> used_{0};
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_ARENA_H_
