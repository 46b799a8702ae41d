// What to compact next.
//
// Level 0 collects whole flushed memtables (tiered); levels 1 and below are sorted runs with a size
// target each (leveled). The level that is furthest beyond its target goes first. Within a level
// the table that drags the fewest bytes of the next level along, for its own size, is picked: that
// keeps write amplification low.
#ifndef SISYPHUS_LSM_COMPACTION_PICKER_H_
#define SISYPHUS_LSM_COMPACTION_PICKER_H_

#include <memory>
#include <optional>
#include <vector>

#include "lsm/version.h"

namespace sisyphus::lsm {

struct Compaction {
  struct Input {
    int level;
    TableList tables;  // In the version's order.
  };

  std::shared_ptr<const Version> version;  // Keeps the inputs alive.
  std::vector<Input> inputs;               // From the newest level to the oldest.
  int output_level = 0;

  // One table that overlaps nothing in the output level can just change its level.
  bool IsTrivialMove() const;
  uint64_t input_bytes() const;
};

// Nothing when every level is within its target.
std::optional<Compaction> PickCompaction(const Options& options,
                                         std::shared_ptr<const Version> version);

// All tables into the last level; nothing when there are none.
std::optional<Compaction> PickEverything(std::shared_ptr<const Version> version);

// Bytes by which the levels are beyond their targets.
uint64_t CompactionDebt(const Options& options, const Version& version);

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_COMPACTION_PICKER_H_
