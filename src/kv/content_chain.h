// ContentChain: a rolling hash of everything that applying the log has changed, by which replicas
// compare their content without sending it.
//
//   chain(0) = 0
//   chain(i) = H(result, H(operations, H(index u64 | term u64 | operations u64, chain(i - 1))))
//   operations, each folded in order: kind u64 | key size u64 | value size u64, then key and value
//
// H(bytes, seed) is XXH3; integers are little-endian. What counts are the effects of an entry (the
// versions written to the tree, and what the client is told), not the bytes of its command: two
// replicas that decide one command differently part here, for good. The value at the flushed
// position stands in the tree's manifest (Position::digest), so it comes back exactly with a
// restart and travels with a snapshot.
//
// Values at multiples of `range` are kept for comparison. The range is part of the format: replicas
// that use different ones find nothing to compare. Threads: recent() any; the rest one at a time.
#ifndef SISYPHUS_KV_CONTENT_CHAIN_H_
#define SISYPHUS_KV_CONTENT_CHAIN_H_

#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/types.h"
#include "node/state_machine.h"
#include "sisyphus/write_batch.h"

namespace sisyphus::kv {

inline constexpr uint64_t kContentRange = 4096;

class ContentChain {
 public:
  static constexpr size_t kRecent = 32;

  explicit ContentChain(uint64_t range) : range_(range) {}

  // The tables are others from here on: at `index` their chain stands at `value`.
  void Restart(Index index, uint64_t value);

  // Takes in what the entry at `position` did; answers the chain's new value.
  uint64_t Fold(LogPosition position, const WriteBatch& batch, std::string_view result);

  // The last kRecent values at multiples of the range since Restart, ascending.
  std::vector<node::ContentHash> recent() const;

 private:
  void Note(Index index);

  const uint64_t range_;
  uint64_t value_ = 0;
  mutable Mutex mu_;
  std::deque<node::ContentHash> recent_ SIS_GUARDED_BY(mu_);
};

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_CONTENT_CHAIN_H_
