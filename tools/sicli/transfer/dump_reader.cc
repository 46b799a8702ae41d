#include "tools/sicli/transfer/dump_reader.h"

#include <errno.h>
#include <unistd.h>

#include "base/status.h"

namespace sisyphus::sicli {
namespace {

constexpr size_t kReadBytes = 256 << 10;

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

StatusOr<std::optional<DumpLine>> DumpReader::Next() {
  std::string_view line;
  do {
    place_ = next_;
    SIS_ASSIGN_OR_RETURN(line, TakeLine());
    if (line.empty()) return std::optional<DumpLine>();
    next_.offset += line.size();
    ++next_.line;
  } while (IsBlank(line));
  StatusOr<DumpLine> parsed = ParseDumpLine(line);
  if (!parsed.ok()) return At(place_, parsed.status());
  if (std::holds_alternative<KeyValue>(*parsed)) ++next_.keys;
  return std::optional(*std::move(parsed));
}

Status DumpReader::At(const DumpPlace& place, const Status& what) const {
  return WithContext(what, name_ + ":" + std::to_string(place.line));
}

StatusOr<std::string_view> DumpReader::TakeLine() {
  size_t searched = begin_;
  while (true) {
    const size_t end = buffer_.find('\n', searched);
    if (end != std::string::npos || ended_) {
      const size_t behind = end == std::string::npos ? buffer_.size() : end + 1;
      const std::string_view line = std::string_view(buffer_).substr(begin_, behind - begin_);
      begin_ = behind;
      return line;
    }
    buffer_.erase(0, begin_);
    begin_ = 0;
    searched = buffer_.size();
    if (searched > kMaxLineBytes) {
      return At(place_, MakeStatus(StatusCode::kInternal, "the line is too long"));
    }
    buffer_.resize(searched + kReadBytes);
    ssize_t n = 0;
    do {
      n = read(descriptor_, buffer_.data() + searched, kReadBytes);
    } while (n < 0 && errno == EINTR);
    buffer_.resize(searched + (n > 0 ? static_cast<size_t>(n) : 0));
    if (n < 0) {
      return MakeStatus(StatusCode::kInternal, std::string(MessageOf(ErrnoStatus(errno, name_))));
    }
    ended_ = n == 0;
  }
}

}  // namespace sisyphus::sicli
