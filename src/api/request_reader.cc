#include "api/request_reader.h"

#include <algorithm>
#include <cstring>

namespace sisyphus::api {
namespace {

// What a connection may keep between requests, of each buffer.
constexpr size_t kBytesKept = 1 << 10;

void Empty(std::string* s) {
  if (s->capacity() > kBytesKept) {
    std::string().swap(*s);
  } else {
    s->clear();
  }
}

}  // namespace

RequestReader::Event RequestReader::Read(std::string_view* input) {
  if (!error_.ok()) return Event::kError;
  switch (phase_) {
    case Phase::kHead:
      return ReadHead(input);
    case Phase::kBody:
      return ReadBody(input);
    case Phase::kComplete:
      break;
  }
  return Event::kComplete;
}

void RequestReader::Next() {
  phase_ = Phase::kHead;
  begun_ = false;
  line_start_ = scanned_ = fields_start_ = 0;
  Empty(&buffer_);
  head_.Clear();
  Empty(&body_);
  body_left_ = 0;
  chunks_.Reset();
}

RequestReader::Event RequestReader::Fail(HttpError error) {
  error_ = error;
  return Event::kError;
}

// RFC 9112, 2.2: some clients end a request with a line break too many.
bool RequestReader::SkipEmptyLines(std::string_view* input) {
  while (!input->empty()) {
    const char c = input->front();
    if (after_cr_ != (c == '\n')) return false;
    if (!after_cr_ && c != '\r') break;
    after_cr_ = !after_cr_;
    input->remove_prefix(1);
  }
  return true;
}

RequestReader::Event RequestReader::ReadHead(std::string_view* input) {
  if (!begun_) {
    if (!SkipEmptyLines(input)) return Fail({400, "bad line ending"});
    if (input->empty()) return Event::kNeedMore;
    begun_ = true;
  }
  size_t size = 0;
  if (buffer_.empty()) {
    size = ScanHead(*input);
    if (!error_.ok()) return Event::kError;
    if (size == 0) {
      buffer_.assign(*input);
      input->remove_prefix(input->size());
      return Event::kNeedMore;
    }
    error_ = head_.Parse(input->substr(0, size));
    input->remove_prefix(size);
  } else {
    const size_t had = buffer_.size();
    buffer_.append(*input);
    size = ScanHead(buffer_);
    if (!error_.ok()) return Event::kError;
    if (size == 0) {
      input->remove_prefix(input->size());
      return Event::kNeedMore;
    }
    buffer_.resize(size);
    input->remove_prefix(size - had);
    error_ = head_.Parse(buffer_);
  }
  if (!error_.ok()) return Event::kError;
  phase_ = head_.has_body() ? Phase::kBody : Phase::kComplete;
  body_left_ = head_.content_length();
  return Event::kHead;
}

size_t RequestReader::ScanHead(std::string_view bytes) {
  while (true) {
    if (line_start_ > 0 && line_start_ < bytes.size() &&
        (bytes[line_start_] == ' ' || bytes[line_start_] == '\t')) {
      error_ = {400, "a header line that begins with a blank"};
      return 0;
    }
    const char* from = bytes.data() + scanned_;
    const auto* lf = static_cast<const char*>(std::memchr(from, '\n', bytes.size() - scanned_));
    const size_t end = lf == nullptr ? bytes.size() : static_cast<size_t>(lf - bytes.data());
    const auto* cr = static_cast<const char*>(std::memchr(from, '\r', end - scanned_));
    if (lf == nullptr) {
      if (cr != nullptr && cr != bytes.data() + end - 1) error_ = {400, "a CR without LF"};
      scanned_ = cr != nullptr ? end - 1 : end;
    } else if (cr != lf - 1 || cr == nullptr) {
      error_ = {400, "bad line ending"};
    }
    if (!error_.ok()) return 0;
    if (fields_start_ == 0) {
      if (end > limits_.max_request_line_bytes) {
        error_ = {414, "the request line is too long"};
      } else if (lf != nullptr) {
        fields_start_ = end + 1;
      }
    } else if (end - fields_start_ > limits_.max_field_bytes) {
      error_ = {431, "the header fields are too large"};
    }
    if (!error_.ok() || lf == nullptr) return 0;
    const bool empty_line = end == line_start_ + 1;
    line_start_ = scanned_ = end + 1;
    if (empty_line) return end + 1;
  }
}

RequestReader::Event RequestReader::ReadBody(std::string_view* input) {
  if (head_.chunked()) {
    if (HttpError e = chunks_.Decode(input, &body_, body_limit_); !e.ok()) return Fail(e);
    if (chunks_.done()) phase_ = Phase::kComplete;
  } else {
    if (head_.content_length() > body_limit_) return Fail({413, "the body is too large"});
    const size_t n = static_cast<size_t>(std::min<uint64_t>(body_left_, input->size()));
    body_.append(input->data(), n);
    input->remove_prefix(n);
    body_left_ -= n;
    if (body_left_ == 0) phase_ = Phase::kComplete;
  }
  if (phase_ == Phase::kComplete) return Event::kComplete;
  if (buffer_.empty()) {
    buffer_.assign(head_.bytes());
    head_.Rebase(buffer_.data());
  }
  return Event::kNeedMore;
}

}  // namespace sisyphus::api
