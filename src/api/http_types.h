// The small vocabulary of HTTP that the listener and the routes share: methods, answers, refusals.
#ifndef SISYPHUS_API_HTTP_TYPES_H_
#define SISYPHUS_API_HTTP_TYPES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sisyphus::api {

enum class Method : uint8_t { kGet, kHead, kPut, kPost, kDelete, kOther };
inline constexpr size_t kMethodCount = 6;

Method MethodFromToken(std::string_view token);  // Methods are case-sensitive (RFC 9110, 9.1).
std::string_view MethodName(Method method);      // "GET"; kOther: "OTHER".

// "Not Found" of 404. Requires: a status that this server sends.
std::string_view ReasonPhrase(int status);

// Why a request cannot be read. status 0: it can.
struct HttpError {
  int status = 0;
  std::string_view message;  // Lives forever.
  bool ok() const { return status == 0; }
};

// What a handler gives back. The views are read inside the call that they are given to.
struct Answer {
  int status = 200;
  std::string_view content_type = {};  // Empty: the header is left out.
  std::string_view headers = {};       // Whole lines, each ended by CR LF.
  std::string_view body = {};
  std::string owned_body = {};  // Sent in place of `body` when not empty: a large value moves.
  bool close = false;           // The connection ends after this answer.
  uint64_t revision = 0;        // What the answer tells of; 0: of nothing in particular.
};

bool EqualsIgnoreCase(std::string_view a, std::string_view b);

// Without blanks (SP, HTAB) at both ends.
std::string_view TrimBlanks(std::string_view text);

// Appends `value` in decimal.
void AppendNumber(std::string* out, uint64_t value);

// The number that `text` is, digits only and without overflow.
bool ParseNumber(std::string_view text, uint64_t* value);

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_HTTP_TYPES_H_
