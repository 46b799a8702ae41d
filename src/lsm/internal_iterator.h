// InternalIterator: a walk over every version in a memtable, block, table or level, in the order of
// internal keys.
//
// Used by one thread at a time. The views that key() and value() answer are good until the iterator
// moves. When status() is not OK, Valid() is false.
#ifndef SISYPHUS_LSM_INTERNAL_ITERATOR_H_
#define SISYPHUS_LSM_INTERNAL_ITERATOR_H_

#include <string_view>

#include "base/status.h"
#include "lsm/internal_key.h"

namespace sisyphus::lsm {

class InternalIterator {
 public:
  virtual ~InternalIterator() = default;

  virtual bool Valid() const = 0;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  // The first entry at or after `target`.
  virtual void Seek(const KeyView& target) = 0;

  // These require Valid().
  virtual void Next() = 0;
  virtual void Prev() = 0;
  virtual KeyView key() const = 0;
  virtual std::string_view value() const = 0;

  virtual Status status() const = 0;
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_INTERNAL_ITERATOR_H_
