// TableReader: one open table file, with its index and its Bloom filter in memory.
//
// Any thread. Errors: kDataLoss with the file and the offset of the damage; kFailedPrecondition for
// a format of the future.
#ifndef SISYPHUS_LSM_TABLE_READER_H_
#define SISYPHUS_LSM_TABLE_READER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/file_system.h"
#include "lsm/block.h"
#include "lsm/lru_cache.h"
#include "lsm/table_format.h"

namespace sisyphus::lsm {

using BlockCache = LruCache<const Block>;

class TableReader : public std::enable_shared_from_this<TableReader> {
 public:
  // `cache` is not owned and must outlive the reader.
  static StatusOr<std::shared_ptr<const TableReader>> Open(FileSystem& fs,
                                                           const std::string& directory,
                                                           uint64_t number, BlockCache* cache);

  // False: the filter is sure that no version of `user_key` is here. Reads nothing.
  bool MayContain(std::string_view user_key) const;

  struct Found {
    Kind kind;
    uint64_t sequence;
  };
  // The newest version of `user_key` at or below `sequence`; `value` gets its value.
  StatusOr<std::optional<Found>> Get(std::string_view user_key, uint64_t sequence, bool fill_cache,
                                     std::string* value) const;

  // Keeps the reader alive.
  std::unique_ptr<InternalIterator> NewIterator(bool fill_cache) const;

  const TableProperties& properties() const { return properties_; }

 private:
  class TwoLevelIterator;

  TableReader(std::string path, uint64_t number, BlockCache* cache)
      : path_(std::move(path)), number_(number), cache_(cache) {}

  Status Load(FileSystem& fs);
  StatusOr<std::shared_ptr<const Block>> ReadBlock(const BlockHandle& handle,
                                                   bool fill_cache) const;
  // The data block that an index entry points to.
  StatusOr<std::shared_ptr<const Block>> BlockAt(std::string_view encoded_handle,
                                                 bool fill_cache) const;
  // Adds the file to an error that a block's iterator found.
  Status Located(const Status& status) const { return WithContext(status, path_); }

  const std::string path_;
  const uint64_t number_;
  BlockCache* const cache_;
  std::unique_ptr<RandomAccessFile> file_;
  std::shared_ptr<const Block> index_;
  uint64_t index_offset_ = 0;
  std::string filter_;
  TableProperties properties_;
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_TABLE_READER_H_
