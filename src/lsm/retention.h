// Which versions a flush or compaction may drop.
//
// A version stays readable while some read point lies at or above it and below the next newer
// version of its key; all versions above the history floor stay. A deletion goes once every read
// point is at or above it and no older version of its key can lie below the output: then nothing
// can come back. A record of history (Options::history_prefix) goes once every read point is at or
// above it: it was written once, so there is nothing that could come back.
#ifndef SISYPHUS_LSM_RETENTION_H_
#define SISYPHUS_LSM_RETENTION_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lsm/internal_key.h"

namespace sisyphus::lsm {

class Retention {
 public:
  // `read_points` as SnapshotList::ReadPoints answers them. `may_be_deeper` says whether an older
  // version of a user key can be anywhere below the output.
  Retention(std::vector<uint64_t> read_points,
            std::function<bool(std::string_view user_key)> may_be_deeper,
            std::optional<char> history_prefix = std::nullopt)
      : read_points_(std::move(read_points)),
        may_be_deeper_(std::move(may_be_deeper)),
        history_prefix_(history_prefix) {}

  // Whether to keep this version. Requires: called with every version of the input, in order.
  bool Keep(const KeyView& key);

 private:
  const std::vector<uint64_t> read_points_;  // Ascending, not empty; the last one is the floor.
  const std::function<bool(std::string_view)> may_be_deeper_;
  const std::optional<char> history_prefix_;
  std::string user_key_;
  bool first_ = true;
  uint64_t newer_sequence_ = 0;  // Of the version of user_key_ before this one.
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_RETENTION_H_
