// The bytes of a table file (n.sst). Written once, never changed.
//
//   data block ...            sorted entries, see block_builder.h
//   filter block              Bloom filter over the user keys, see bloom_filter.h; absent (size 0)
//                             when the filter is switched off
//   properties block          see TableProperties
//   index block               laid out like a data block: key = the last internal key of a data
//                             block, value = that block's handle (varint offset, varint size)
//   footer                    kFooterBytes, fixed:
//      0  fixed64 x 2         handle of the filter block (offset, size)
//     16  fixed64 x 2         handle of the properties block
//     32  fixed64 x 2         handle of the index block
//     48  fixed32             format version
//     52  fixed32             0, reserved
//     56  fixed64             XXH3 of the 56 bytes before, seeded with kTableMagic
//     64  fixed64             kTableMagic
//
// The last 24 bytes mean the same in every version, so that an old program can name a newer one.
//
// Every block is stored as
//   payload                   `size` bytes of the handle
//   type                      1 byte: 0 as it is, 1 LZ4 (varint uncompressed size, LZ4 block)
//   checksum                  fixed64: XXH3 of payload and type, seeded with the block's offset
//
// Properties: varints number of the file, entries, deletions, smallest and largest sequence number,
// then the smallest and the largest internal key, each with its length before it.
#ifndef SISYPHUS_LSM_TABLE_FORMAT_H_
#define SISYPHUS_LSM_TABLE_FORMAT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/coding.h"
#include "base/file_system.h"
#include "base/status.h"

namespace sisyphus::lsm {

inline constexpr uint64_t kTableMagic = 0x31737873796873ef;
inline constexpr uint32_t kTableVersion = 1;
inline constexpr size_t kFooterBytes = 72;
inline constexpr size_t kBlockTrailerBytes = 9;
// Larger than any block that is written: a handle beyond it is damage, not a reason to allocate.
inline constexpr uint64_t kMaxBlockBytes = uint64_t{1} << 32;

enum class BlockType : uint8_t { kPlain = 0, kLz4 = 1 };

struct BlockHandle {
  uint64_t offset = 0;
  uint64_t size = 0;  // Of the payload.
};

void AppendHandle(std::string* dst, const BlockHandle& handle);
BlockHandle ReadHandle(Decoder& decoder);

struct TableProperties {
  uint64_t number = 0;
  uint64_t entries = 0;
  uint64_t deletions = 0;
  uint64_t smallest_sequence = 0;
  uint64_t largest_sequence = 0;
  std::string smallest;  // Encoded internal keys.
  std::string largest;
};

std::string EncodeProperties(const TableProperties& properties);
// kDataLoss without a place: the caller adds it.
StatusOr<TableProperties> DecodeProperties(std::string_view bytes);

struct TableFooter {
  BlockHandle filter;
  BlockHandle properties;
  BlockHandle index;
};

std::string EncodeFooter(const TableFooter& footer);

// kDataLoss when damaged, kFailedPrecondition when a newer program wrote it. `file_size` bounds the
// handles; `path` is for messages.
StatusOr<TableFooter> DecodeFooter(std::string_view bytes, uint64_t file_size,
                                   const std::string& path);

// A stored block, trailer included, for `payload` at `offset`; compressed if that is asked for and
// saves at least an eighth. `*payload_size` is what the handle says.
std::string SealBlock(std::string_view payload, uint64_t offset, bool compress,
                      uint64_t* payload_size);

// Reads, verifies and decompresses. kDataLoss names the file and the block's offset.
StatusOr<std::string> ReadStoredBlock(const RandomAccessFile& file, const std::string& path,
                                      const BlockHandle& handle);

// "path: offset n: what", as kDataLoss.
Status DamagedAt(const std::string& path, uint64_t offset, const std::string& what);

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_TABLE_FORMAT_H_
