// Commands: what a client's write becomes in the Raft log, and what applying it answers.
//
// Bytes (varint: LEB128; bytes: a varint length and the content):
//
//   command   kind u8 (1 put, 2 delete) | flags u8 | if_revision varint (flag 1) | key bytes |
//             value: the rest (put only)
//   flags     1 if_revision is there, 2 only if absent, 4 answer with the previous value
//
//   result    1 done:    create_revision varint | version varint (0: the key is gone) |
//                        existed u8 | previous
//             2 refused: mod_revision of what stands varint (0: no such key)
//   previous  0, or 1 | create varint | mod varint | version varint | value: the rest
//
// A kind or flag that is not known here comes from a newer version: it cannot be applied, and the
// replica stops.
#ifndef SISYPHUS_KV_COMMAND_H_
#define SISYPHUS_KV_COMMAND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/types.h"
#include "kv/value.h"

namespace sisyphus::kv {

// When a write may happen. Decided where it is applied, so the same on every replica.
struct Condition {
  std::optional<Index> if_revision;  // The key exists and its mod_revision is this.
  bool if_absent = false;            // The key does not exist.
};

struct Command {
  enum class Kind : uint8_t { kPut = 1, kDelete = 2 };
  Kind kind = Kind::kPut;
  Condition condition;
  bool want_previous = false;
  std::string_view key;
  std::string_view value;
};

struct CommandResult {
  bool done = false;
  // Done.
  Index create_revision;
  uint64_t version = 0;
  bool existed = false;
  std::optional<VersionedValue> previous;
  // Not done: the condition did not hold.
  Index current_revision;
};

std::string EncodeCommand(const Command& command);
// The views point into `bytes`. kDataLoss: malformed or of a newer version.
StatusOr<Command> DecodeCommand(std::string_view bytes);

std::string EncodeResult(const CommandResult& result);
StatusOr<CommandResult> DecodeResult(std::string_view bytes);

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_COMMAND_H_
