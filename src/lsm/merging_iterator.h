// A merged walk over several sorted sources. Equal internal keys do not occur: every version is in
// one place only.
#ifndef SISYPHUS_LSM_MERGING_ITERATOR_H_
#define SISYPHUS_LSM_MERGING_ITERATOR_H_

#include <memory>
#include <vector>

#include "lsm/internal_iterator.h"

namespace sisyphus::lsm {

// The first error of any source ends the walk.
std::unique_ptr<InternalIterator> NewMergingIterator(
    std::vector<std::unique_ptr<InternalIterator>> sources);

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_MERGING_ITERATOR_H_
