#include "api/cursor.h"

#include "base/checksum.h"
#include "base/coding.h"

namespace sisyphus::api {
namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kReverse = 1;
constexpr size_t kChecksumBytes = 4;

uint32_t CheckOf(std::string_view bytes) { return static_cast<uint32_t>(Checksum(bytes)); }

bool FromHex(std::string_view text, std::string* bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  if (text.size() % 2 != 0) return false;
  for (size_t i = 0; i < text.size(); i += 2) {
    const size_t high = kDigits.find(text[i]);
    const size_t low = kDigits.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return false;
    bytes->push_back(static_cast<char>(high << 4 | low));
  }
  return true;
}

}  // namespace

std::string EncodeCursor(const Cursor& cursor) {
  std::string bytes;
  bytes.push_back(kVersion);
  bytes.push_back(cursor.reverse ? kReverse : 0);
  PutVarint64(&bytes, cursor.revision.value());
  PutLengthPrefixed(&bytes, cursor.rest.start);
  PutLengthPrefixed(&bytes, cursor.rest.end);
  PutFixed32(&bytes, CheckOf(bytes));
  std::string text;
  for (const char c : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    text.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
    text.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
  }
  return text;
}

StatusOr<Cursor> DecodeCursor(std::string_view text) {
  const Status bad = MakeStatus(StatusCode::kInvalidArgument, "not a cursor of this server");
  std::string bytes;
  if (!FromHex(text, &bytes) || bytes.size() < kChecksumBytes) return bad;
  const std::string_view content(bytes.data(), bytes.size() - kChecksumBytes);
  if (DecodeFixed32(bytes.data() + content.size()) != CheckOf(content)) return bad;
  Decoder in(content);
  const uint8_t version = in.Byte();
  const uint8_t flags = in.Byte();
  Cursor cursor;
  cursor.revision = Index(in.Varint64());
  cursor.reverse = (flags & kReverse) != 0;
  cursor.rest.start = in.LengthPrefixed();
  cursor.rest.end = in.LengthPrefixed();
  if (!in.Done() || version != kVersion || flags > kReverse) return bad;
  return cursor;
}

}  // namespace sisyphus::api
