// TableCache: the open tables of one store, so many at most.
//
// Any thread. Opening happens without a lock; if two threads open the same table, one reader wins.
#ifndef SISYPHUS_LSM_TABLE_CACHE_H_
#define SISYPHUS_LSM_TABLE_CACHE_H_

#include <memory>
#include <string>

#include "lsm/lru_cache.h"
#include "lsm/table_reader.h"
#include "sisyphus/options.h"

namespace sisyphus::lsm {

class TableCache {
 public:
  TableCache(FileSystem& fs, const Options& options, std::string directory)
      : fs_(fs),
        directory_(std::move(directory)),
        blocks_(options.block_cache_bytes),
        tables_(options.max_open_tables) {}

  StatusOr<std::shared_ptr<const TableReader>> Find(uint64_t number) {
    if (auto table = tables_.Find({number, 0})) return table;
    SIS_ASSIGN_OR_RETURN(auto table, TableReader::Open(fs_, directory_, number, &blocks_));
    return tables_.Insert({number, 0}, std::move(table), 1);
  }

  // Forgets the reader of a table that is about to be deleted.
  void Evict(uint64_t number) { tables_.Erase({number, 0}); }

  const BlockCache& blocks() const { return blocks_; }

 private:
  FileSystem& fs_;
  const std::string directory_;
  BlockCache blocks_;  // Outlives the readers in tables_.
  LruCache<const TableReader> tables_;
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_TABLE_CACHE_H_
