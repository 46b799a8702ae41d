// Commands: what a client's write becomes in the Raft log, and what applying it answers.
//
// Bytes (varint: LEB128; bytes: a varint length and the content):
//
//   command   kind u8, and then
//     1 put, 2 delete   flags u8 | if_revision varint (flag 1) | key bytes | value: the rest (put)
//     3 delete range    start bytes | end: the rest; the keys in [start, end), no end if empty
//     4 transaction     txn.h
//     32 compact        history.h
//   flags     1 if_revision is there, 2 only if absent, 4 answer with the previous value
//
//   result    kind u8, and then
//     1 done            create_revision varint | version varint (0: the key is gone) |
//                       existed u8 | previous
//     2 compare failed  mod_revision of what stands varint (0: no such key)
//     3 range deleted   number of keys varint
//     4 transaction     txn.h
//     5 refused         reason u8 (Refusal): nothing was changed
//     6 a repeat        session.h
//     9, 10, 11 leases  lease.h
//     16 compacted      history.h
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

// What a key that is put ends with: the lease `id`, or one of its own that lasts `ttl_ms`, or
// nothing.
struct LeaseChoice {
  uint64_t id = 0;
  uint64_t ttl_ms = 0;
  bool any() const { return id != 0 || ttl_ms != 0; }
};

struct Command {
  enum class Kind : uint8_t { kPut = 1, kDelete = 2, kDeleteRange = 3 };
  Kind kind = Kind::kPut;
  Condition condition;         // Put and delete.
  bool want_previous = false;  // Put and delete.
  std::string_view key;        // Of a range its start, which may be empty.
  std::string_view value;      // Put.
  LeaseChoice lease;           // Put.
  std::string_view end;        // Delete range: the first key behind it; empty: there is none.
};
inline constexpr uint8_t kTxnCommand = 4;

// Why applying a command changed nothing, other than a condition that does not hold. Numbers are
// part of the format.
enum class Refusal : uint8_t {
  kNone = 0,
  kTooManyKeys = 1,     // More than kMaxKeysTouched in the ranges.
  kAnswerTooLarge = 2,  // More than kMaxAnswerBytes of reads inside a transaction.
  kNoLease = 3,         // There is no lease of that id (any more).
  kTooManyLeases = 4,
  kTooManySessions = 5,
  kOldSequence = 6,    // The client has written something later.
  kOtherCommand = 7,   // The number was that of another write.
  kAnswerNotKept = 8,  // A repeat; what the first was answered is too large to keep.
};

// Part of the format: every replica decides alike.
inline constexpr uint64_t kMaxKeysTouched = 1'000'000;
inline constexpr uint64_t kMaxKeysTouchedByTxn = 100'000;
inline constexpr size_t kMaxAnswerBytes = 16 << 20;

struct CommandResult {
  bool done = false;
  // Done.
  Index create_revision;
  uint64_t version = 0;
  bool existed = false;
  std::optional<VersionedValue> previous;
  uint64_t deleted = 0;  // By a range delete.
  // Not done: the condition did not hold.
  Index current_revision;
};

std::string EncodeCommand(const Command& command);
// The views point into `bytes`. kDataLoss: malformed or of a newer version.
StatusOr<Command> DecodeCommand(std::string_view bytes);

std::string EncodeResult(const CommandResult& result);
std::string EncodeRangeResult(uint64_t deleted);
// The status of a refusal: that of RefusalStatus.
StatusOr<CommandResult> DecodeResult(std::string_view bytes);

std::string EncodeRefusal(Refusal refusal);
// kNone: `result` is no refusal.
Refusal RefusalIn(std::string_view result);
// With words for the client. kNotFound: no lease. kResourceExhausted: too many.
// kFailedPrecondition: a write of a session that was, or may have been, done before.
// kInvalidArgument: the rest.
Status RefusalStatus(Refusal refusal);

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_COMMAND_H_
