#include "tools/sicli/shell/words.h"

#include <charconv>
#include <cstdio>

#include "base/status.h"

namespace sisyphus::sicli {
namespace {

Status Wrong(const std::string& what) { return MakeStatus(StatusCode::kInvalidArgument, what); }

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool IsPlain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || (byte > ' ' && byte != 0x7f && c != '\'' && c != '"' && c != '\\');
}

class Splitter {
 public:
  explicit Splitter(std::string_view line) : line_(line) {}

  // Takes words while there are any. What goes wrong does so in the last one, which is kept as far
  // as it has come.
  Status Run() {
    while (SkipBlanks()) {
      last_begin_ = at_;
      words_.emplace_back();
      SIS_RETURN_IF_ERROR(TakeWord(&words_.back()));
    }
    return OkStatus();
  }

  std::vector<std::string>& words() { return words_; }
  size_t last_begin() const { return last_begin_; }
  bool comment() const { return comment_; }
  bool ends_in_word() const { return !words_.empty() && (line_.empty() || !blank_end_); }

 private:
  bool SkipBlanks() {
    const size_t before = at_;
    while (at_ < line_.size() && IsBlank(line_[at_])) ++at_;
    blank_end_ = at_ == line_.size() && at_ > before;
    comment_ = at_ < line_.size() && line_[at_] == '#';
    return at_ < line_.size() && !comment_;
  }

  Status TakeWord(std::string* word) {
    char quote = '\0';
    while (at_ < line_.size()) {
      const char c = line_[at_];
      if (quote == '\0' && IsBlank(c)) return OkStatus();
      ++at_;
      if (quote == '\0' && (c == '\'' || c == '"')) {
        quote = c;
      } else if (quote != '\0' && c == quote) {
        quote = '\0';
      } else if (c == '\\' && quote == '"') {
        SIS_RETURN_IF_ERROR(TakeEscape(word));
      } else if (c == '\\' && quote == '\0') {
        if (at_ == line_.size()) return Wrong("nothing stands behind \\");
        word->push_back(line_[at_++]);
      } else {
        word->push_back(c);
      }
    }
    return quote == '\0' ? OkStatus() : Wrong("a quote is not closed");
  }

  Status TakeEscape(std::string* word) {
    const char c = at_ < line_.size() ? line_[at_++] : '\0';
    if (c == 'n' || c == 't') {
      word->push_back(c == 'n' ? '\n' : '\t');
      return OkStatus();
    }
    if (c == '"' || c == '\\') {
      word->push_back(c);
      return OkStatus();
    }
    unsigned byte = 0;
    if (c == 'x' && at_ + 2 <= line_.size()) {
      const char* digits = line_.data() + at_;
      const auto [end, error] = std::from_chars(digits, digits + 2, byte, 16);
      if (error == std::errc() && end == digits + 2) {
        at_ += 2;
        word->push_back(static_cast<char>(byte));
        return OkStatus();
      }
    }
    return Wrong("between double quotes, behind \\ comes n, t, \", \\ or xHH");
  }

  const std::string_view line_;
  size_t at_ = 0;
  std::vector<std::string> words_;
  size_t last_begin_ = 0;
  bool comment_ = false;
  bool blank_end_ = false;
};

}  // namespace

StatusOr<std::vector<std::string>> SplitWords(std::string_view line) {
  Splitter splitter(line);
  SIS_RETURN_IF_ERROR(splitter.Run());
  return std::move(splitter.words());
}

OpenLine SplitOpenLine(std::string_view line) {
  Splitter splitter(line);
  const bool inside = !splitter.Run().ok() || splitter.ends_in_word();
  OpenLine open{.words = std::move(splitter.words()),
                .last_begin = splitter.last_begin(),
                .comment = splitter.comment()};
  if (!inside) {
    open.words.emplace_back();
    open.last_begin = line.size();
  }
  return open;
}

std::string Quoted(std::string_view word) {
  bool plain = !word.empty() && word.front() != '#';
  for (const char c : word) plain = plain && IsPlain(c);
  if (plain) return std::string(word);
  std::string text = "\"";
  for (const char c : word) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (byte < ' ' || byte == 0x7f) {
      char hex[5];
      std::snprintf(hex, sizeof(hex), "\\x%02x", byte);
      text += hex;
    } else {
      text += c;
    }
  }
  return text + "\"";
}

}  // namespace sisyphus::sicli
