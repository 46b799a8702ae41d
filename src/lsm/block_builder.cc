#include "lsm/block_builder.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"

namespace sisyphus::lsm {

BlockBuilder::BlockBuilder(int restart_interval) : restart_interval_(restart_interval) {
  SIS_CHECK(restart_interval > 0, "a block needs restart points");
  restarts_.push_back(0);
}

void BlockBuilder::Add(const KeyView& key, std::string_view value) {
  SIS_CHECK(empty() || Compare(DecodeKey(last_key_), key) < 0, "keys out of order");
  SIS_CHECK(bytes_.size() <= std::numeric_limits<uint32_t>::max(), "block too large");
  scratch_.clear();
  AppendEncoded(&scratch_, key);
  size_t shared = 0;
  if (since_restart_ < restart_interval_) {
    const size_t limit = std::min(last_key_.size(), scratch_.size());
    while (shared < limit && last_key_[shared] == scratch_[shared]) ++shared;
  } else {
    restarts_.push_back(static_cast<uint32_t>(bytes_.size()));
    since_restart_ = 0;
  }
  PutVarint64(&bytes_, shared);
  PutVarint64(&bytes_, scratch_.size() - shared);
  PutVarint64(&bytes_, value.size());
  bytes_.append(scratch_, shared);
  bytes_.append(value);
  std::swap(last_key_, scratch_);
  ++since_restart_;
}

std::string BlockBuilder::Finish() {
  for (const uint32_t restart : restarts_) PutFixed32(&bytes_, restart);
  PutFixed32(&bytes_, static_cast<uint32_t>(restarts_.size()));
  std::string block = std::exchange(bytes_, {});
  restarts_.assign(1, 0);
  since_restart_ = 0;
  last_key_.clear();
  return block;
}

}  // namespace sisyphus::lsm
