#include "lsm/table_format.h"

#include <lz4.h>

#include "base/checksum.h"
#include "lsm/internal_key.h"

namespace sisyphus::lsm {
namespace {

constexpr size_t kChecksumAt = 56;
constexpr size_t kMagicAt = 64;
constexpr size_t kVersionAt = 48;
static_assert(kMagicAt + 8 == kFooterBytes);

bool Fits(const BlockHandle& handle, uint64_t limit) {
  return handle.size <= kMaxBlockBytes && handle.offset <= limit &&
         handle.size + kBlockTrailerBytes <= limit - handle.offset;
}

// LZ4 of `payload` with its size before it; empty if that does not save an eighth.
std::string Compressed(std::string_view payload) {
  if (payload.size() > LZ4_MAX_INPUT_SIZE) return {};
  std::string out;
  PutVarint64(&out, payload.size());
  const size_t header = out.size();
  const size_t limit = payload.size() - payload.size() / 8;
  if (limit <= header) return {};
  // A capacity of what is still worth it lets LZ4 give up early.
  out.resize(limit);
  const int written =
      LZ4_compress_default(payload.data(), out.data() + header, static_cast<int>(payload.size()),
                           static_cast<int>(limit - header));
  if (written <= 0) return {};
  out.resize(header + static_cast<size_t>(written));
  return out;
}

}  // namespace

void AppendHandle(std::string* dst, const BlockHandle& handle) {
  PutVarint64(dst, handle.offset);
  PutVarint64(dst, handle.size);
}

BlockHandle ReadHandle(Decoder& decoder) {
  BlockHandle handle;
  handle.offset = decoder.Varint64();
  handle.size = decoder.Varint64();
  return handle;
}

std::string EncodeProperties(const TableProperties& properties) {
  std::string out;
  PutVarint64(&out, properties.number);
  PutVarint64(&out, properties.entries);
  PutVarint64(&out, properties.deletions);
  PutVarint64(&out, properties.smallest_sequence);
  PutVarint64(&out, properties.largest_sequence);
  PutLengthPrefixed(&out, properties.smallest);
  PutLengthPrefixed(&out, properties.largest);
  return out;
}

StatusOr<TableProperties> DecodeProperties(std::string_view bytes) {
  Decoder decoder(bytes);
  TableProperties properties;
  properties.number = decoder.Varint64();
  properties.entries = decoder.Varint64();
  properties.deletions = decoder.Varint64();
  properties.smallest_sequence = decoder.Varint64();
  properties.largest_sequence = decoder.Varint64();
  properties.smallest = decoder.LengthPrefixed();
  properties.largest = decoder.LengthPrefixed();
  if (!decoder.Done() || properties.smallest.size() < kTrailerBytes ||
      properties.largest.size() < kTrailerBytes) {
    return MakeStatus(StatusCode::kDataLoss, "malformed table properties");
  }
  return properties;
}

std::string EncodeFooter(const TableFooter& footer) {
  std::string out;
  for (const BlockHandle& handle : {footer.filter, footer.properties, footer.index}) {
    PutFixed64(&out, handle.offset);
    PutFixed64(&out, handle.size);
  }
  PutFixed32(&out, kTableVersion);
  PutFixed32(&out, 0);
  PutFixed64(&out, Checksum(out, kTableMagic));
  PutFixed64(&out, kTableMagic);
  return out;
}

StatusOr<TableFooter> DecodeFooter(std::string_view bytes, uint64_t file_size,
                                   const std::string& path) {
  const uint64_t offset = file_size - bytes.size();
  if (bytes.size() != kFooterBytes) return DamagedAt(path, offset, "too short for a table");
  if (DecodeFixed64(bytes.data() + kMagicAt) != kTableMagic) {
    return DamagedAt(path, offset + kMagicAt, "the file does not end like a table");
  }
  if (DecodeFixed64(bytes.data() + kChecksumAt) !=
      Checksum(bytes.substr(0, kChecksumAt), kTableMagic)) {
    return DamagedAt(path, offset, "wrong checksum of the table's footer");
  }
  const uint32_t version = DecodeFixed32(bytes.data() + kVersionAt);
  if (version != kTableVersion) {
    return MakeStatus(StatusCode::kFailedPrecondition,
                      path + ": table format " + std::to_string(version) +
                          "; this program reads format " + std::to_string(kTableVersion));
  }
  Decoder decoder(bytes);
  TableFooter footer;
  for (BlockHandle* handle : {&footer.filter, &footer.properties, &footer.index}) {
    handle->offset = decoder.Fixed64();
    handle->size = decoder.Fixed64();
    const bool absent = handle == &footer.filter && handle->size == 0;
    if (!absent && !Fits(*handle, offset)) {
      return DamagedAt(path, offset, "the table's footer points outside of the file");
    }
  }
  return footer;
}

std::string SealBlock(std::string_view payload, uint64_t offset, bool compress,
                      uint64_t* payload_size) {
  std::string out;
  if (compress) out = Compressed(payload);
  BlockType type = BlockType::kLz4;
  if (out.empty()) {
    type = BlockType::kPlain;
    out.reserve(payload.size() + kBlockTrailerBytes);
    out.assign(payload);
  }
  *payload_size = out.size();
  out.push_back(static_cast<char>(type));
  PutFixed64(&out, Checksum(out, offset));
  return out;
}

StatusOr<std::string> ReadStoredBlock(const RandomAccessFile& file, const std::string& path,
                                      const BlockHandle& handle) {
  if (!Fits(handle, file.size())) {
    return DamagedAt(path, handle.offset, "a block that reaches outside of the file");
  }
  const size_t stored_bytes = handle.size + kBlockTrailerBytes;
  std::string buffer(stored_bytes, '\0');
  SIS_ASSIGN_OR_RETURN(const std::string_view stored,
                       file.ReadAt(handle.offset, stored_bytes, buffer.data()));
  if (stored.size() != stored_bytes) return DamagedAt(path, handle.offset, "the file was cut");
  if (DecodeFixed64(stored.data() + handle.size + 1) !=
      Checksum(stored.substr(0, handle.size + 1), handle.offset)) {
    return DamagedAt(path, handle.offset, "wrong checksum of a block");
  }
  const auto type = static_cast<BlockType>(stored[handle.size]);
  const std::string_view payload = stored.substr(0, handle.size);
  if (type == BlockType::kPlain) {
    if (stored.data() != buffer.data()) return std::string(payload);
    buffer.resize(handle.size);
    return buffer;
  }
  Decoder decoder(payload);
  const uint64_t size = decoder.Varint64();
  if (type != BlockType::kLz4 || !decoder.ok() || size > LZ4_MAX_INPUT_SIZE) {
    return DamagedAt(path, handle.offset, "a block of an unknown kind");
  }
  std::string out(size, '\0');
  const int written =
      LZ4_decompress_safe(decoder.rest().data(), out.data(),
                          static_cast<int>(decoder.rest().size()), static_cast<int>(size));
  if (written < 0 || static_cast<uint64_t>(written) != size) {
    return DamagedAt(path, handle.offset, "a block that does not decompress");
  }
  return out;
}

Status DamagedAt(const std::string& path, uint64_t offset, const std::string& what) {
  return MakeStatus(StatusCode::kDataLoss,
                    path + ": offset " + std::to_string(offset) + ": " + what);
}

}  // namespace sisyphus::lsm
