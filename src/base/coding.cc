#include "base/coding.h"

namespace sisyphus {

void PutFixed16(std::string* dst, uint16_t value) {
  char bytes[sizeof(value)];
  EncodeFixed16(bytes, value);
  dst->append(bytes, sizeof(bytes));
}

void PutFixed32(std::string* dst, uint32_t value) {
  char bytes[sizeof(value)];
  EncodeFixed32(bytes, value);
  dst->append(bytes, sizeof(bytes));
}

void PutFixed64(std::string* dst, uint64_t value) {
  char bytes[sizeof(value)];
  EncodeFixed64(bytes, value);
  dst->append(bytes, sizeof(bytes));
}

char* EncodeVarint64(char* dst, uint64_t value) {
  while (value >= 0x80) {
    *dst++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *dst++ = static_cast<char>(value);
  return dst;
}

void PutVarint64(std::string* dst, uint64_t value) {
  char bytes[kMaxVarint64Bytes];
  dst->append(bytes, static_cast<size_t>(EncodeVarint64(bytes, value) - bytes));
}

void PutLengthPrefixed(std::string* dst, std::string_view value) {
  PutVarint64(dst, value.size());
  dst->append(value);
}

std::string_view Decoder::Bytes(size_t n) {
  if (!ok_ || n > rest_.size()) {
    ok_ = false;
    return {};
  }
  const std::string_view bytes = rest_.substr(0, n);
  rest_.remove_prefix(n);
  return bytes;
}

uint8_t Decoder::Byte() {
  const std::string_view bytes = Bytes(1);
  return ok_ ? static_cast<uint8_t>(bytes[0]) : 0;
}

uint16_t Decoder::Fixed16() {
  const std::string_view bytes = Bytes(sizeof(uint16_t));
  return ok_ ? DecodeFixed16(bytes.data()) : 0;
}

uint32_t Decoder::Fixed32() {
  const std::string_view bytes = Bytes(sizeof(uint32_t));
  return ok_ ? DecodeFixed32(bytes.data()) : 0;
}

uint64_t Decoder::Fixed64() {
  const std::string_view bytes = Bytes(sizeof(uint64_t));
  return ok_ ? DecodeFixed64(bytes.data()) : 0;
}

uint64_t Decoder::Varint64() {
  uint64_t value = 0;
  for (size_t i = 0; i < kMaxVarint64Bytes; ++i) {
    const uint64_t byte = Byte();
    if (!ok_) return 0;
    // The tenth byte has room for the topmost bit only.
    if (i == kMaxVarint64Bytes - 1 && byte > 1) break;
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return value;
  }
  ok_ = false;
  return 0;
}

std::string_view Decoder::LengthPrefixed() {
  const uint64_t length = Varint64();
  return Bytes(length);
}

}  // namespace sisyphus
