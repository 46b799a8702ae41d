// RequestReader: cuts a stream of bytes into HTTP/1 requests, however it arrives in pieces.
//
// Keeps nothing but a few words between requests; a request that arrives whole is read where it
// lies. Not thread-safe.
#ifndef SISYPHUS_API_REQUEST_READER_H_
#define SISYPHUS_API_REQUEST_READER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/chunked_decoder.h"
#include "api/http_types.h"
#include "api/request_head.h"

namespace sisyphus::api {

struct ReaderLimits {
  size_t max_request_line_bytes = 0;
  size_t max_field_bytes = 0;  // Of all header fields together.
};

class RequestReader {
 public:
  enum class Event : uint8_t {
    kNeedMore,  // Everything was taken.
    kHead,      // head() is there. The caller sets the body's limit, or stops reading.
    kComplete,  // body() is there, too. The caller goes on with Next().
    kError,     // error() says why; nothing behind it can be read.
  };

  explicit RequestReader(const ReaderLimits& limits) : limits_(limits) {}

  // Takes bytes from the front of `input`. After kHead, head() may view the bytes that were given:
  // they must stay until the next kNeedMore (from when on the reader has its own copy) or Next().
  Event Read(std::string_view* input);

  // A body of more bytes is error 413. Valid after kHead, until the next.
  void set_body_limit(size_t bytes) { body_limit_ = bytes; }

  // Forgets the request.
  void Next();

  const RequestHead& head() const { return head_; }
  std::string& body() { return body_; }
  const HttpError& error() const { return error_; }

  // A byte of a request has come, its end not.
  bool begun() const { return begun_; }
  bool in_body() const { return phase_ == Phase::kBody; }

 private:
  enum class Phase : uint8_t { kHead, kBody, kComplete };

  Event ReadHead(std::string_view* input);
  Event ReadBody(std::string_view* input);
  bool SkipEmptyLines(std::string_view* input);

  // The length of the head that `bytes` begin with; 0 if its end is not there yet or error_ is set.
  // Called with ever longer `bytes` looks at each of them once.
  size_t ScanHead(std::string_view bytes);

  Event Fail(HttpError error);

  const ReaderLimits limits_;
  Phase phase_ = Phase::kHead;
  bool begun_ = false;
  bool after_cr_ = false;    // The CR of an empty line before the request.
  size_t line_start_ = 0;    // Of the line that is being looked for the end of.
  size_t scanned_ = 0;       // Up to here it has none.
  size_t fields_start_ = 0;  // 0: the request line is not complete.
  std::string buffer_;       // The head, when it did not arrive whole or its body is still to come.
  RequestHead head_;
  std::string body_;
  uint64_t body_left_ = 0;
  size_t body_limit_ = 0;
  ChunkedDecoder chunks_;
  HttpError error_;
};

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_REQUEST_READER_H_
