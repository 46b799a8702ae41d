#include "lsm/table_reader.h"

#include "base/check.h"
#include "lsm/bloom_filter.h"
#include "lsm/file_names.h"

namespace sisyphus::lsm {

StatusOr<std::shared_ptr<const TableReader>> TableReader::Open(FileSystem& fs,
                                                               const std::string& directory,
                                                               uint64_t number, BlockCache* cache) {
  std::shared_ptr<TableReader> reader(new TableReader(TablePath(directory, number), number, cache));
  SIS_RETURN_IF_ERROR(reader->Load(fs));
  return std::shared_ptr<const TableReader>(std::move(reader));
}

Status TableReader::Load(FileSystem& fs) {
  SIS_ASSIGN_OR_RETURN(file_, fs.OpenForRead(path_));
  const uint64_t size = file_->size();
  const size_t footer_bytes = size < kFooterBytes ? size : kFooterBytes;
  char scratch[kFooterBytes];
  SIS_ASSIGN_OR_RETURN(const std::string_view bytes,
                       file_->ReadAt(size - footer_bytes, footer_bytes, scratch));
  SIS_ASSIGN_OR_RETURN(const TableFooter footer, DecodeFooter(bytes, size, path_));

  SIS_ASSIGN_OR_RETURN(const std::string properties,
                       ReadStoredBlock(*file_, path_, footer.properties));
  StatusOr<TableProperties> decoded = DecodeProperties(properties);
  if (!decoded.ok()) {
    return DamagedAt(path_, footer.properties.offset, "malformed table properties");
  }
  properties_ = *std::move(decoded);
  if (properties_.number != number_) {
    return DamagedAt(path_, footer.properties.offset,
                     "this is table " + std::to_string(properties_.number) + " by another name");
  }
  if (footer.filter.size > 0) {
    SIS_ASSIGN_OR_RETURN(filter_, ReadStoredBlock(*file_, path_, footer.filter));
  }
  index_offset_ = footer.index.offset;
  SIS_ASSIGN_OR_RETURN(std::string index, ReadStoredBlock(*file_, path_, footer.index));
  StatusOr<std::shared_ptr<const Block>> block = Block::Make(std::move(index));
  if (!block.ok()) return DamagedAt(path_, index_offset_, "malformed block");
  index_ = *std::move(block);
  return OkStatus();
}

bool TableReader::MayContain(std::string_view user_key) const {
  return BloomMayContain(filter_, user_key);
}

StatusOr<std::shared_ptr<const Block>> TableReader::ReadBlock(const BlockHandle& handle,
                                                              bool fill_cache) const {
  const CacheKey cache_key{number_, handle.offset};
  if (std::shared_ptr<const Block> cached = cache_->Find(cache_key)) return cached;
  SIS_ASSIGN_OR_RETURN(std::string bytes, ReadStoredBlock(*file_, path_, handle));
  StatusOr<std::shared_ptr<const Block>> block = Block::Make(std::move(bytes));
  if (!block.ok()) return DamagedAt(path_, handle.offset, "malformed block");
  if (!fill_cache) return block;
  const uint64_t cost = (*block)->size_bytes() + sizeof(Block);
  return cache_->Insert(cache_key, *std::move(block), cost);
}

StatusOr<std::shared_ptr<const Block>> TableReader::BlockAt(std::string_view encoded_handle,
                                                            bool fill_cache) const {
  Decoder decoder(encoded_handle);
  const BlockHandle handle = ReadHandle(decoder);
  if (!decoder.Done()) return DamagedAt(path_, index_offset_, "malformed index of blocks");
  return ReadBlock(handle, fill_cache);
}

StatusOr<std::optional<TableReader::Found>> TableReader::Get(std::string_view user_key,
                                                             uint64_t sequence, bool fill_cache,
                                                             std::string* value) const {
  const KeyView target = SeekKey(user_key, sequence);
  BlockIterator index(index_);
  index.Seek(target);
  if (!index.status().ok()) return DamagedAt(path_, index_offset_, "malformed index of blocks");
  if (!index.Valid()) return std::nullopt;
  SIS_ASSIGN_OR_RETURN(std::shared_ptr<const Block> block, BlockAt(index.value(), fill_cache));
  BlockIterator entry(std::move(block));
  entry.Seek(target);
  if (!entry.status().ok()) return Located(entry.status());
  // The block's last key is at or after the target: if nothing is, the index lied.
  if (!entry.Valid()) return DamagedAt(path_, index_offset_, "a block ends before its last key");
  const KeyView key = entry.key();
  if (key.user_key != user_key) return std::nullopt;
  value->assign(entry.value());
  return Found{key.kind(), key.sequence()};
}

// Walks the index, and within the block that it points to.
class TableReader::TwoLevelIterator final : public InternalIterator {
 public:
  TwoLevelIterator(std::shared_ptr<const TableReader> table, bool fill_cache)
      : table_(std::move(table)), fill_cache_(fill_cache), index_(table_->index_) {}

  bool Valid() const override { return status_.ok() && data_.Valid(); }

  void SeekToFirst() override {
    Reset();
    index_.SeekToFirst();
    if (LoadBlock()) data_.SeekToFirst();
    SkipForward();
  }

  void SeekToLast() override {
    Reset();
    index_.SeekToLast();
    if (LoadBlock()) data_.SeekToLast();
    SkipBackward();
  }

  void Seek(const KeyView& target) override {
    Reset();
    index_.Seek(target);
    if (LoadBlock()) data_.Seek(target);
    SkipForward();
  }

  void Next() override {
    data_.Next();
    SkipForward();
  }

  void Prev() override {
    data_.Prev();
    SkipBackward();
  }

  KeyView key() const override { return data_.key(); }
  std::string_view value() const override { return data_.value(); }
  Status status() const override { return status_; }

 private:
  void Reset() { status_ = OkStatus(); }

  // Opens the block at index_. False at the end of the index, or with status_ set.
  bool LoadBlock() {
    if (!index_.Valid()) {
      if (!index_.status().ok()) {
        status_ = DamagedAt(table_->path_, table_->index_offset_, "malformed index of blocks");
      }
      data_ = BlockIterator();
      return false;
    }
    StatusOr<std::shared_ptr<const Block>> block = table_->BlockAt(index_.value(), fill_cache_);
    if (!block.ok()) {
      status_ = block.status();
      data_ = BlockIterator();
      return false;
    }
    data_ = BlockIterator(*std::move(block));
    return true;
  }

  // Moves on to the next block while the current one has no entry left.
  void SkipForward() {
    while (NeedsAnotherBlock()) {
      index_.Next();
      if (!LoadBlock()) return;
      data_.SeekToFirst();
    }
  }

  void SkipBackward() {
    while (NeedsAnotherBlock()) {
      index_.Prev();
      if (!LoadBlock()) return;
      data_.SeekToLast();
    }
  }

  bool NeedsAnotherBlock() {
    if (!data_.status().ok()) status_ = table_->Located(data_.status());
    return status_.ok() && !data_.Valid() && index_.Valid();
  }

  const std::shared_ptr<const TableReader> table_;
  const bool fill_cache_;
  BlockIterator index_;
  BlockIterator data_;
  Status status_;
};

std::unique_ptr<InternalIterator> TableReader::NewIterator(bool fill_cache) const {
  return std::make_unique<TwoLevelIterator>(shared_from_this(), fill_cache);
}

}  // namespace sisyphus::lsm
