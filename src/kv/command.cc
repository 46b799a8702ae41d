#include "kv/command.h"

#include "base/coding.h"

namespace sisyphus::kv {

namespace {

constexpr uint8_t kIfRevision = 1;
constexpr uint8_t kIfAbsent = 2;
constexpr uint8_t kWantPrevious = 4;
constexpr uint8_t kLease = 8;
constexpr uint8_t kTtl = 16;
constexpr uint8_t kDeleteFlags = kIfRevision | kIfAbsent | kWantPrevious;
constexpr uint8_t kPutFlags = kDeleteFlags | kLease | kTtl;

constexpr uint8_t kDone = 1;
constexpr uint8_t kConditionFailed = 2;
constexpr uint8_t kRangeDeleted = 3;
constexpr uint8_t kRefused = 5;

Status Malformed() { return MakeStatus(StatusCode::kDataLoss, "malformed command"); }

}  // namespace

std::string EncodeCommand(const Command& command) {
  std::string bytes;
  bytes.reserve(2 + 4 * kMaxVarint64Bytes + command.key.size() + command.value.size() +
                command.end.size());
  if (command.kind == Command::Kind::kDeleteRange) {
    bytes.push_back(static_cast<char>(command.kind));
    PutLengthPrefixed(&bytes, command.key);
    bytes += command.end;
    return bytes;
  }
  uint8_t flags = 0;
  if (command.condition.if_revision) flags |= kIfRevision;
  if (command.condition.if_absent) flags |= kIfAbsent;
  if (command.want_previous) flags |= kWantPrevious;
  if (command.lease.id != 0) flags |= kLease;
  if (command.lease.ttl_ms != 0) flags |= kTtl;
  bytes.push_back(static_cast<char>(command.kind));
  bytes.push_back(static_cast<char>(flags));
  if (command.condition.if_revision) PutVarint64(&bytes, command.condition.if_revision->value());
  if (command.lease.id != 0) PutVarint64(&bytes, command.lease.id);
  if (command.lease.ttl_ms != 0) PutVarint64(&bytes, command.lease.ttl_ms);
  PutLengthPrefixed(&bytes, command.key);
  if (command.kind == Command::Kind::kPut) bytes += command.value;
  return bytes;
}

StatusOr<Command> DecodeCommand(std::string_view bytes) {
  Decoder in(bytes);
  Command command;
  const uint8_t kind = in.Byte();
  if (kind == static_cast<uint8_t>(Command::Kind::kDeleteRange)) {
    command.kind = Command::Kind::kDeleteRange;
    command.key = in.LengthPrefixed();
    command.end = in.Bytes(in.rest().size());
    if (!in.Done()) return Malformed();
    return command;
  }
  const uint8_t flags = in.Byte();
  if (kind != static_cast<uint8_t>(Command::Kind::kPut) &&
      kind != static_cast<uint8_t>(Command::Kind::kDelete)) {
    return MakeStatus(StatusCode::kDataLoss, "unknown command kind " + std::to_string(kind));
  }
  const bool put = kind == static_cast<uint8_t>(Command::Kind::kPut);
  if ((flags & ~(put ? kPutFlags : kDeleteFlags)) != 0) {
    return MakeStatus(StatusCode::kDataLoss, "unknown command flags " + std::to_string(flags));
  }
  command.kind = static_cast<Command::Kind>(kind);
  if ((flags & kIfRevision) != 0) command.condition.if_revision = Index(in.Varint64());
  command.condition.if_absent = (flags & kIfAbsent) != 0;
  command.want_previous = (flags & kWantPrevious) != 0;
  if ((flags & kLease) != 0) command.lease.id = in.Varint64();
  if ((flags & kTtl) != 0) command.lease.ttl_ms = in.Varint64();
  command.key = in.LengthPrefixed();
  if (command.kind == Command::Kind::kPut) command.value = in.Bytes(in.rest().size());
  if (!in.Done() || command.key.empty()) return Malformed();
  return command;
}

std::string EncodeRangeResult(uint64_t deleted) {
  std::string bytes;
  bytes.push_back(kRangeDeleted);
  PutVarint64(&bytes, deleted);
  return bytes;
}

std::string EncodeResult(const CommandResult& result) {
  std::string bytes;
  if (!result.done) {
    bytes.push_back(kConditionFailed);
    PutVarint64(&bytes, result.current_revision.value());
    return bytes;
  }
  bytes.push_back(kDone);
  PutVarint64(&bytes, result.create_revision.value());
  PutVarint64(&bytes, result.version);
  bytes.push_back(result.existed ? 1 : 0);
  bytes.push_back(result.previous ? 1 : 0);
  if (result.previous) {
    PutVarint64(&bytes, result.previous->create_revision.value());
    PutVarint64(&bytes, result.previous->mod_revision.value());
    PutVarint64(&bytes, result.previous->version);
    bytes += result.previous->value;
  }
  return bytes;
}

StatusOr<CommandResult> DecodeResult(std::string_view bytes) {
  if (const Refusal refusal = RefusalIn(bytes); refusal != Refusal::kNone)
    return RefusalStatus(refusal);
  Decoder in(bytes);
  CommandResult result;
  const uint8_t outcome = in.Byte();
  if (outcome == kConditionFailed) {
    result.current_revision = Index(in.Varint64());
  } else if (outcome == kDone) {
    result.done = true;
    result.create_revision = Index(in.Varint64());
    result.version = in.Varint64();
    result.existed = in.Byte() != 0;
    if (in.Byte() != 0) {
      VersionedValue previous;
      previous.create_revision = Index(in.Varint64());
      previous.mod_revision = Index(in.Varint64());
      previous.version = in.Varint64();
      previous.value = in.Bytes(in.rest().size());
      result.previous = std::move(previous);
    }
  } else if (outcome == kRangeDeleted) {
    result.done = true;
    result.deleted = in.Varint64();
  }
  if (!in.Done() || outcome == 0 || outcome > kRangeDeleted) {
    return MakeStatus(StatusCode::kInternal, "malformed result of a command");
  }
  return result;
}

std::string EncodeRefusal(Refusal refusal) {
  return {static_cast<char>(kRefused), static_cast<char>(refusal)};
}

Refusal RefusalIn(std::string_view result) {
  if (result.size() != 2 || static_cast<uint8_t>(result[0]) != kRefused) return Refusal::kNone;
  return static_cast<Refusal>(result[1]);
}

Status RefusalStatus(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone:
      return OkStatus();
    case Refusal::kTooManyKeys:
      return MakeStatus(StatusCode::kInvalidArgument,
                        "too many keys for one change: nothing was changed, take smaller ranges");
    case Refusal::kAnswerTooLarge:
      return MakeStatus(
          StatusCode::kInvalidArgument,
          "the answers of the transaction's reads exceed 16 MiB: nothing was changed");
    case Refusal::kNoLease:
      return MakeStatus(StatusCode::kNotFound,
                        "there is no such lease: it has ended, or never was");
    case Refusal::kTooManyLeases:
      return MakeStatus(StatusCode::kResourceExhausted, "there are too many leases");
    case Refusal::kTooManySessions:
      return MakeStatus(
          StatusCode::kResourceExhausted,
          "too many clients with an Idempotency-Key: use one client id for many writes");
    case Refusal::kOldSequence:
      return MakeStatus(
          StatusCode::kFailedPrecondition,
          "this client has sent a later sequence: what became of this one is not kept");
    case Refusal::kOtherCommand:
      return MakeStatus(StatusCode::kInvalidArgument,
                        "this sequence was that of another write of this client");
    case Refusal::kAnswerNotKept:
      return MakeStatus(StatusCode::kFailedPrecondition,
                        "this write was done before; its answer was too large to keep");
  }
  return MakeStatus(StatusCode::kInternal, "refused for a reason that is not known here");
}

}  // namespace sisyphus::kv
