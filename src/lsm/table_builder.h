// TableBuilder: writes one table file (table_format.h) from entries in order.
//
// One thread. What a crash or an error leaves: a file that no manifest names; the next Open deletes
// it.
#ifndef SISYPHUS_LSM_TABLE_BUILDER_H_
#define SISYPHUS_LSM_TABLE_BUILDER_H_

#include <memory>
#include <string>

#include "base/file_system.h"
#include "lsm/block_builder.h"
#include "lsm/bloom_filter.h"
#include "lsm/table_format.h"
#include "sisyphus/options.h"

namespace sisyphus::lsm {

class TableBuilder {
 public:
  // Creates the file. `options` must outlive the builder.
  static StatusOr<std::unique_ptr<TableBuilder>> Create(FileSystem& fs, const Options& options,
                                                        const std::string& directory,
                                                        uint64_t number);

  // Requires: `key` is after every key before. After an error, only destruction.
  Status Add(const KeyView& key, std::string_view value);

  // Writes the rest, syncs and closes; the directory is the caller's to sync. Requires: something
  // was added.
  Status Finish();

  // Without what is still buffered in the open block.
  uint64_t size_bytes() const { return offset_; }
  const TableProperties& properties() const { return properties_; }

 private:
  TableBuilder(const Options& options, uint64_t number, std::unique_ptr<WritableFile> file);

  Status FinishDataBlock();
  Status AppendBlock(std::string_view payload, bool compress, BlockHandle* handle);
  Status AppendBuffered(std::string_view bytes);
  Status WriteOut();

  const Options& options_;
  const std::unique_ptr<WritableFile> file_;
  BlockBuilder data_;
  BlockBuilder index_;
  BloomFilterBuilder filter_;
  TableProperties properties_;
  std::string buffer_;     // Appended, not yet written.
  uint64_t offset_ = 0;    // Of the next block.
  uint64_t unsynced_ = 0;  // Bytes written since the last sync.
  std::string last_key_;   // Of the finished data blocks.
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_TABLE_BUILDER_H_
