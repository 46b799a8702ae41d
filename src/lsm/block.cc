#include "lsm/block.h"

#include <algorithm>

#include "base/coding.h"

namespace sisyphus::lsm {

StatusOr<std::shared_ptr<const Block>> Block::Make(std::string bytes) {
  std::shared_ptr<Block> block(new Block);
  block->bytes_ = std::move(bytes);
  const std::string_view all(block->bytes_);
  const Status malformed = MakeStatus(StatusCode::kDataLoss, "malformed block");
  if (all.size() < 2 * sizeof(uint32_t)) return malformed;
  block->restarts_ = DecodeFixed32(all.data() + all.size() - sizeof(uint32_t));
  const size_t room = all.size() / sizeof(uint32_t) - 1;
  if (block->restarts_ == 0 || block->restarts_ > room) return malformed;
  block->entries_ = all.substr(0, all.size() - (size_t{block->restarts_} + 1) * sizeof(uint32_t));
  uint32_t previous = 0;
  for (uint32_t i = 0; i < block->restarts_; ++i) {
    const uint32_t restart = block->Restart(i);
    const bool ascending = i == 0 ? restart == 0 : restart > previous;
    if (!ascending || (i > 0 && restart >= block->entries_.size())) return malformed;
    previous = restart;
  }
  return std::shared_ptr<const Block>(std::move(block));
}

uint32_t Block::Restart(uint32_t i) const {
  return DecodeFixed32(entries_.data() + entries_.size() + size_t{i} * sizeof(uint32_t));
}

void BlockIterator::Damaged() {
  valid_ = false;
  status_ = MakeStatus(StatusCode::kDataLoss, "malformed block");
}

void BlockIterator::GoToRestart(uint32_t i) {
  status_ = OkStatus();
  key_.clear();
  next_ = block_->Restart(i);
}

void BlockIterator::ReadNext() {
  offset_ = next_;
  const std::string_view entries = block_->entries_;
  if (offset_ >= entries.size()) {
    valid_ = false;
    return;
  }
  Decoder decoder(entries.substr(offset_));
  const uint64_t shared = decoder.Varint64();
  const uint64_t unshared = decoder.Varint64();
  const uint64_t value_size = decoder.Varint64();
  const std::string_view suffix = decoder.Bytes(unshared);
  value_ = decoder.Bytes(value_size);
  if (!decoder.ok() || shared > key_.size() || shared + unshared < kTrailerBytes) {
    Damaged();
    return;
  }
  key_.resize(shared);
  key_.append(suffix);
  next_ = entries.size() - decoder.rest().size();
  valid_ = true;
}

void BlockIterator::SeekToFirst() {
  if (block_ == nullptr) return;
  GoToRestart(0);
  ReadNext();
}

void BlockIterator::SeekToLast() {
  if (block_ == nullptr) return;
  GoToRestart(block_->restarts_ - 1);
  ReadNext();
  while (valid_ && next_ < block_->entries_.size()) ReadNext();
}

void BlockIterator::Seek(const KeyView& target) {
  if (block_ == nullptr) return;
  // The last restart point whose key is before `target`; the entry sought lies behind it.
  uint32_t low = 0;
  uint32_t high = block_->restarts_ - 1;
  while (low < high) {
    const uint32_t middle = high - (high - low) / 2;
    GoToRestart(middle);
    ReadNext();
    if (!status_.ok()) return;
    if (Compare(key(), target) < 0) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  GoToRestart(low);
  ReadNext();
  while (valid_ && Compare(key(), target) < 0) ReadNext();
}

void BlockIterator::Next() { ReadNext(); }

void BlockIterator::Prev() {
  const size_t current = offset_;
  // The last restart point before the current entry, then forward to the entry before it.
  uint32_t low = 0;
  uint32_t high = block_->restarts_;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (block_->Restart(middle) < current) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) {
    valid_ = false;
    return;
  }
  GoToRestart(low - 1);
  ReadNext();
  while (valid_ && next_ < current) ReadNext();
}

}  // namespace sisyphus::lsm
