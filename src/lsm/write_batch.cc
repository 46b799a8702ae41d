#include "sisyphus/write_batch.h"

#include "base/check.h"

namespace sisyphus {

void WriteBatch::Put(std::string_view key, std::string_view value) {
  entries_.push_back({Kind::kPut, bytes_.size(), key.size(), value.size()});
  bytes_.append(key);
  bytes_.append(value);
}

void WriteBatch::Delete(std::string_view key) {
  entries_.push_back({Kind::kDelete, bytes_.size(), key.size(), 0});
  bytes_.append(key);
}

void WriteBatch::Clear() {
  bytes_.clear();
  entries_.clear();
}

WriteBatch::Operation WriteBatch::at(size_t i) const {
  SIS_CHECK(i < entries_.size(), "no such operation");
  const Entry& entry = entries_[i];
  const std::string_view bytes(bytes_);
  return {entry.kind, bytes.substr(entry.offset, entry.key_size),
          bytes.substr(entry.offset + entry.key_size, entry.value_size)};
}

}  // namespace sisyphus
