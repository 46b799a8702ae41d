#include "kv/content_chain.h"

#include <array>

#include "base/checksum.h"
#include "base/coding.h"

namespace sisyphus::kv {

namespace {

uint64_t FoldNumbers(std::array<uint64_t, 3> numbers, uint64_t seed) {
  std::array<char, sizeof(numbers)> bytes;
  for (size_t i = 0; i < numbers.size(); ++i) {
    EncodeFixed64(bytes.data() + i * sizeof(uint64_t), numbers[i]);
  }
  return Checksum({bytes.data(), bytes.size()}, seed);
}

}  // namespace

void ContentChain::Restart(Index index, uint64_t value) {
  value_ = value;
  {
    MutexLock lock(mu_);
    recent_.clear();
  }
  if (index > Index(0)) Note(index);
}

uint64_t ContentChain::Fold(LogPosition position, const WriteBatch& batch,
                            std::string_view result) {
  value_ = FoldNumbers({position.index.value(), position.term.value(), batch.count()}, value_);
  for (size_t i = 0; i < batch.count(); ++i) {
    const WriteBatch::Operation operation = batch.at(i);
    value_ = FoldNumbers(
        {static_cast<uint64_t>(operation.kind), operation.key.size(), operation.value.size()},
        value_);
    value_ = Checksum(operation.key, value_);
    value_ = Checksum(operation.value, value_);
  }
  value_ = Checksum(result, value_);
  Note(position.index);
  return value_;
}

void ContentChain::Note(Index index) {
  if (index.value() % range_ != 0) return;
  MutexLock lock(mu_);
  if (recent_.size() == kRecent) recent_.pop_front();
  recent_.push_back({index, value_});
}

std::vector<node::ContentHash> ContentChain::recent() const {
  MutexLock lock(mu_);
  return {recent_.begin(), recent_.end()};
}

}  // namespace sisyphus::kv
