// BlockBuilder: sorted entries with shared key prefixes, as data and index blocks hold them.
//
//   entry ...      varint shared      bytes in common with the key before (0 at a restart point)
//                  varint unshared    bytes of the key that follow
//                  varint value size
//                  unshared key bytes, value bytes
//   restart ...    fixed32 each: offset of an entry that shares nothing; the first one is 0
//   count          fixed32: number of restart points, at least 1
// Keys are encoded internal keys (internal_key.h), strictly ascending.
#ifndef SISYPHUS_LSM_BLOCK_BUILDER_H_
#define SISYPHUS_LSM_BLOCK_BUILDER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lsm/internal_key.h"

namespace sisyphus::lsm {

class BlockBuilder {
 public:
  // Requires: restart_interval > 0.
  explicit BlockBuilder(int restart_interval);

  // Requires: `key` is after every key added since the last Finish.
  void Add(const KeyView& key, std::string_view value);

  // The block so far; the builder starts afresh.
  std::string Finish();

  bool empty() const { return bytes_.empty(); }
  // Of what Finish would answer.
  size_t size_bytes() const { return bytes_.size() + (restarts_.size() + 1) * sizeof(uint32_t); }
  // The last key added, encoded. Requires: !empty().
  const std::string& last_key() const { return last_key_; }

 private:
  const int restart_interval_;
  int since_restart_ = 0;
  std::string bytes_;
  std::vector<uint32_t> restarts_;
  std::string last_key_;
  std::string scratch_;
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_BLOCK_BUILDER_H_
