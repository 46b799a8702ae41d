// SegmentReader: the records of one segment, read through a small window.
//
// Holds at most 256 KiB of a segment, or one record if that is longer. Used by one thread.
#ifndef SISYPHUS_WAL_SEGMENT_READER_H_
#define SISYPHUS_WAL_SEGMENT_READER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/status.h"
#include "wal/format.h"

namespace sisyphus::wal {

class SegmentReader {
 public:
  struct Entry {
    RecordHeader header;
    std::string_view payload;  // Until the next call.
  };

  static StatusOr<std::unique_ptr<SegmentReader>> Open(FileSystem& fs, const std::string& path,
                                                       uint64_t segment);

  // As DecodeSegmentHeader.
  StatusOr<SegmentHeader> ReadHeader();

  // The record at `offset`; nothing if no whole valid record lies there. An error only when the
  // file cannot be read.
  StatusOr<std::optional<Entry>> ReadRecord(uint64_t offset);

  // The offset of the first whole valid record at or behind `from` that `wanted` accepts.
  // Requires: from is a multiple of kRecordAlignment.
  StatusOr<std::optional<uint64_t>> FindRecord(
      uint64_t from, const std::function<bool(const RecordHeader&)>& wanted);

  const std::string& path() const { return path_; }
  uint64_t segment() const { return segment_; }

 private:
  SegmentReader(std::string path, uint64_t segment, std::unique_ptr<RandomAccessFile> file);

  // `n` bytes at `offset`, fewer only at the file's end.
  StatusOr<std::string_view> Fetch(uint64_t offset, size_t n);

  const std::string path_;
  const uint64_t segment_;
  const std::unique_ptr<RandomAccessFile> file_;
  const uint64_t file_bytes_;

  std::string scratch_;
  std::string_view window_;  // The file's bytes from window_begin_ on.
  uint64_t window_begin_ = 0;
};

}  // namespace sisyphus::wal

#endif  // SISYPHUS_WAL_SEGMENT_READER_H_
