#include "kv/execute.h"

#include <optional>
#include <utility>

#include "base/planted.h"
#include "kv/command.h"
#include "kv/keys.h"
#include "kv/lease.h"
#include "kv/log_time.h"
#include "kv/session.h"
#include "kv/txn.h"

namespace sisyphus::kv {

namespace {

uint8_t KindOf(std::string_view bytes) {
  return bytes.empty() ? 0 : static_cast<uint8_t>(bytes.front());
}

StatusOr<std::string> ApplyDeleteRange(const Command& command, Draft* draft) {
  SIS_ASSIGN_OR_RETURN(const uint64_t deleted,
                       DeleteKeys(draft, command.key, command.end, kMaxKeysTouched));
  return deleted > kMaxKeysTouched ? EncodeRefusal(Refusal::kTooManyKeys)
                                   : EncodeRangeResult(deleted);
}

StatusOr<std::string> ApplyCommand(std::string_view bytes, Draft* draft) {
  SIS_ASSIGN_OR_RETURN(const Command command, DecodeCommand(bytes));
  if (command.kind == Command::Kind::kDeleteRange) return ApplyDeleteRange(command, draft);
  SIS_ASSIGN_OR_RETURN(std::optional<VersionedValue> now, FindKey(draft, command.key));
  CommandResult result;
  const Index current = now ? now->mod_revision : Index(0);
  const bool refused =
      (command.condition.if_absent && now) ||
      (command.condition.if_revision && (!now || *command.condition.if_revision != current));
  if (refused) {
    result.current_revision = current;
    return EncodeResult(result);
  }
  if (command.lease.any() || (now && now->lease != 0)) draft->ReadBack();
  result.done = true;
  result.existed = now.has_value();
  if (command.kind == Command::Kind::kPut) {
    result.create_revision = now ? now->create_revision : draft->index();
    result.version = now ? now->version + 1 : 1;
    SIS_ASSIGN_OR_RETURN(const Refusal refusal,
                         PutKey(draft, command.key, command.value, command.lease, now));
    if (refusal != Refusal::kNone) return EncodeRefusal(refusal);
  } else if (now) {
    SIS_RETURN_IF_ERROR(DeleteKey(draft, command.key, *now));
  }
  if (command.want_previous) result.previous = std::move(now);
  return EncodeResult(result);
}

StatusOr<std::string> PassTime(std::string_view bytes, Term term, Draft* draft) {
  SIS_ASSIGN_OR_RETURN(const TimePassed passed, DecodeTimePassed(bytes));
  // What a leader saw in another term is not log time: that has gone on from somewhere else.
  if (passed.term != term && !SIS_PLANTED(kTimeOfAnotherTerm)) return std::string();
  draft->MoveTime(passed.time_ms);
  SIS_RETURN_IF_ERROR(EndWhatIsDue(draft));
  return std::string();
}

StatusOr<std::string> Apply(std::string_view bytes, Term term, Draft* draft) {
  switch (KindOf(bytes)) {
    case kTxnCommand:
      return ApplyTxn(bytes, draft);
    case kTimePassedCommand:
      return PassTime(bytes, term, draft);
    case kLeaseGrantCommand:
    case kLeaseKeepAliveCommand:
    case kLeaseRevokeCommand:
      return ApplyLeaseCommand(bytes, draft);
    case kSessionCommand:
      return ApplyInSession(bytes, draft, [&](std::string_view within) -> StatusOr<std::string> {
        if (KindOf(within) == kSessionCommand)
          return MakeStatus(StatusCode::kDataLoss, "a session within a session");
        return Apply(within, term, draft);
      });
    default:
      return ApplyCommand(bytes, draft);
  }
}

}  // namespace

StatusOr<std::string> Execute(std::string_view command, Term term, Draft* draft) {
  if (KindOf(command) == kTimedCommand) {
    SIS_ASSIGN_OR_RETURN(const TimedCommand timed, DecodeTimed(command));
    draft->MoveTime(timed.time_ms);
    command = timed.command;
  }
  SIS_ASSIGN_OR_RETURN(std::string result, Apply(command, term, draft));
  const bool refused = RefusalIn(result) != Refusal::kNone && KindOf(command) != kSessionCommand;
  if (refused && !SIS_PLANTED(kTxnHalf)) draft->Discard();
  draft->Finish();
  return result;
}

}  // namespace sisyphus::kv
