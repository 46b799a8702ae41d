#include "api/request_head.h"

#include <algorithm>
#include <array>
#include <limits>

namespace sisyphus::api {
namespace {

constexpr std::array<bool, 256> MakeTable(std::string_view extra) {
  std::array<bool, 256> table{};
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<uint8_t>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<uint8_t>(c)] = true;
  for (char c = '0'; c <= '9'; ++c) table[static_cast<uint8_t>(c)] = true;
  for (char c : extra) table[static_cast<uint8_t>(c)] = true;
  return table;
}

constexpr auto kToken = MakeTable("!#$%&'*+-.^_`|~");
// RFC 3986: unreserved, sub-delims, the colon of a port, the brackets of an IPv6 address.
constexpr auto kHost = MakeTable("-._~%!$&'()*+,;=:[]");

constexpr size_t kFieldsKept = 64;

// Calls `visit` with each element of a comma-separated list, trimmed, empty ones left out.
template <typename Visitor>
void ForEachElement(std::string_view list, Visitor visit) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    const std::string_view element = TrimBlanks(list.substr(0, comma));
    if (!element.empty()) visit(element);
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

HttpError BadRequest(std::string_view message) { return {400, message}; }

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool IsTokenChar(char c) { return kToken[static_cast<uint8_t>(c)]; }

bool IsFieldValueChar(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
}

void RequestHead::Clear() {
  if (fields_.capacity() > kFieldsKept) {
    *this = RequestHead();
    return;
  }
  std::vector<FieldSlices> fields = std::move(fields_);
  fields.clear();
  *this = RequestHead();
  fields_ = std::move(fields);
}

HttpError RequestHead::Parse(std::string_view bytes) {
  Clear();
  base_ = bytes.data();
  size_ = bytes.size();
  size_t line_end = bytes.find('\r');
  if (HttpError e = ParseRequestLine(bytes.substr(0, line_end)); !e.ok()) return e;
  bytes.remove_prefix(line_end + 2);
  while ((line_end = bytes.find('\r')) != 0) {
    if (HttpError e = ParseField(bytes.substr(0, line_end)); !e.ok()) return e;
    bytes.remove_prefix(line_end + 2);
  }
  if (chunked_ && has_content_length_) {
    return BadRequest("both Content-Length and Transfer-Encoding");
  }
  if (chunked_ && minor_version_ == 0) return BadRequest("Transfer-Encoding in HTTP/1.0");
  keep_alive_ = !wants_close_ && (minor_version_ > 0 || wants_keep_alive_);
  if (minor_version_ == 0) expects_continue_ = false;  // RFC 9110, 10.1.1.
  return {};
}

HttpError RequestHead::ParseRequestLine(std::string_view line) {
  const size_t method_end = line.find(' ');
  if (method_end == std::string_view::npos || method_end == 0) {
    return BadRequest("bad request line");
  }
  const std::string_view method = line.substr(0, method_end);
  if (!std::all_of(method.begin(), method.end(), IsTokenChar)) return BadRequest("bad method");
  std::string_view rest = line.substr(method_end + 1);
  const size_t target_end = rest.find(' ');
  if (target_end == std::string_view::npos || target_end == 0) {
    return BadRequest("bad request line");
  }
  const std::string_view target = rest.substr(0, target_end);
  for (const char c : target) {
    if (c <= 0x20 || c == 0x7F) {  // Also true of bytes above 7F, where char is signed.
      return BadRequest("a byte in the request target that must be percent-encoded");
    }
  }
  const std::string_view version = rest.substr(target_end + 1);
  if (version.size() != 8 || !version.starts_with("HTTP/") || !IsDigit(version[5]) ||
      version[6] != '.' || !IsDigit(version[7])) {
    return BadRequest("bad HTTP version");
  }
  if (version[5] != '1' || version[7] > '1') return {505, "only HTTP/1.0 and HTTP/1.1 are served"};
  minor_version_ = version[7] - '0';
  method_ = SliceOf(method);
  target_ = SliceOf(target);
  return {};
}

HttpError RequestHead::ParseField(std::string_view line) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return BadRequest("bad header field");
  const std::string_view name = line.substr(0, colon);
  if (!std::all_of(name.begin(), name.end(), IsTokenChar)) {
    return BadRequest("bad character in a header field's name");
  }
  const std::string_view value = TrimBlanks(line.substr(colon + 1));
  if (!std::all_of(value.begin(), value.end(), IsFieldValueChar)) {
    return BadRequest("bad character in a header field's value");
  }
  fields_.push_back({SliceOf(name), SliceOf(value)});
  return InterpretField({name, value});
}

HttpError RequestHead::InterpretField(Field f) {
  switch (f.name.size()) {
    case 4:
      if (EqualsIgnoreCase(f.name, "Host")) ++host_count_;
      break;
    case 6:
      if (EqualsIgnoreCase(f.name, "Expect")) {
        if (!EqualsIgnoreCase(f.value, "100-continue") && minor_version_ > 0) {
          return {417, "the only expectation served is 100-continue"};
        }
        expects_continue_ = true;
      }
      break;
    case 10:
      if (EqualsIgnoreCase(f.name, "Connection")) InterpretConnection(f.value);
      break;
    case 14:
      if (EqualsIgnoreCase(f.name, "Content-Length")) {
        if (has_content_length_) return BadRequest("more than one Content-Length");
        has_content_length_ = true;
        if (f.value.empty() || !std::all_of(f.value.begin(), f.value.end(), IsDigit)) {
          return BadRequest("bad Content-Length");
        }
        if (!ParseNumber(f.value, &content_length_)) {
          content_length_ = std::numeric_limits<uint64_t>::max();  // Beyond every limit.
        }
      }
      break;
    case 17:
      if (EqualsIgnoreCase(f.name, "Transfer-Encoding")) {
        return InterpretTransferEncoding(f.value);
      }
      break;
    default:
      break;
  }
  return {};
}

HttpError RequestHead::InterpretTransferEncoding(std::string_view value) {
  if (chunked_) return BadRequest("a transfer coding after chunked");
  HttpError error = BadRequest("bad Transfer-Encoding");
  ForEachElement(value, [&](std::string_view coding) {
    if (chunked_) {
      error = BadRequest("a transfer coding after chunked");
    } else if (EqualsIgnoreCase(coding, "chunked")) {
      if (error.status == 400) error = {};
      chunked_ = true;
    } else {
      error = {501, "the only transfer coding served is chunked"};
    }
  });
  return error;
}

void RequestHead::InterpretConnection(std::string_view value) {
  ForEachElement(value, [&](std::string_view option) {
    if (EqualsIgnoreCase(option, "close")) wants_close_ = true;
    if (EqualsIgnoreCase(option, "keep-alive")) wants_keep_alive_ = true;
  });
}

std::optional<std::string_view> RequestHead::Find(std::string_view name, size_t* count) const {
  std::optional<std::string_view> found;
  size_t n = 0;
  for (const FieldSlices& f : fields_) {
    if (f.name.size == name.size() && EqualsIgnoreCase(View(f.name), name)) {
      if (++n == 1) found = View(f.value);
    }
  }
  if (count != nullptr) *count = n;
  return found;
}

HttpError RequestHead::CheckHost() const {
  if (host_count_ > 1) return BadRequest("more than one Host");
  if (host_count_ == 0) {
    if (minor_version_ == 0) return {};
    return BadRequest("Host is missing");
  }
  const std::string_view host = Find("Host").value_or("");
  for (const char c : host) {
    if (!kHost[static_cast<uint8_t>(c)]) return BadRequest("bad Host");
  }
  return {};
}

}  // namespace sisyphus::api
