#include "wal/segment_reader.h"

#include <algorithm>
#include <utility>

#include "base/planted.h"

namespace sisyphus::wal {
namespace {

constexpr size_t kWindowBytes = 256 << 10;

}  // namespace

SegmentReader::SegmentReader(std::string path, uint64_t segment,
                             std::unique_ptr<RandomAccessFile> file)
    : path_(std::move(path)),
      segment_(segment),
      file_(std::move(file)),
      file_bytes_(file_->size()) {}

StatusOr<std::unique_ptr<SegmentReader>> SegmentReader::Open(FileSystem& fs,
                                                             const std::string& path,
                                                             uint64_t segment) {
  SIS_ASSIGN_OR_RETURN(std::unique_ptr<RandomAccessFile> file, fs.OpenForRead(path));
  return std::unique_ptr<SegmentReader>(new SegmentReader(path, segment, std::move(file)));
}

StatusOr<SegmentHeader> SegmentReader::ReadHeader() {
  SIS_ASSIGN_OR_RETURN(const std::string_view bytes, Fetch(0, kSegmentHeaderBytes));
  return DecodeSegmentHeader(bytes, segment_, path_);
}

StatusOr<std::optional<SegmentReader::Entry>> SegmentReader::ReadRecord(uint64_t offset) {
  SIS_ASSIGN_OR_RETURN(std::string_view bytes, Fetch(offset, kRecordHeaderBytes));
  const std::optional<RecordHeader> header = DecodeRecordHeader(bytes, segment_, offset);
  if (!header) return std::nullopt;
  // Before memory is taken for it: a record cannot be longer than the rest of the file.
  if (header->length > file_bytes_ - offset - kRecordHeaderBytes) return std::nullopt;
  SIS_ASSIGN_OR_RETURN(bytes, Fetch(offset, kRecordHeaderBytes + size_t{header->length}));
  const std::string_view payload = bytes.substr(kRecordHeaderBytes);
  const bool matches = PayloadMatches(*header, payload, segment_, offset);
  if (!matches && !SIS_PLANTED(kTornRecordReplayed)) return std::nullopt;
  return Entry{*header, payload};
}

StatusOr<std::optional<uint64_t>> SegmentReader::FindRecord(
    uint64_t from, const std::function<bool(const RecordHeader&)>& wanted) {
  for (uint64_t offset = from; offset + kRecordHeaderBytes <= file_bytes_;
       offset += kRecordAlignment) {
    SIS_ASSIGN_OR_RETURN(const std::string_view bytes, Fetch(offset, kRecordHeaderBytes));
    const std::optional<RecordHeader> header = DecodeRecordHeader(bytes, segment_, offset);
    if (!header || !wanted(*header)) continue;
    SIS_ASSIGN_OR_RETURN(const std::optional<Entry> entry, ReadRecord(offset));
    if (entry) return offset;
  }
  return std::nullopt;
}

StatusOr<std::string_view> SegmentReader::Fetch(uint64_t offset, size_t n) {
  const uint64_t skip = offset - window_begin_;  // Huge when the window begins behind `offset`.
  if (skip > window_.size() || n > window_.size() - skip) {
    const uint64_t rest = file_bytes_ - std::min(offset, file_bytes_);
    const auto size = static_cast<size_t>(std::min<uint64_t>(std::max(n, kWindowBytes), rest));
    if (scratch_.size() < size) scratch_.resize(size);
    window_ = {};
    SIS_ASSIGN_OR_RETURN(window_, file_->ReadAt(offset, size, scratch_.data()));
    window_begin_ = offset;
    return window_.substr(0, n);
  }
  return window_.substr(skip, n);
}

}  // namespace sisyphus::wal
