// The three numbers that every room speaks of.
#ifndef SISYPHUS_BASE_TYPES_H_
#define SISYPHUS_BASE_TYPES_H_

#include "base/strong_int.h"

namespace sisyphus {

// A member of the cluster. 0 means "none".
using NodeId = StrongInt<struct NodeIdTag>;

// A Raft term. 0 is before the first election.
using Term = StrongInt<struct TermTag>;

// A position in the Raft log; the first entry has index 1, 0 means "before the log".
// It is also the sequence number of a key's version and the revision that a user sees.
using Index = StrongInt<struct IndexTag>;

inline constexpr NodeId kNoNode{};

// Which entry, exactly: two entries with equal index and term are the same entry (thesis 3.5).
struct LogPosition {
  Index index;
  Term term;
  constexpr auto operator<=>(const LogPosition&) const = default;
};

}  // namespace sisyphus

#endif  // SISYPHUS_BASE_TYPES_H_
