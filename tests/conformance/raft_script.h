// Reader of the Raft conformance files: cases of a directive, input lines, "----" and an expected
// text. Their READMEs describe the format.
#ifndef SISYPHUS_TESTS_CONFORMANCE_RAFT_SCRIPT_H_
#define SISYPHUS_TESTS_CONFORMANCE_RAFT_SCRIPT_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "raft/membership.h"

namespace sisyphus::testing {

struct ScriptCase {
  int line = 0;  // Of the directive, from 1.
  std::string command;
  std::vector<std::string> words;                         // Arguments without '='.
  std::map<std::string, std::vector<std::string>> named;  // key=value or key=(v1,v2).
  std::vector<std::string> input;
  std::vector<std::string> expected;

  uint64_t Number(size_t word) const;
  bool Flag(const std::string& key) const;  // key=true
  std::vector<uint64_t> Numbers(const std::string& key) const;
};

std::vector<ScriptCase> ReadScript(const std::string& text);

std::vector<std::string> SplitWords(std::string_view text);

// "v1 l2 r3 u4".
std::vector<raft::MembershipChange::Operation> ParseOperations(const std::string& text);

// "voters=(1 2)&&(3) learners=(4) learners_next=(5) autoleave", empty parts left out.
std::string Describe(const raft::Membership& membership);

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_CONFORMANCE_RAFT_SCRIPT_H_
