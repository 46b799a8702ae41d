// Bytes as text: UTF-8 and base64.
#ifndef SISYPHUS_BASE_TEXT_H_
#define SISYPHUS_BASE_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace sisyphus {

// The bytes of the character that `text` begins with; 0 if they are no well-formed UTF-8 (Unicode
// 15, table 3-7: no overlong forms, no surrogates, nothing beyond U+10FFFF). Requires: not empty.
size_t Utf8CharacterSize(std::string_view text);

bool IsUtf8(std::string_view bytes);

// RFC 4648, with padding.
void AppendBase64(std::string* out, std::string_view bytes);

// Appends the bytes that `text` stands for. False: it is no base64 with padding.
bool DecodeBase64(std::string_view text, std::string* out);

}  // namespace sisyphus

#endif  // SISYPHUS_BASE_TEXT_H_
