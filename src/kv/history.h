// History: what the store remembers of its past, how it finds its way in it, and how it forgets.
//
// Every version of a key stays readable down to the history floor: reads at the floor and above
// are exact, reads below it are refused. The floor is replicated state, moved by a command. Beside
// the versions stand change records, which say what keys each revision changed: they are what lets
// a watch go through the past by revision in constant memory. (The Raft log cannot: it holds what
// was asked for, not what came of it, and is compacted by its own rules.) They are written with the
// change itself and dropped by compaction at the floor.
//
// Bytes:
//   floor record    'h' -> floor varint; none: 0
//   change record   'r' | revision, 8 bytes big-endian | part, 4 bytes big-endian
//                   -> the changed users' keys, ascending over all parts: (length varint, key)...
//   command         32 u8 | revision varint
//   its result      16 u8 | floor after it varint
#ifndef SISYPHUS_KV_HISTORY_H_
#define SISYPHUS_KV_HISTORY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/types.h"
#include "sisyphus/write_batch.h"

namespace sisyphus::kv {

inline constexpr char kChangeRecordPrefix = 'r';
inline constexpr std::string_view kFloorKey = "h";

std::string EncodeFloor(Index floor);
StatusOr<Index> DecodeFloor(std::string_view bytes);  // kDataLoss: malformed.

// --- The command that moves the floor. ---

bool IsCompactCommand(std::string_view command);
std::string EncodeCompactCommand(Index revision);
StatusOr<Index> DecodeCompactCommand(std::string_view command);  // kDataLoss: malformed.
std::string EncodeCompactResult(Index floor);
StatusOr<Index> DecodeCompactResult(std::string_view result);

// --- Change records. ---

// Adds the record of `revision` to the batch that it writes, if that changes users' keys.
void AppendChangeRecord(Index revision, WriteBatch* batch);

std::string ChangeRecordKey(Index revision, uint32_t part);

struct ChangeRecordPlace {
  Index revision;
  uint32_t part = 0;
};
// Nothing: not the key of a change record.
std::optional<ChangeRecordPlace> ParseChangeRecordKey(std::string_view tree_key);

// --- The error of a read below the floor. ---

Status CompactedError(Index floor);
bool IsCompacted(const Status& status);

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_HISTORY_H_
