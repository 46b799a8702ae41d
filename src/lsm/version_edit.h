// VersionEdit: one change of the set of tables, as a manifest record holds it.
//
// Bytes: fields, each a varint tag and its content, all integers varints:
//   1  flushed position    sequence, term, digest
//   2  next file number    number: this and all above were never used
//   3  removed table       level, number
//   4  added table         level, number, file size, entries, deletions, smallest and largest
//                          sequence number; smallest and largest internal key with their lengths
#ifndef SISYPHUS_LSM_VERSION_EDIT_H_
#define SISYPHUS_LSM_VERSION_EDIT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "lsm/internal_key.h"
#include "lsm/table_format.h"
#include "sisyphus/options.h"

namespace sisyphus::lsm {

struct TableMeta {
  uint64_t size_bytes = 0;
  TableProperties properties;

  uint64_t number() const { return properties.number; }
  KeyView smallest() const { return DecodeKey(properties.smallest); }
  KeyView largest() const { return DecodeKey(properties.largest); }
};

struct VersionEdit {
  struct Removed {
    int level;
    uint64_t number;
  };
  struct Added {
    int level;
    TableMeta table;
  };

  std::optional<Position> flushed;
  std::optional<uint64_t> next_file_number;
  std::vector<Removed> removed;
  std::vector<Added> added;

  std::string Encode() const;
  // kDataLoss, without a place, when malformed.
  static StatusOr<VersionEdit> Decode(std::string_view bytes);
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_VERSION_EDIT_H_
