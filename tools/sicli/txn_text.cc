#include "tools/sicli/txn_text.h"

#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/status.h"
#include "client/target.h"
#include "tools/sicli/kv_output.h"
#include "tools/sicli/txn_json.h"

namespace sisyphus::sicli {
namespace {

using Kind = TxnOperation::Kind;

Status Wrong(size_t line, const std::string& what) {
  return MakeStatus(StatusCode::kInvalidArgument, "line " + std::to_string(line) + ": " + what);
}

struct Word {
  std::string text;
  bool quoted = false;
};

struct Sentence {
  size_t line = 0;
  std::vector<Word> words;
};

// Cuts the text into sentences of words.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  StatusOr<std::vector<Sentence>> Run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n' || c == ';') {
        EndSentence();
        ++at_;
        if (c == '\n') ++line_;
      } else if (c == ' ' || c == '\t' || c == '\r') {
        ++at_;
      } else if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else {
        if (current_.words.empty()) current_.line = line_;
        SIS_ASSIGN_OR_RETURN(Word word, TakeWord());
        current_.words.push_back(std::move(word));
      }
    }
    EndSentence();
    return std::move(sentences_);
  }

 private:
  void EndSentence() {
    if (!current_.words.empty()) sentences_.push_back(std::exchange(current_, {}));
  }

  StatusOr<Word> TakeWord() {
    const char quote = text_[at_];
    if (quote != '"' && quote != '\'') {
      const size_t end = std::min(text_.find_first_of(" \t\r\n;", at_), text_.size());
      Word word{std::string(text_.substr(at_, end - at_)), false};
      at_ = end;
      return word;
    }
    ++at_;
    Word word{"", true};
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] == '\n') break;
      if (text_[at_] == '\\' && quote == '"') {
        SIS_ASSIGN_OR_RETURN(const char c, TakeEscape());
        word.text.push_back(c);
      } else {
        word.text.push_back(text_[at_++]);
      }
    }
    if (at_ == text_.size() || text_[at_] != quote) return Wrong(line_, "a quote is not closed");
    ++at_;
    return word;
  }

  StatusOr<char> TakeEscape() {
    const char c = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    at_ += 2;
    if (c == 'n') return '\n';
    if (c == 't') return '\t';
    if (c == '"' || c == '\\') return c;
    unsigned byte = 0;
    if (c == 'x' && at_ + 2 <= text_.size()) {
      const auto [end, error] =
          std::from_chars(text_.data() + at_, text_.data() + at_ + 2, byte, 16);
      if (error == std::errc() && end == text_.data() + at_ + 2) {
        at_ += 2;
        return static_cast<char>(byte);
      }
    }
    return Wrong(line_, "behind \\ comes n, t, \", \\ or xHH");
  }

  const std::string_view text_;
  size_t at_ = 0;
  size_t line_ = 1;
  Sentence current_;
  std::vector<Sentence> sentences_;
};

// The words of one sentence, one after the other.
class Reader {
 public:
  explicit Reader(const Sentence& sentence) : sentence_(sentence) {}

  bool done() const { return at_ == sentence_.words.size(); }
  Status Fail(const std::string& what) const { return Wrong(sentence_.line, what); }

  StatusOr<std::string> Take(const std::string& what) {
    if (done()) return Fail(what + " is missing");
    return sentence_.words[at_++].text;
  }
  StatusOr<uint64_t> TakeNumber(const std::string& what) {
    SIS_ASSIGN_OR_RETURN(const std::string text, Take(what));
    uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) {
      return Fail(what + " is a number, not \"" + text + "\"");
    }
    return number;
  }
  // The next word is this one, and bare: then it is taken.
  bool TakeIf(std::string_view word) {
    if (done() || sentence_.words[at_].quoted || sentence_.words[at_].text != word) return false;
    ++at_;
    return true;
  }
  Status Finish() const {
    return done() ? OkStatus() : Fail("one word too many: \"" + sentence_.words[at_].text + "\"");
  }

 private:
  const Sentence& sentence_;
  size_t at_ = 0;
};

StatusOr<Comparison> ParseComparison(Reader& words) {
  Comparison comparison;
  const bool absent = words.TakeIf("absent");
  if (absent || words.TakeIf("exists")) {
    SIS_ASSIGN_OR_RETURN(comparison.key, words.Take("the key"));
    comparison.op = absent ? Comparison::Op::kEqual : Comparison::Op::kGreater;
    return comparison;
  }
  using Target = Comparison::Target;
  static const std::map<std::string, Target> kTargets = {{"value", Target::kValue},
                                                         {"version", Target::kVersion},
                                                         {"create", Target::kCreateRevision},
                                                         {"mod", Target::kModRevision},
                                                         {"lease", Target::kLease}};
  using Op = Comparison::Op;
  static const std::map<std::string, Op> kOps = {
      {"=", Op::kEqual}, {"!=", Op::kNotEqual}, {"<", Op::kLess}, {">", Op::kGreater}};
  SIS_ASSIGN_OR_RETURN(const std::string target, words.Take("what to compare"));
  const auto known_target = kTargets.find(target);
  if (known_target == kTargets.end()) {
    return words.Fail("\"" + target +
                      "\" is none of absent, exists, value, version, create, mod, lease");
  }
  comparison.target = known_target->second;
  SIS_ASSIGN_OR_RETURN(comparison.key, words.Take("the key"));
  SIS_ASSIGN_OR_RETURN(const std::string op, words.Take("=, !=, < or >"));
  const auto known_op = kOps.find(op);
  if (known_op == kOps.end()) return words.Fail("\"" + op + "\" is none of =, !=, < and >");
  comparison.op = known_op->second;
  if (comparison.target == Target::kValue) {
    SIS_ASSIGN_OR_RETURN(comparison.value, words.Take("the value"));
  } else {
    SIS_ASSIGN_OR_RETURN(comparison.number, words.TakeNumber("the number"));
  }
  return comparison;
}

