#include "kv/command.h"

#include "base/coding.h"

namespace sisyphus::kv {

namespace {

constexpr uint8_t kIfRevision = 1;
constexpr uint8_t kIfAbsent = 2;
constexpr uint8_t kWantPrevious = 4;
constexpr uint8_t kKnownFlags = kIfRevision | kIfAbsent | kWantPrevious;

constexpr uint8_t kDone = 1;
constexpr uint8_t kConditionFailed = 2;

}  // namespace

std::string EncodeCommand(const Command& command) {
  std::string bytes;
  bytes.reserve(2 + 2 * kMaxVarint64Bytes + command.key.size() + command.value.size());
  uint8_t flags = 0;
  if (command.condition.if_revision) flags |= kIfRevision;
  if (command.condition.if_absent) flags |= kIfAbsent;
  if (command.want_previous) flags |= kWantPrevious;
  bytes.push_back(static_cast<char>(command.kind));
  bytes.push_back(static_cast<char>(flags));
  if (command.condition.if_revision) PutVarint64(&bytes, command.condition.if_revision->value());
  PutLengthPrefixed(&bytes, command.key);
  if (command.kind == Command::Kind::kPut) bytes += command.value;
  return bytes;
}

StatusOr<Command> DecodeCommand(std::string_view bytes) {
  Decoder in(bytes);
  Command command;
  const uint8_t kind = in.Byte();
  const uint8_t flags = in.Byte();
  if (kind != static_cast<uint8_t>(Command::Kind::kPut) &&
      kind != static_cast<uint8_t>(Command::Kind::kDelete)) {
    return MakeStatus(StatusCode::kDataLoss, "unknown command kind " + std::to_string(kind));
  }
  if ((flags & ~kKnownFlags) != 0) {
    return MakeStatus(StatusCode::kDataLoss, "unknown command flags " + std::to_string(flags));
  }
  command.kind = static_cast<Command::Kind>(kind);
  if ((flags & kIfRevision) != 0) command.condition.if_revision = Index(in.Varint64());
  command.condition.if_absent = (flags & kIfAbsent) != 0;
  command.want_previous = (flags & kWantPrevious) != 0;
  command.key = in.LengthPrefixed();
  if (command.kind == Command::Kind::kPut) command.value = in.Bytes(in.rest().size());
  if (!in.Done() || command.key.empty())
    return MakeStatus(StatusCode::kDataLoss, "malformed command");
  return command;
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
  }
  if (!in.Done() || (outcome != kDone && outcome != kConditionFailed)) {
    return MakeStatus(StatusCode::kInternal, "malformed result of a command");
  }
  return result;
}

}  // namespace sisyphus::kv
