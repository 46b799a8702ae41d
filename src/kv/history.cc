#include "kv/history.h"

#include <algorithm>
#include <vector>

#include "base/coding.h"
#include "kv/value.h"

namespace sisyphus::kv {
namespace {

constexpr char kCompactCommand = 32;
constexpr char kCompactResult = 16;
constexpr size_t kChangeRecordKeyBytes = 1 + 8 + 4;

// A record is cut behind the key that makes it this large.
constexpr size_t kPartBytes = 32 << 10;

constexpr std::string_view kCompactedMessage = "history no longer holds this revision; it begins ";

void PutBigEndian(std::string* dst, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) dst->push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

uint64_t GetBigEndian(std::string_view bytes) {
  uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<uint8_t>(c);
  return value;
}

// A kind, and one number.
std::string Encode(char kind, Index index) {
  std::string bytes(1, kind);
  PutVarint64(&bytes, index.value());
  return bytes;
}

bool Decode(std::string_view bytes, char kind, Index* index) {
  Decoder in(bytes);
  const bool right = in.Byte() == static_cast<uint8_t>(kind);
  *index = Index(in.Varint64());
  return right && in.Done();
}

}  // namespace

std::string EncodeFloor(Index floor) {
  std::string bytes;
  PutVarint64(&bytes, floor.value());
  return bytes;
}

StatusOr<Index> DecodeFloor(std::string_view bytes) {
  Decoder in(bytes);
  const Index floor(in.Varint64());
  if (!in.Done()) return MakeStatus(StatusCode::kDataLoss, "malformed history floor in the tree");
  return floor;
}

bool IsCompactCommand(std::string_view command) { return command.starts_with(kCompactCommand); }

std::string EncodeCompactCommand(Index revision) { return Encode(kCompactCommand, revision); }

StatusOr<Index> DecodeCompactCommand(std::string_view command) {
  Index revision;
  if (!Decode(command, kCompactCommand, &revision))
    return MakeStatus(StatusCode::kDataLoss, "malformed command");
  return revision;
}

std::string EncodeCompactResult(Index floor) { return Encode(kCompactResult, floor); }

StatusOr<Index> DecodeCompactResult(std::string_view result) {
  Index floor;
  if (!Decode(result, kCompactResult, &floor))
    return MakeStatus(StatusCode::kInternal, "malformed result of a command");
  return floor;
}

void AppendChangeRecord(Index revision, WriteBatch* batch) {
  std::string record;
  if (batch->count() == 1 && IsUserTreeKey(batch->at(0).key)) {  // Nearly always.
    PutLengthPrefixed(&record, UserKey(batch->at(0).key));
    batch->Put(ChangeRecordKey(revision, 0), record);
    return;
  }
  // Copies: the batch's own bytes move when it grows.
  std::vector<std::string> keys;
  for (size_t i = 0; i < batch->count(); ++i) {
    const WriteBatch::Operation operation = batch->at(i);
    if (IsUserTreeKey(operation.key)) keys.emplace_back(UserKey(operation.key));
  }
  if (keys.empty()) return;
  if (keys.size() > 1) {
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  }
  uint32_t part = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    PutLengthPrefixed(&record, keys[i]);
    if (record.size() < kPartBytes && i + 1 < keys.size()) continue;
    batch->Put(ChangeRecordKey(revision, part++), record);
    record.clear();
  }
}

std::string ChangeRecordKey(Index revision, uint32_t part) {
  std::string key;
  key.reserve(kChangeRecordKeyBytes);
  key.push_back(kChangeRecordPrefix);
  PutBigEndian(&key, revision.value(), 8);
  PutBigEndian(&key, part, 4);
  return key;
}

std::optional<ChangeRecordPlace> ParseChangeRecordKey(std::string_view tree_key) {
  if (tree_key.size() != kChangeRecordKeyBytes || tree_key[0] != kChangeRecordPrefix)
    return std::nullopt;
  return ChangeRecordPlace{Index(GetBigEndian(tree_key.substr(1, 8))),
                           static_cast<uint32_t>(GetBigEndian(tree_key.substr(9)))};
}

Status CompactedError(Index floor) {
  return MakeStatus(StatusCode::kFailedPrecondition,
                    std::string(kCompactedMessage) + "at " + ToString(floor));
}

bool IsCompacted(const Status& status) {
  return status.code() == StatusCode::kFailedPrecondition &&
         MessageOf(status).starts_with(kCompactedMessage);
}

}  // namespace sisyphus::kv
