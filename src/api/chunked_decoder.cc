#include "api/chunked_decoder.h"

#include <algorithm>

#include "api/request_head.h"

namespace sisyphus::api {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

HttpError ChunkedDecoder::Decode(std::string_view* input, std::string* body,
                                 size_t max_body_bytes) {
  while (!input->empty() && state_ != State::kDone) {
    if (state_ == State::kData) {
      const size_t n = static_cast<size_t>(std::min<uint64_t>(left_, input->size()));
      body->append(input->data(), n);
      input->remove_prefix(n);
      left_ -= n;
      if (left_ == 0) state_ = State::kDataCr;
      continue;
    }
    const char c = input->front();
    input->remove_prefix(1);
    if (HttpError e = DecodeByte(c); !e.ok()) return e;
    if (left_ > max_body_bytes - std::min(max_body_bytes, body->size())) {
      return {413, "the body is too large"};
    }
  }
  return {};
}

HttpError ChunkedDecoder::DecodeByte(char c) {
  switch (state_) {
    case State::kSizeStart:
    case State::kSize:
      return DecodeSize(c);
    case State::kExtension:
      if (c == '\r') {
        state_ = State::kSizeLf;
        return {};
      }
      if (!IsFieldValueChar(c)) return {400, "bad character in a chunk extension"};
      return CountOverhead();
    case State::kSizeLf:
      return Expect(c, '\n', left_ > 0 ? State::kData : State::kTrailerStart);
    case State::kDataCr:
      return Expect(c, '\r', State::kDataLf);
    case State::kDataLf:
      return Expect(c, '\n', State::kSizeStart);
    default:
      return DecodeTrailer(c);
  }
}

HttpError ChunkedDecoder::DecodeSize(char c) {
  const int digit = HexValue(c);
  if (digit >= 0) {
    if (left_ > (UINT64_MAX >> 4)) return {413, "the body is too large"};
    // Zeros in front would make the line endless.
    if (left_ == 0 && state_ == State::kSize) {
      if (HttpError e = CountOverhead(); !e.ok()) return e;
    }
    left_ = left_ * 16 + static_cast<uint64_t>(digit);
    state_ = State::kSize;
    return {};
  }
  if (state_ == State::kSizeStart) return {400, "bad chunk size"};
  if (c == '\r') {
    state_ = State::kSizeLf;
  } else if (c == ';') {
    state_ = State::kExtension;
  } else {
    return {400, "bad chunk size"};
  }
  return {};
}

HttpError ChunkedDecoder::DecodeTrailer(char c) {
  if (HttpError e = CountOverhead(); !e.ok()) return e;
  switch (state_) {
    case State::kTrailerStart:
      if (c == '\r') {
        state_ = State::kFinalLf;
        return {};
      }
      if (!IsTokenChar(c)) return {400, "bad trailer field"};
      state_ = State::kTrailerName;
      return {};
    case State::kTrailerName:
      if (c == ':') {
        state_ = State::kTrailerValue;
        return {};
      }
      return IsTokenChar(c) ? HttpError{} : HttpError{400, "bad trailer field"};
    case State::kTrailerValue:
      if (c == '\r') {
        state_ = State::kTrailerLf;
        return {};
      }
      return IsFieldValueChar(c) ? HttpError{} : HttpError{400, "bad trailer field"};
    case State::kTrailerLf:
      return Expect(c, '\n', State::kTrailerStart);
    default:
      return Expect(c, '\n', State::kDone);  // kFinalLf.
  }
}

HttpError ChunkedDecoder::Expect(char c, char wanted, State next) {
  if (c != wanted) return {400, "bad line ending in a chunked body"};
  state_ = next;
  return {};
}

HttpError ChunkedDecoder::CountOverhead() {
  if (++overhead_bytes_ > kMaxOverheadBytes) {
    return {431, "too many bytes around the chunks of a body"};
  }
  return {};
}

}  // namespace sisyphus::api
