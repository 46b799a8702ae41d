// ChunkedDecoder: takes the chunked transfer coding (RFC 9112, 7.1) off a body, piece by piece.
//
// Extensions and trailer fields are read, checked for form, counted, and dropped.
#ifndef SISYPHUS_API_CHUNKED_DECODER_H_
#define SISYPHUS_API_CHUNKED_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/http_types.h"

namespace sisyphus::api {

class ChunkedDecoder {
 public:
  // Of all extensions and trailer fields of one body.
  static constexpr size_t kMaxOverheadBytes = 16 << 10;

  void Reset() { *this = ChunkedDecoder(); }

  // Takes bytes from the front of `input`, appends content to `body`, which may hold at most
  // `max_body_bytes` (413 beyond). Stops behind the last byte of the coding: then done() is true.
  HttpError Decode(std::string_view* input, std::string* body, size_t max_body_bytes);

  bool done() const { return state_ == State::kDone; }

 private:
  enum class State : uint8_t {
    kSizeStart,
    kSize,
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kTrailerStart,
    kTrailerName,
    kTrailerValue,
    kTrailerLf,
    kFinalLf,
    kDone,
  };

  HttpError DecodeByte(char c);
  HttpError DecodeSize(char c);
  HttpError DecodeTrailer(char c);
  HttpError Expect(char c, char wanted, State next);
  HttpError CountOverhead();

  State state_ = State::kSizeStart;
  uint64_t left_ = 0;  // Of the chunk that is being read.
  size_t overhead_bytes_ = 0;
};

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_CHUNKED_DECODER_H_
