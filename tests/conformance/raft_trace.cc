#include "tests/conformance/raft_trace.h"

#include "tests/conformance/raft_script.h"

namespace sisyphus::testing {
namespace {

std::string Trim(const std::string& line) {
  const size_t begin = line.find_first_not_of(' ');
  return begin == std::string::npos ? "" : line.substr(begin);
}

// The value of "Name:value" in `words`.
std::optional<std::string> Field(const std::vector<std::string>& words, const std::string& name) {
  for (const std::string& word : words) {
    if (word.starts_with(name + ":")) return word.substr(name.size() + 1);
  }
  return std::nullopt;
}

void ReplayEntry(const std::string& line, TracedNode* node) {
  const std::string entry = TraceEntry(line);
  const uint64_t index = std::stoull(entry.substr(entry.find('/') + 1));
  node->log.erase(node->log.lower_bound(index), node->log.end());
  node->log[index] = entry;
}

// "INFO 1 switched to configuration voters=(2 3)", "INFO 1 became follower at term 1".
void ReplayNote(const std::vector<std::string>& words, const std::string& line, TraceModel* model) {
  if (words.size() < 5 || words[1].find_first_not_of("0123456789") != std::string::npos) return;
  TracedNode& node = (*model)[std::stoull(words[1])];
  const size_t configuration = line.find("switched to configuration ");
  if (configuration != std::string::npos) {
    node.membership = line.substr(configuration + std::string("switched to configuration ").size());
  } else if (words[2] == "became") {
    const std::map<std::string, std::string> roles = {{"follower", "StateFollower"},
                                                      {"pre-candidate", "StatePreCandidate"},
                                                      {"candidate", "StateCandidate"},
                                                      {"leader", "StateLeader"}};
    node.role = roles.at(words[3]);
    node.term = words.back();
    node.leader.reset();
  }
}

}  // namespace

std::string TraceEntry(const std::string& line) {
  const std::string text = Trim(line);
  const size_t change = text.find(" EntryConfChange");
  return change == std::string::npos ? text : text.substr(0, change) + " EntryConfChange";
}

void ReplayTrace(const std::vector<std::string>& lines, uint64_t node, TraceModel* model) {
  bool in_entries = false;
  for (const std::string& raw : lines) {
    const std::string line = Trim(raw);
    const std::vector<std::string> words = SplitWords(line);
    if (words.empty()) continue;
    if (words[0] == ">") {
      in_entries = false;
      node = line.find("handling Ready") != std::string::npos ? std::stoull(words[1]) : 0;
      continue;
    }
    if (words[0] == "INFO" || words[0] == "DEBUG" || words[0] == "WARN") {
      in_entries = false;
      ReplayNote(words, line, model);
      continue;
    }
    if (node == 0) continue;
    TracedNode& traced = (*model)[node];
    const bool is_entry = words.size() > 1 && words[1].starts_with("Entry");
    if (in_entries && is_entry) {
      ReplayEntry(line, &traced);
      continue;
    }
    in_entries = line == "Entries:";
    if (words[0] == "HardState") {
      traced.term = Field(words, "Term");
      traced.vote = Field(words, "Vote").value_or("0");
      traced.commit = Field(words, "Commit");
    } else if (words[0].starts_with("Lead:")) {
      traced.leader = Field(words, "Lead");
      traced.role = Field(words, "State");
    } else if (words[0] == "Snapshot") {
      traced.log.clear();
    }
  }
}

}  // namespace sisyphus::testing
