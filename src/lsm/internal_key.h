// Internal keys: a user key and the version of it that an entry holds.
//
// Encoded (in tables): user key | trailer (8 bytes, little-endian: sequence << 8 | kind).
// Order: user key ascending by bytes, then trailer descending, so that the newest version of a key
// comes first and a seek to (key, sequence) lands on the newest version at or below `sequence`.
#ifndef SISYPHUS_LSM_INTERNAL_KEY_H_
#define SISYPHUS_LSM_INTERNAL_KEY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/coding.h"
#include "sisyphus/write_batch.h"

namespace sisyphus::lsm {

using Kind = WriteBatch::Kind;

inline constexpr size_t kTrailerBytes = 8;

constexpr uint64_t PackTrailer(uint64_t sequence, Kind kind) {
  return sequence << 8 | static_cast<uint64_t>(kind);
}

// A decoded internal key; does not own its bytes.
struct KeyView {
  std::string_view user_key;
  uint64_t trailer = 0;

  uint64_t sequence() const { return trailer >> 8; }
  Kind kind() const { return static_cast<Kind>(trailer & 0xff); }
  size_t encoded_size() const { return user_key.size() + kTrailerBytes; }
};

inline int Compare(const KeyView& a, const KeyView& b) {
  if (const int order = a.user_key.compare(b.user_key); order != 0) return order;
  if (a.trailer == b.trailer) return 0;
  return a.trailer > b.trailer ? -1 : 1;
}

// Sorts before every version of `user_key` at or below `sequence`, after all newer ones.
constexpr KeyView SeekKey(std::string_view user_key, uint64_t sequence) {
  return {user_key, sequence << 8 | 0xff};
}

// Sorts after every version of `user_key` with a sequence number above 0.
constexpr KeyView AfterAllVersions(std::string_view user_key) { return {user_key, 0}; }

inline void AppendEncoded(std::string* dst, const KeyView& key) {
  dst->append(key.user_key);
  PutFixed64(dst, key.trailer);
}

// Requires: encoded.size() >= kTrailerBytes. The answer views `encoded`.
inline KeyView DecodeKey(std::string_view encoded) {
  const size_t user_size = encoded.size() - kTrailerBytes;
  return {encoded.substr(0, user_size), DecodeFixed64(encoded.data() + user_size)};
}

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_LSM_INTERNAL_KEY_H_
