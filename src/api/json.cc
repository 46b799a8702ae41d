#include "api/json.h"

#include <cstddef>
#include <cstdint>

#include "base/text.h"

namespace sisyphus::api {

void AppendJsonString(std::string* out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  while (!text.empty()) {
    const size_t n = Utf8CharacterSize(text);
    const char c = text.front();
    if (n == 0) {
      out->append("\\ufffd");
      text.remove_prefix(1);
      continue;
    }
    if (n > 1) {
      out->append(text.substr(0, n));
    } else if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (static_cast<uint8_t>(c) < 0x20) {
      out->append("\\u00");
      out->push_back(kHex[static_cast<uint8_t>(c) >> 4]);
      out->push_back(kHex[static_cast<uint8_t>(c) & 15]);
    } else {
      out->push_back(c);
    }
    text.remove_prefix(n);
  }
  out->push_back('"');
}

void AppendJsonBytes(std::string* out, std::string_view name, std::string_view bytes) {
  out->push_back('"');
  out->append(name);
  if (IsUtf8(bytes)) {
    out->append("\":");
    AppendJsonString(out, bytes);
  } else {
    out->append("_base64\":\"");
    AppendBase64(out, bytes);
    out->push_back('"');
  }
}

}  // namespace sisyphus::api
