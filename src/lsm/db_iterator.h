// The walk that users see: of every user key the newest version at or below a sequence number, and
// none where that version is a deletion.
#ifndef SISYPHUS_LSM_DB_ITERATOR_H_
#define SISYPHUS_LSM_DB_ITERATOR_H_

#include <cstdint>
#include <memory>

#include "lsm/internal_iterator.h"
#include "sisyphus/iterator.h"

namespace sisyphus::lsm {

// `pin` keeps alive what `versions` walks over.
std::unique_ptr<Iterator> NewDbIterator(std::unique_ptr<InternalIterator> versions,
                                        uint64_t sequence, std::shared_ptr<const void> pin);

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_DB_ITERATOR_H_
