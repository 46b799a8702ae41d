// Sessions: a write that is repeated is done once and answered as the first time (thesis 6.3).
//
// A client numbers its writes and sends the number with each. The last number of each client, and
// what it was answered, is replicated state: a repeat that reaches any node, after whatever
// happened, finds it. A client has one write under way at a time; one that wants more uses more
// client ids. A session begins with its first write, and ends when its client has written nothing
// for kSessionTtlMs of log time: a repeat after that is taken for a new write.
//
// Bytes:
//   in the tree    's' client id -> sequence varint | deadline varint | index of the entry varint |
//                  checksum of the command, 8 bytes | kept u8 | result: the rest
//   command        6 | client id bytes | sequence varint | command (no session, no time)
//   result         that of the command, the first time; then 6 | index varint | result
#ifndef SISYPHUS_KV_SESSION_H_
#define SISYPHUS_KV_SESSION_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "base/status.h"
#include "base/types.h"
#include "kv/draft.h"

namespace sisyphus::kv {

inline constexpr std::string_view kSessionPrefix = "s";
inline constexpr uint8_t kSessionCommand = 6;

// Part of the format: every replica decides alike.
inline constexpr uint64_t kSessionTtlMs = 3'600'000;
inline constexpr size_t kMaxSessions = 100'000;
inline constexpr size_t kMaxClientIdBytes = 64;
inline constexpr size_t kMaxKeptAnswerBytes = 16 << 10;

// Which write of which client.
struct SessionTag {
  std::string client;  // 1 to kMaxClientIdBytes.
  uint64_t sequence = 0;
};

struct Session {
  uint64_t sequence = 0;
  uint64_t deadline_ms = 0;
  Index index;
  uint64_t checksum = 0;
  bool kept = false;  // The result is here; else it was too large.
  std::string_view result;
};

// The view points into `value`. kDataLoss: malformed.
StatusOr<Session> DecodeSession(std::string_view value);

std::string EncodeInSession(const SessionTag& tag, std::string_view command);

// Applies the command within through `apply`, unless it was applied before.
StatusOr<std::string> ApplyInSession(
    std::string_view command, Draft* draft,
    absl::FunctionRef<StatusOr<std::string>(std::string_view)> apply);

// Forgets what `client` wrote last. Requires: it has a session.
Status EndSession(Draft* draft, std::string_view client);

// What a result says when the write was a repeat; the view points into `result`.
struct Replay {
  bool replayed = false;
  Index index;  // Of the first.
  std::string_view result;
};
Replay ReplayIn(std::string_view result);

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_SESSION_H_
