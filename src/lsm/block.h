// Block: the reading side of block_builder.h.
//
// Immutable: any number of iterators on any threads. Its bytes have passed their checksum; what is
// malformed nevertheless ends an iterator with kDataLoss and never reads outside of the block.
#ifndef SISYPHUS_LSM_BLOCK_H_
#define SISYPHUS_LSM_BLOCK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lsm/internal_iterator.h"

namespace sisyphus::lsm {

class Block {
 public:
  // kDataLoss, without a place, when the restart points make no sense.
  static StatusOr<std::shared_ptr<const Block>> Make(std::string bytes);

  size_t size_bytes() const { return bytes_.size(); }

 private:
  friend class BlockIterator;
  Block() = default;

  uint32_t Restart(uint32_t i) const;

  std::string bytes_;
  std::string_view entries_;  // Views bytes_.
  uint32_t restarts_ = 0;
};

// Keeps its block alive.
class BlockIterator final : public InternalIterator {
 public:
  BlockIterator() = default;  // Of no block: never valid.
  explicit BlockIterator(std::shared_ptr<const Block> block) : block_(std::move(block)) {}

  bool Valid() const override { return valid_; }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(const KeyView& target) override;
  void Next() override;
  void Prev() override;
  KeyView key() const override { return DecodeKey(key_); }
  std::string_view value() const override { return value_; }
  Status status() const override { return status_; }

 private:
  void GoToRestart(uint32_t i);
  // Reads the entry at next_; not valid after the last one.
  void ReadNext();
  void Damaged();

  std::shared_ptr<const Block> block_;
  bool valid_ = false;
  size_t offset_ = 0;  // Of the current entry in entries_.
  size_t next_ = 0;    // Of the one after it.
  std::string key_;
  std::string_view value_;
  Status status_;
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_BLOCK_H_
