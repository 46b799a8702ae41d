// Bytes on disk: little-endian fixed-width integers, LEB128 varints, length-prefixed strings.
#ifndef SISYPHUS_BASE_CODING_H_
#define SISYPHUS_BASE_CODING_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace sisyphus {

static_assert(std::endian::native == std::endian::little,
              "the formats are written for little-endian machines");

inline constexpr size_t kMaxVarint64Bytes = 10;

inline void EncodeFixed16(char* dst, uint16_t value) { std::memcpy(dst, &value, sizeof(value)); }
inline void EncodeFixed32(char* dst, uint32_t value) { std::memcpy(dst, &value, sizeof(value)); }
inline void EncodeFixed64(char* dst, uint64_t value) { std::memcpy(dst, &value, sizeof(value)); }

inline uint16_t DecodeFixed16(const char* src) {
  uint16_t value;
  std::memcpy(&value, src, sizeof(value));
  return value;
}
inline uint32_t DecodeFixed32(const char* src) {
  uint32_t value;
  std::memcpy(&value, src, sizeof(value));
  return value;
}
inline uint64_t DecodeFixed64(const char* src) {
  uint64_t value;
  std::memcpy(&value, src, sizeof(value));
  return value;
}

void PutFixed16(std::string* dst, uint16_t value);
void PutFixed32(std::string* dst, uint32_t value);
void PutFixed64(std::string* dst, uint64_t value);
void PutVarint64(std::string* dst, uint64_t value);
void PutLengthPrefixed(std::string* dst, std::string_view value);

// Writes at most kMaxVarint64Bytes at `dst`; returns the end of what was written.
char* EncodeVarint64(char* dst, uint64_t value);

// Reads from the front of bytes that may be damaged. After the first read past the end (or
// malformed varint) every further read yields zero or empty, and ok() is false: check it once, at
// the end.
class Decoder {
 public:
  explicit Decoder(std::string_view input) : rest_(input) {}

  uint8_t Byte();
  uint16_t Fixed16();
  uint32_t Fixed32();
  uint64_t Fixed64();
  uint64_t Varint64();
  std::string_view Bytes(size_t n);  // A view into the input.
  std::string_view LengthPrefixed();

  bool ok() const { return ok_; }
  bool Done() const { return ok_ && rest_.empty(); }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace sisyphus

#endif  // SISYPHUS_BASE_CODING_H_
