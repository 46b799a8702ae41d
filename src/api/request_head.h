// RequestHead: the request line and the header fields of one HTTP/1 request (RFC 9112).
//
// Strict on purpose: whatever two parsers might read differently (white space before a colon,
// folded lines, two lengths, a length beside a transfer coding) is refused, because behind a proxy
// such a difference lets one client speak in another's name.
#ifndef SISYPHUS_API_REQUEST_HEAD_H_
#define SISYPHUS_API_REQUEST_HEAD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "api/http_types.h"

namespace sisyphus::api {

class RequestHead {
 public:
  struct Field {
    std::string_view name;
    std::string_view value;
  };

  // Reads `bytes`, from the first byte of the request line to the end of the empty line. They must
  // stay until the next Parse or Rebase. Requires: every line ends in CR LF, no other CR or LF is
  // in it, no line but the last is empty, none begins with a blank.
  HttpError Parse(std::string_view bytes);

  // The same bytes live at `base` from now on.
  void Rebase(const char* base) { base_ = base; }
  void Clear();

  std::string_view bytes() const { return {base_, size_}; }
  std::string_view method() const { return View(method_); }
  std::string_view target() const { return View(target_); }
  int minor_version() const { return minor_version_; }  // Of HTTP/1.

  size_t field_count() const { return fields_.size(); }
  Field field(size_t i) const { return {View(fields_[i].name), View(fields_[i].value)}; }

  // The value of the first field of that name. `count`, if given: how many there are.
  std::optional<std::string_view> Find(std::string_view name, size_t* count = nullptr) const;

  // What follows the head: chunks, or this many bytes.
  bool chunked() const { return chunked_; }
  uint64_t content_length() const { return content_length_; }
  bool has_body() const { return chunked_ || content_length_ > 0; }

  bool keep_alive() const { return keep_alive_; }
  bool expects_continue() const { return expects_continue_; }

  // RFC 9112, 3.2: exactly one Host of valid characters; HTTP/1.0 may go without.
  HttpError CheckHost() const;

 private:
  struct Slice {
    uint32_t offset = 0;
    uint32_t size = 0;
  };
  struct FieldSlices {
    Slice name;
    Slice value;
  };
  std::string_view View(Slice s) const { return {base_ + s.offset, s.size}; }
  Slice SliceOf(std::string_view part) const {
    return {static_cast<uint32_t>(part.data() - base_), static_cast<uint32_t>(part.size())};
  }

  HttpError ParseRequestLine(std::string_view line);
  HttpError ParseField(std::string_view line);
  HttpError InterpretField(Field f);
  HttpError InterpretTransferEncoding(std::string_view value);
  void InterpretConnection(std::string_view value);

  const char* base_ = nullptr;
  size_t size_ = 0;
  Slice method_;
  Slice target_;
  std::vector<FieldSlices> fields_;
  int minor_version_ = 1;
  uint64_t content_length_ = 0;
  size_t host_count_ = 0;
  bool has_content_length_ = false;
  bool chunked_ = false;
  bool keep_alive_ = true;
  bool wants_close_ = false;
  bool wants_keep_alive_ = false;
  bool expects_continue_ = false;
};

bool IsTokenChar(char c);       // RFC 9110, 5.6.2.
bool IsFieldValueChar(char c);  // Visible, blank, or above 7F.

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_REQUEST_HEAD_H_
