// The linearizability checker against histories whose verdict is known.
#include "verify/linearizability.h"

#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/conformance.h"

namespace sisyphus::testing {
namespace {

using Kind = verify::RegisterOperation::Kind;
using Verdict = verify::LinearizabilityResult::Verdict;

// One event a line; see the folder's README for the format.
std::vector<verify::RegisterOperation> ParseHistory(const std::string& text) {
  static const std::regex kLine(
      R"re(\{:process (\d+), :type :(invoke|ok), :f :(get|put|append), :key "([^"]*)", :value (?:nil|"([^"]*)")\})re");
  std::vector<verify::RegisterOperation> history;
  std::map<std::string, size_t> under_way;  // By process.
  std::istringstream lines(text);
  int64_t time = 0;
  for (std::string line; std::getline(lines, line);) {
    std::smatch parts;
    if (!std::regex_match(line, parts, kLine)) {
      ADD_FAILURE() << "not an event: " << line;
      return {};
    }
    ++time;
    if (parts[2] == "invoke") {
      verify::RegisterOperation operation;
      operation.kind = parts[3] == "get"   ? Kind::kGet
                       : parts[3] == "put" ? Kind::kPut
                                           : Kind::kAppend;
      operation.key = parts[4];
      operation.argument = parts[5];
      operation.client = std::stoull(parts[1]);
      operation.called = time;
      EXPECT_TRUE(under_way.emplace(parts[1], history.size()).second) << line;
      history.push_back(operation);
      continue;
    }
    const auto call = under_way.find(parts[1]);
    if (call == under_way.end()) {
      ADD_FAILURE() << "an answer without a call: " << line;
      return {};
    }
    verify::RegisterOperation& operation = history[call->second];
    under_way.erase(call);
    operation.returned = time;
    if (operation.kind == Kind::kGet) operation.read = parts[5].str();
  }
  return history;
}

TEST(LinearizabilityConformanceTest, EveryVerdict) {
  const std::optional<std::string> folder = ConformanceDir("linearizability");
  if (!folder) GTEST_SKIP() << "the conformance material is not here";
  const std::optional<std::string> verdicts = ReadTestFile(*folder + "/verdicts.tsv");
  ASSERT_TRUE(verdicts);
  std::istringstream lines(*verdicts);
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));  // The heading.
  size_t yes = 0, no = 0, operations = 0;
  // File: operations, clients, keys.
  std::map<std::string, std::vector<size_t>> shapes;
  while (std::getline(lines, line)) {
    const size_t tab = line.find('\t');
    ASSERT_NE(tab, std::string::npos) << line;
    const std::string name = line.substr(0, tab);
    const std::string verdict = line.substr(tab + 1);
    ASSERT_TRUE(verdict == "true" || verdict == "false") << line;
    const std::optional<std::string> text = ReadTestFile(*folder + "/" + name);
    ASSERT_TRUE(text) << name;
    const std::vector<verify::RegisterOperation> history = ParseHistory(*text);
    std::set<uint64_t> clients;
    std::set<std::string> keys;
    for (const verify::RegisterOperation& operation : history) {
      EXPECT_NE(operation.returned, verify::RegisterOperation::kNever);
      clients.insert(operation.client);
      keys.insert(operation.key);
    }
    shapes[name] = {history.size(), clients.size(), keys.size()};
    const verify::LinearizabilityResult result = verify::CheckLinearizable(history, "");
    EXPECT_EQ(result.verdict,
              verdict == "true" ? Verdict::kLinearizable : Verdict::kNotLinearizable)
        << name << "\n"
        << result.report;
    (verdict == "true" ? yes : no) += 1;
    operations += history.size();
  }
  PrintPassed("linearizability", HasFailure() ? 0 : yes + no);
  EXPECT_EQ(yes, 2u);
  EXPECT_EQ(no, 2u);
  EXPECT_EQ(operations, 838u);
  const std::map<std::string, std::vector<size_t>> expected = {{"kv/c01-ok.txt", {58, 1, 10}},
                                                               {"kv/c01-bad.txt", {38, 1, 8}},
                                                               {"kv/c10-ok.txt", {337, 10, 10}},
                                                               {"kv/c10-bad.txt", {405, 10, 10}}};
  EXPECT_EQ(shapes, expected);
}

}  // namespace
}  // namespace sisyphus::testing
