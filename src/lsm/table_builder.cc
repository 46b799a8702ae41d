#include "lsm/table_builder.h"

#include <algorithm>

#include "base/check.h"
#include "base/planted.h"
#include "lsm/file_names.h"

namespace sisyphus::lsm {
namespace {

constexpr size_t kWriteBytes = 256 << 10;
// Syncing a large table in parts keeps the disk's queue short for the log, whose syncs clients wait
// for.
constexpr uint64_t kSyncBytes = 4 << 20;
// Index blocks are searched, not scanned.
constexpr int kIndexRestartInterval = 1;

}  // namespace

StatusOr<std::unique_ptr<TableBuilder>> TableBuilder::Create(FileSystem& fs, const Options& options,
                                                             const std::string& directory,
                                                             uint64_t number) {
  SIS_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file,
                       fs.NewWritableFile(TablePath(directory, number)));
  return std::unique_ptr<TableBuilder>(new TableBuilder(options, number, std::move(file)));
}

TableBuilder::TableBuilder(const Options& options, uint64_t number,
                           std::unique_ptr<WritableFile> file)
    : options_(options),
      file_(std::move(file)),
      data_(options.block_restart_interval),
      index_(kIndexRestartInterval),
      filter_(options.bloom_bits_per_key) {
  properties_.number = number;
}

Status TableBuilder::Add(const KeyView& key, std::string_view value) {
  if (properties_.entries == 0) {
    AppendEncoded(&properties_.smallest, key);
    properties_.smallest_sequence = key.sequence();
  }
  // Within a block its builder checks the order; this is the order across blocks.
  SIS_CHECK(last_key_.empty() || !data_.empty() || Compare(DecodeKey(last_key_), key) < 0,
            "keys out of order");
  ++properties_.entries;
  if (key.kind() == Kind::kDelete) ++properties_.deletions;
  properties_.smallest_sequence = std::min(properties_.smallest_sequence, key.sequence());
  properties_.largest_sequence = std::max(properties_.largest_sequence, key.sequence());
  data_.Add(key, value);
  if (options_.bloom_bits_per_key > 0) filter_.Add(key.user_key);
  return data_.size_bytes() >= options_.block_bytes ? FinishDataBlock() : OkStatus();
}

Status TableBuilder::FinishDataBlock() {
  last_key_ = data_.last_key();
  BlockHandle handle;
  SIS_RETURN_IF_ERROR(AppendBlock(data_.Finish(), options_.compress, &handle));
  std::string encoded;
  AppendHandle(&encoded, handle);
  index_.Add(DecodeKey(last_key_), encoded);
  return OkStatus();
}

Status TableBuilder::Finish() {
  SIS_CHECK(properties_.entries > 0, "an empty table");
  if (!data_.empty()) SIS_RETURN_IF_ERROR(FinishDataBlock());
  properties_.largest = last_key_;
  TableFooter footer;
  if (options_.bloom_bits_per_key > 0) {
    SIS_RETURN_IF_ERROR(AppendBlock(filter_.Finish(), /*compress=*/false, &footer.filter));
  }
  SIS_RETURN_IF_ERROR(
      AppendBlock(EncodeProperties(properties_), /*compress=*/false, &footer.properties));
  SIS_RETURN_IF_ERROR(AppendBlock(index_.Finish(), options_.compress, &footer.index));
  SIS_RETURN_IF_ERROR(AppendBuffered(EncodeFooter(footer)));
  SIS_RETURN_IF_ERROR(WriteOut());
  if (!SIS_PLANTED(kTableNotSynced)) SIS_RETURN_IF_ERROR(file_->Sync());
  return file_->Close();
}

Status TableBuilder::AppendBlock(std::string_view payload, bool compress, BlockHandle* handle) {
  handle->offset = offset_;
  return AppendBuffered(SealBlock(payload, offset_, compress, &handle->size));
}

Status TableBuilder::AppendBuffered(std::string_view bytes) {
  buffer_.append(bytes);
  offset_ += bytes.size();
  if (buffer_.size() < kWriteBytes) return OkStatus();
  SIS_RETURN_IF_ERROR(WriteOut());
  if (unsynced_ < kSyncBytes) return OkStatus();
  unsynced_ = 0;
  return file_->Sync();
}

Status TableBuilder::WriteOut() {
  SIS_RETURN_IF_ERROR(file_->Append(buffer_));
  unsynced_ += buffer_.size();
  buffer_.clear();
  return OkStatus();
}

}  // namespace sisyphus::lsm
