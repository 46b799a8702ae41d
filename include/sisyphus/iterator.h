// Iterator: an ordered walk over keys and values, in both directions.
#ifndef SISYPHUS_ITERATOR_H_
#define SISYPHUS_ITERATOR_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

namespace sisyphus {

// Starts unpositioned: call a Seek first. Used by one thread at a time. It sees the store as it was
// when the iterator was made, whatever is written meanwhile, and pins that state until destroyed:
// keep iterators short-lived.
class Iterator {
 public:
  virtual ~Iterator() = default;

  virtual bool Valid() const = 0;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  // The first key >= `target`.
  virtual void Seek(std::string_view target) = 0;
  // The last key <= `target`.
  virtual void SeekForPrev(std::string_view target) = 0;

  // These require Valid(). The views are good until the iterator moves.
  virtual void Next() = 0;
  virtual void Prev() = 0;
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;

  // The sequence number at which this version was written.
  virtual uint64_t sequence() const = 0;

  // Not OK after a read error or damage: the walk ended early and Valid() is false.
  virtual absl::Status status() const = 0;
};

}  // namespace sisyphus

#endif  // SISYPHUS_ITERATOR_H_
