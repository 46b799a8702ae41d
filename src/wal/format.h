// The bytes of a log segment, format version 1. All integers are little-endian.
//
//   segment  := header, record*, zeros        A record begins at a multiple of 8.
//
//   header, 40 bytes:
//     0   8  magic "SISYWAL\n"
//     8   4  format version
//    12   4  bytes of the preamble: the records that were written together with this header
//    16   8  number of this segment, as in the file's name
//    24   8  where the records of the segment before this one end (0: there was none)
//    32   8  XXH3 of bytes 0..31; stands here in every version
//
//   record, 24 bytes, then `length` bytes, then zeros up to a multiple of 8:
//     0   8  XXH3 of the record's bytes, seeded with segment and offset
//     8   4  length of the record's bytes
//    12   4  offset where the batch of this record begins (one batch: one write and one sync)
//    16   1  type: the caller's, never 0
//    17   1  flags: 1 = the record belongs to the preamble
//    18   2  zero
//    20   4  low half of the XXH3 of bytes 0..19, seeded with segment and offset
//
// Why a record is checked twice: its header must be trusted before its length is, or a search for
// records behind damaged bytes would hash the rest of the file at every step. Why seeds: bytes that
// are valid in one place do not pass in another. Why the end of the segment before: a segment that
// lost its tail after the next one was begun is told from one whose last write was cut short.
#ifndef SISYPHUS_WAL_FORMAT_H_
#define SISYPHUS_WAL_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"

namespace sisyphus::wal {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr size_t kSegmentHeaderBytes = 40;
inline constexpr size_t kRecordHeaderBytes = 24;
inline constexpr size_t kRecordAlignment = 8;
static_assert(kSegmentHeaderBytes % kRecordAlignment == 0);
static_assert(kRecordHeaderBytes % kRecordAlignment == 0);

// A batch's begin has 32 bits in a record's header, and a batch may begin anywhere in a segment.
inline constexpr uint64_t kMaxSegmentBytes = uint64_t{1} << 30;

struct SegmentHeader {
  uint64_t segment = 0;
  uint64_t previous_end = 0;
  uint32_t preamble_bytes = 0;
};

void AppendSegmentHeader(std::string* dst, const SegmentHeader& header);

// kDataLoss when the bytes are no whole header, as a crash may leave them; kFailedPrecondition when
// they are one of another version or another segment than `segment`. Both name `path`.
StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view bytes, uint64_t segment,
                                            const std::string& path);

// Where a record stands, and with which others it was written.
struct RecordPlace {
  uint64_t segment = 0;
  uint64_t offset = 0;       // Of the record's header.
  uint32_t batch_begin = 0;  // Of its batch's first header.
  bool preamble = false;
};

struct RecordHeader {
  uint64_t payload_checksum = 0;
  uint32_t length = 0;
  uint32_t batch_begin = 0;
  uint8_t type = 0;
  bool preamble = false;
};

// The room that a record with `length` bytes takes in the file.
constexpr uint64_t RecordBytes(uint64_t length) {
  return (kRecordHeaderBytes + length + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

// Requires: type != 0; head and body together shorter than 4 GiB.
void AppendRecord(std::string* dst, const RecordPlace& place, uint8_t type, std::string_view head,
                  std::string_view body);

// The header in the first kRecordHeaderBytes of `bytes`, unless they were not written as one for
// this place.
std::optional<RecordHeader> DecodeRecordHeader(std::string_view bytes, uint64_t segment,
                                               uint64_t offset);

bool PayloadMatches(const RecordHeader& header, std::string_view payload, uint64_t segment,
                    uint64_t offset);

// DIRECTORY/<16 hex digits>.log
std::string SegmentPath(const std::string& directory, uint64_t segment);

// The number in a segment's file name, nothing for other names.
std::optional<uint64_t> SegmentOfName(std::string_view name);

// kDataLoss: "PATH, offset N: what".
Status DamageAt(const std::string& path, uint64_t offset, const std::string& what);

}  // namespace sisyphus::wal

#endif  // SISYPHUS_WAL_FORMAT_H_