Status ParsePut(Reader& words, TxnOperation* operation) {
  operation->kind = Kind::kPut;
  SIS_ASSIGN_OR_RETURN(operation->key, words.Take("the key"));
  SIS_ASSIGN_OR_RETURN(operation->value, words.Take("the value"));
  if (words.TakeIf("ttl")) {
    SIS_ASSIGN_OR_RETURN(const std::string text, words.Take("the time"));
    const auto ttl = ParseTime("ttl", text);
    if (!ttl.ok()) return words.Fail(std::string(MessageOf(ttl.status())));
    operation->ttl = *ttl;
  } else if (words.TakeIf("lease")) {
    SIS_ASSIGN_OR_RETURN(operation->lease, words.TakeNumber("the lease"));
  }
  return OkStatus();
}

Status ParseScan(Reader& words, TxnOperation* operation) {
  SIS_ASSIGN_OR_RETURN(const std::string prefix, words.Take("the prefix"));
  operation->range = KeyRange::Prefix(prefix);
  while (!words.done()) {
    if (words.TakeIf("limit")) {
      SIS_ASSIGN_OR_RETURN(operation->limit, words.TakeNumber("the limit"));
    } else if (words.TakeIf("reverse")) {
      operation->reverse = true;
    } else if (words.TakeIf("keys-only")) {
      operation->keys_only = true;
    } else if (words.TakeIf("count-only")) {
      operation->count_only = true;
    } else {
      return words.Finish();
    }
  }
  return OkStatus();
}

StatusOr<TxnOperation> ParseOperation(Reader& words) {
  TxnOperation operation;
  if (words.TakeIf("put")) {
    SIS_RETURN_IF_ERROR(ParsePut(words, &operation));
  } else if (words.TakeIf("get")) {
    SIS_ASSIGN_OR_RETURN(operation.key, words.Take("the key"));
  } else if (words.TakeIf("scan")) {
    SIS_RETURN_IF_ERROR(ParseScan(words, &operation));
  } else if (words.TakeIf("delete")) {
    operation.kind = Kind::kDelete;
    SIS_ASSIGN_OR_RETURN(operation.key, words.Take("the key"));
  } else if (words.TakeIf("delete-prefix")) {
    operation.kind = Kind::kDelete;
    SIS_ASSIGN_OR_RETURN(const std::string prefix, words.Take("the prefix"));
    operation.range = KeyRange::Prefix(prefix);
  } else {
    SIS_ASSIGN_OR_RETURN(const std::string word, words.Take("an operation"));
    return words.Fail("\"" + word + "\" is none of put, get, scan, delete, delete-prefix");
  }
  return operation;
}

}  // namespace

StatusOr<Transaction> ParseTransaction(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') return ParseTransactionJson(text);
  SIS_ASSIGN_OR_RETURN(const std::vector<Sentence> sentences, Lexer(text).Run());
  Transaction transaction;
  enum { kIf, kThen, kElse } part = kIf;
  for (const Sentence& sentence : sentences) {
    Reader words(sentence);
    if (words.TakeIf("if")) {
      if (part != kIf) return words.Fail("\"if\" stands before all operations");
      SIS_ASSIGN_OR_RETURN(Comparison comparison, ParseComparison(words));
      transaction.compare.push_back(std::move(comparison));
      SIS_RETURN_IF_ERROR(words.Finish());
      continue;
    }
    if (words.TakeIf("then")) {
      if (part != kIf) return words.Fail("a second \"then\", or one behind operations");
      part = kThen;
    } else if (words.TakeIf("else")) {
      if (part == kElse) return words.Fail("a second \"else\"");
      part = kElse;
    }
    if (words.done()) continue;
    if (part == kIf) part = kThen;
    SIS_ASSIGN_OR_RETURN(TxnOperation operation, ParseOperation(words));
    SIS_RETURN_IF_ERROR(words.Finish());
    auto& operations = part == kElse ? transaction.otherwise : transaction.then;
    operations.push_back(std::move(operation));
  }
  if (transaction.then.empty() && transaction.otherwise.empty()) {
    return MakeStatus(StatusCode::kInvalidArgument, "the transaction does nothing");
  }
  return transaction;
}

Json TxnResultJson(const TxnResult& result) {
  Json results = Json::array();
  for (const TxnOperationResult& each : result.results) {
    Json object = Json::object();
    if (each.kind == Kind::kPut) {
      object["put"] = {{"version", each.version}, {"created", each.created}};
    } else if (each.kind == Kind::kDelete) {
      object["delete"] = Json::object({{"deleted", each.deleted}});
    } else {
      Json kvs = Json::array();
      for (const KeyValue& kv : each.kvs) kvs.push_back(KeyValueJson(kv, false));
      object["get"] = {{"kvs", kvs}, {"count", each.count}, {"more", each.more}};
    }
    results.push_back(std::move(object));
  }
  return {{"succeeded", result.succeeded}, {"results", results}, {"revision", result.revision}};
}

}  // namespace sisyphus::sicli
