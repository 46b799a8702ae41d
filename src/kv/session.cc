#include "kv/session.h"

#include <algorithm>
#include <vector>

#include "base/checksum.h"
#include "base/coding.h"
#include "base/planted.h"
#include "kv/command.h"

namespace sisyphus::kv {

namespace {

std::string SessionKey(std::string_view client) {
  return std::string(kSessionPrefix).append(client);
}

std::string EncodeSession(const Session& session) {
  std::string value;
  PutVarint64(&value, session.sequence);
  PutVarint64(&value, session.deadline_ms);
  PutVarint64(&value, session.index.value());
  PutFixed64(&value, session.checksum);
  value.push_back(session.kept ? 1 : 0);
  value += session.result;
  return value;
}

// What a command answers whose number is not above the last one.
std::string AnswerOld(const Session& last, uint64_t sequence, uint64_t checksum) {
  if (sequence < last.sequence) return EncodeRefusal(Refusal::kOldSequence);
  if (checksum != last.checksum) return EncodeRefusal(Refusal::kOtherCommand);
  if (!last.kept) return EncodeRefusal(Refusal::kAnswerNotKept);
  if (SIS_PLANTED(kRepeatAnsweredAnew)) return std::string(last.result);
  std::string result(1, static_cast<char>(kSessionCommand));
  PutVarint64(&result, last.index.value());
  result += last.result;
  return result;
}

// For the mistake kSessionsNotInSnapshot: whether the deadline of the client's session is known.
bool Awaited(const Deadlines& deadlines, std::string_view client) {
  const std::vector<std::string> all = deadlines.DueSessions(UINT64_MAX, SIZE_MAX);
  return std::find(all.begin(), all.end(), client) != all.end();
}

}  // namespace

StatusOr<Session> DecodeSession(std::string_view value) {
  Decoder in(value);
  Session session;
  session.sequence = in.Varint64();
  session.deadline_ms = in.Varint64();
  session.index = Index(in.Varint64());
  session.checksum = in.Fixed64();
  session.kept = in.Byte() != 0;
  session.result = in.Bytes(in.rest().size());
  if (!in.Done()) return MakeStatus(StatusCode::kDataLoss, "malformed session in the tree");
  return session;
}

std::string EncodeInSession(const SessionTag& tag, std::string_view command) {
  std::string bytes;
  bytes.reserve(1 + 2 * kMaxVarint64Bytes + tag.client.size() + command.size());
  bytes.push_back(static_cast<char>(kSessionCommand));
  PutLengthPrefixed(&bytes, tag.client);
  PutVarint64(&bytes, tag.sequence);
  bytes += command;
  return bytes;
}

StatusOr<std::string> ApplyInSession(
    std::string_view command, Draft* draft,
    absl::FunctionRef<StatusOr<std::string>(std::string_view)> apply) {
  Decoder in(command);
  in.Byte();
  const std::string_view client = in.LengthPrefixed();
  const uint64_t sequence = in.Varint64();
  const std::string_view within = in.rest();
  if (!in.ok() || client.empty())
    return MakeStatus(StatusCode::kDataLoss, "malformed command of a session");
  const std::string key = SessionKey(client);
  const uint64_t checksum = Checksum(within);
  ReadResult found;
  SIS_ASSIGN_OR_RETURN(bool known, draft->Get(key, &found));
  if (SIS_PLANTED(kSessionsNotInSnapshot) && !Awaited(draft->deadlines(), client)) known = false;
  uint64_t deadline_before = 0;
  if (known) {
    SIS_ASSIGN_OR_RETURN(const Session last, DecodeSession(found.value));
    const bool again = SIS_PLANTED(kRepeatDoneAgain) && sequence == last.sequence;
    if (sequence <= last.sequence && !again) return AnswerOld(last, sequence, checksum);
    deadline_before = last.deadline_ms;
  } else if (draft->deadlines().sessions() >= kMaxSessions) {
    return EncodeRefusal(Refusal::kTooManySessions);
  }
  SIS_ASSIGN_OR_RETURN(std::string result, apply(within));
  // A refusal is an answer like any other: it is what a repeat hears.
  if (RefusalIn(result) != Refusal::kNone) draft->Discard();
  Session next{.sequence = sequence,
               .deadline_ms = draft->now() + kSessionTtlMs,
               .index = draft->index(),
               .checksum = checksum,
               .kept = result.size() <= kMaxKeptAnswerBytes,
               .result = {}};
  if (next.kept) next.result = result;
  draft->Put(key, EncodeSession(next));
  draft->deadline_changes().sessions.push_back(
      {std::string(client), deadline_before, next.deadline_ms});
  return result;
}

Status EndSession(Draft* draft, std::string_view client) {
  const std::string key = SessionKey(client);
  ReadResult found;
  SIS_ASSIGN_OR_RETURN(const bool known, draft->Get(key, &found));
  if (!known) return MakeStatus(StatusCode::kDataLoss, "a session that is due is not in the tree");
  SIS_ASSIGN_OR_RETURN(const Session session, DecodeSession(found.value));
  draft->deadline_changes().sessions.push_back({std::string(client), session.deadline_ms, 0});
  return draft->Delete(key);
}

Replay ReplayIn(std::string_view result) {
  Replay replay;
  replay.result = result;
  if (result.empty() || static_cast<uint8_t>(result[0]) != kSessionCommand) return replay;
  Decoder in(result);
  in.Byte();
  replay.index = Index(in.Varint64());
  replay.result = in.rest();
  replay.replayed = in.ok();
  return replay;
}

}  // namespace sisyphus::kv
