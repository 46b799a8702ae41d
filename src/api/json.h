// A few appenders for the JSON answers that are made by hand.
#ifndef SISYPHUS_API_JSON_H_
#define SISYPHUS_API_JSON_H_

#include <string>
#include <string_view>

namespace sisyphus::api {

// A quoted string. Bytes that are not UTF-8 become U+FFFD, one each.
void AppendJsonString(std::string* out, std::string_view text);

// `"name":"text"`, or `"name_base64":"..."` when the bytes are not UTF-8.
void AppendJsonBytes(std::string* out, std::string_view name, std::string_view bytes);

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_JSON_H_
