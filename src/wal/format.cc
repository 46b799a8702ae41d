#include "wal/format.h"

#include <charconv>
#include <cstdio>

#include "base/check.h"
#include "base/checksum.h"
#include "base/coding.h"

namespace sisyphus::wal {
namespace {

constexpr std::string_view kMagic = "SISYWAL\n";
constexpr size_t kCheckedSegmentHeaderBytes = 32;
constexpr size_t kCheckedRecordHeaderBytes = 20;
constexpr uint8_t kPreambleFlag = 1;
constexpr size_t kNameDigits = 16;
constexpr std::string_view kNameSuffix = ".log";

uint64_t SeedOf(uint64_t segment, uint64_t offset) {
  return segment * 0x9e3779b97f4a7c15 + offset;  // An odd factor spreads near numbers.
}

uint32_t HeaderChecksum(const char* header, uint64_t segment, uint64_t offset) {
  return static_cast<uint32_t>(
      Checksum({header, kCheckedRecordHeaderBytes}, SeedOf(segment, offset)));
}

}  // namespace

void AppendSegmentHeader(std::string* dst, const SegmentHeader& header) {
  const size_t begin = dst->size();
  dst->append(kMagic);
  PutFixed32(dst, kFormatVersion);
  PutFixed32(dst, header.preamble_bytes);
  PutFixed64(dst, header.segment);
  PutFixed64(dst, header.previous_end);
  PutFixed64(dst, Checksum(std::string_view(*dst).substr(begin)));
  SIS_CHECK(dst->size() - begin == kSegmentHeaderBytes, "the header's size is part of the format");
}

StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view bytes, uint64_t segment,
                                            const std::string& path) {
  if (bytes.size() < kSegmentHeaderBytes) return DamageAt(path, 0, "the segment header is cut off");
  Decoder in(bytes.substr(0, kSegmentHeaderBytes));
  const std::string_view magic = in.Bytes(kMagic.size());
  const uint32_t version = in.Fixed32();
  SegmentHeader header;
  header.preamble_bytes = in.Fixed32();
  header.segment = in.Fixed64();
  header.previous_end = in.Fixed64();
  const uint64_t checksum = in.Fixed64();
  if (magic != kMagic || checksum != Checksum(bytes.substr(0, kCheckedSegmentHeaderBytes))) {
    return DamageAt(path, 0, "the segment header is damaged");
  }
  if (version != kFormatVersion) {
    return MakeStatus(StatusCode::kFailedPrecondition,
                      path + ": the log has format version " + std::to_string(version) +
                          ", this program reads version " + std::to_string(kFormatVersion));
  }
  if (header.segment != segment) {
    return MakeStatus(StatusCode::kFailedPrecondition, path + ": the file holds segment " +
                                                           std::to_string(header.segment) +
                                                           "; it must not be renamed");
  }
  return header;
}

void AppendRecord(std::string* dst, const RecordPlace& place, uint8_t type, std::string_view head,
                  std::string_view body) {
  const uint64_t length = uint64_t{head.size()} + body.size();
  SIS_CHECK(type != 0, "a record's type is not 0");
  SIS_CHECK(length <= UINT32_MAX, "a record is shorter than 4 GiB");
  const size_t begin = dst->size();
  const size_t end = begin + RecordBytes(length);
  dst->resize(begin + kRecordHeaderBytes);
  dst->append(head);
  dst->append(body);
  const std::string_view payload = std::string_view(*dst).substr(begin + kRecordHeaderBytes);
  char* header = dst->data() + begin;  // Zeros so far.
  EncodeFixed64(header, Checksum(payload, SeedOf(place.segment, place.offset)));
  EncodeFixed32(header + 8, static_cast<uint32_t>(length));
  EncodeFixed32(header + 12, place.batch_begin);
  header[16] = static_cast<char>(type);
  header[17] = place.preamble ? kPreambleFlag : 0;
  EncodeFixed32(header + 20, HeaderChecksum(header, place.segment, place.offset));
  dst->resize(end);
}

std::optional<RecordHeader> DecodeRecordHeader(std::string_view bytes, uint64_t segment,
                                               uint64_t offset) {
  if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
  RecordHeader header;
  header.payload_checksum = DecodeFixed64(bytes.data());
  header.length = DecodeFixed32(bytes.data() + 8);
  header.batch_begin = DecodeFixed32(bytes.data() + 12);
  header.type = static_cast<uint8_t>(bytes[16]);
  header.preamble = (static_cast<uint8_t>(bytes[17]) & kPreambleFlag) != 0;
  // Cheap tests first: a search for records comes here for every 8 bytes of a segment.
  if (header.type == 0 || header.batch_begin > offset) return std::nullopt;
  if (DecodeFixed32(bytes.data() + 20) != HeaderChecksum(bytes.data(), segment, offset)) {
    return std::nullopt;
  }
  return header;
}

bool PayloadMatches(const RecordHeader& header, std::string_view payload, uint64_t segment,
                    uint64_t offset) {
  return payload.size() == header.length &&
         header.payload_checksum == Checksum(payload, SeedOf(segment, offset));
}

std::string SegmentPath(const std::string& directory, uint64_t segment) {
  char name[kNameDigits + 1];
  std::snprintf(name, sizeof(name), "%016llx", static_cast<unsigned long long>(segment));
  return directory + "/" + name + std::string(kNameSuffix);
}

std::optional<uint64_t> SegmentOfName(std::string_view name) {
  if (name.size() != kNameDigits + kNameSuffix.size() || !name.ends_with(kNameSuffix)) {
    return std::nullopt;
  }
  name.remove_suffix(kNameSuffix.size());
  uint64_t segment = 0;
  const auto [end, error] =
      std::from_chars(name.data(), name.data() + name.size(), segment, /*base=*/16);
  if (error != std::errc() || end != name.data() + name.size() || segment == 0) return std::nullopt;
  return segment;
}

Status DamageAt(const std::string& path, uint64_t offset, const std::string& what) {
  return MakeStatus(StatusCode::kDataLoss,
                    path + ", offset " + std::to_string(offset) + ": " + what);
}

}  // namespace sisyphus::wal
