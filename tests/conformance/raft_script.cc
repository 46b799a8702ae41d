#include "tests/conformance/raft_script.h"

#include <sstream>

#include "base/check.h"

namespace sisyphus::testing {
namespace {

// Splits on blanks outside parentheses.
std::vector<std::string> SplitDirective(const std::string& line) {
  std::vector<std::string> words;
  std::string word;
  int depth = 0;
  for (char c : line) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    if (c != ' ' || depth > 0) {
      word += c;
    } else if (!word.empty()) {
      words.push_back(word);
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

std::vector<std::string> SplitValues(std::string value) {
  if (value.empty() || value.front() != '(') return {value};
  value = value.substr(1, value.size() - 2);
  for (char& c : value) {
    if (c == ',') c = ' ';
  }
  return SplitWords(value);
}

void ParseDirective(const std::string& line, ScriptCase* c) {
  std::vector<std::string> words = SplitDirective(line);
  c->command = words.front();
  for (size_t i = 1; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    if (equals == std::string::npos) {
      c->words.push_back(words[i]);
    } else {
      c->named[words[i].substr(0, equals)] = SplitValues(words[i].substr(equals + 1));
    }
  }
}

std::string List(const char* name, const std::vector<NodeId>& ids) {
  std::string out = name;
  out += '(';
  for (size_t i = 0; i < ids.size(); ++i) out += (i > 0 ? " " : "") + ToString(ids[i]);
  return out + ')';
}

}  // namespace

std::vector<std::string> SplitWords(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

uint64_t ScriptCase::Number(size_t word) const { return std::stoull(words.at(word)); }

bool ScriptCase::Flag(const std::string& key) const {
  auto it = named.find(key);
  return it != named.end() && it->second.front() == "true";
}

std::vector<uint64_t> ScriptCase::Numbers(const std::string& key) const {
  std::vector<uint64_t> out;
  if (auto it = named.find(key); it != named.end()) {
    for (const std::string& value : it->second) out.push_back(std::stoull(value));
  }
  return out;
}

std::vector<ScriptCase> ReadScript(const std::string& text) {
  std::vector<ScriptCase> cases;
  std::istringstream in(text);
  enum { kBetween, kInput, kExpected } state = kBetween;
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (state == kBetween) {
      if (line.empty() || line.front() == '#') continue;
      cases.emplace_back().line = number;
      ParseDirective(line, &cases.back());
      state = kInput;
    } else if (state == kInput) {
      if (line == "----") {
        state = kExpected;
      } else {
        cases.back().input.push_back(line);
      }
    } else if (line.empty()) {
      state = kBetween;
    } else {
      cases.back().expected.push_back(line);
    }
  }
  return cases;
}

std::vector<raft::MembershipChange::Operation> ParseOperations(const std::string& text) {
  using Op = raft::MembershipChange::Op;
  std::vector<raft::MembershipChange::Operation> operations;
  for (const std::string& word : SplitWords(text)) {
    const std::map<char, Op> kinds = {{'v', Op::kAddVoter},
                                      {'l', Op::kAddLearner},
                                      {'r', Op::kRemove},
                                      {'u', Op::kUpdateAddress}};
    SIS_CHECK(kinds.contains(word.front()), "unknown operation " + word);
    operations.push_back({kinds.at(word.front()), NodeId(std::stoull(word.substr(1))), ""});
  }
  return operations;
}

std::string Describe(const raft::Membership& membership) {
  std::string out = List("voters=", membership.voters);
  if (!membership.outgoing.empty()) out += List("&&", membership.outgoing);
  if (!membership.learners.empty()) out += List(" learners=", membership.learners);
  if (!membership.learners_next.empty()) out += List(" learners_next=", membership.learners_next);
  if (membership.auto_leave) out += " autoleave";
  return out;
}

}  // namespace sisyphus::testing
