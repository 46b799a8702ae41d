// The request cases of another parser (conformance material "http-requests"; its README has the
// format): the same requests accepted and refused, bodies of the same length, however the input is
// cut.

#include <gtest/gtest.h>

#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "api/request_reader.h"
#include "tests/support/conformance.h"

namespace sisyphus::api {
namespace {

constexpr const char* kFiles[] = {
    "connection", "finish", "lenient-header-value-relaxed", "lenient-version", "pausing",
    "sample",     "uri"};
constexpr size_t kAllCases = 72;
constexpr size_t kStrictCases = 56;
constexpr size_t kFinishCases = 3;

enum class End : uint8_t { kComplete, kOpen, kUpgrade, kRejected };

struct Outcome {
  size_t begun = 0;
  std::vector<size_t> bodies;  // Of the complete requests.
  End end = End::kComplete;
  bool operator==(const Outcome&) const = default;
};

std::ostream& operator<<(std::ostream& os, const Outcome& outcome) {
  os << outcome.begun << " begun, " << outcome.bodies.size() << " complete (";
  for (const size_t size : outcome.bodies) os << size << " ";
  return os << "), end " << static_cast<int>(outcome.end);
}

struct Case {
  std::string name;
  std::string type;
  bool only_whole = false;
  std::string input;
  Outcome expected;
  bool clean_finish = false;  // Of request-finish.
};

// What this reader refuses, or takes, on purpose.
const std::map<std::string, std::string> kDeviations = {
    {"sample: No HTTP version",
     "HTTP/0.9 has no status line: its answer could not be told from HTTP/1"},
};

void ReplaceAll(std::string* text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text->find(from, at)) != std::string::npos; at += to.size()) {
    text->replace(at, from.size(), to);
  }
}

std::string DecodeInput(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  ReplaceAll(&text, "\\\n", "");
  ReplaceAll(&text, "\n", "\r\n");
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    const char next = text[i] == '\\' && i + 1 < text.size() ? text[i + 1] : '\0';
    const std::string_view plain = "rntf";
    const std::string_view control = "\r\n\t\f";
    const size_t known = next == '\0' ? std::string_view::npos : plain.find(next);
    if (known != std::string_view::npos) {
      bytes.push_back(control[known]);
      ++i;
    } else if (next == 'x') {
      const auto point = static_cast<unsigned>(std::stoul(text.substr(i + 2, 2), nullptr, 16));
      if (point < 0x80) {
        bytes.push_back(static_cast<char>(point));
      } else {  // UTF-8 of two bytes.
        bytes.push_back(static_cast<char>(0xC0 | point >> 6));
        bytes.push_back(static_cast<char>(0x80 | (point & 0x3F)));
      }
      i += 3;
    } else {
      bytes.push_back(text[i]);
    }
  }
  return bytes;
}

Outcome ParseLog(const std::string& log, bool* clean_finish) {
  Outcome outcome;
  size_t body = 0;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" message begin") != std::string::npos) {
      ++outcome.begun;
      body = 0;
    } else if (line.find(" message complete") != std::string::npos) {
      outcome.bodies.push_back(body);
    } else if (line.find(" span[body]=") != std::string::npos) {
      body += std::stoul(line.substr(line.find("len=") + 4));
    } else if (line.find(" error code=") != std::string::npos) {
      outcome.end =
          line.find(" error code=22 ") != std::string::npos ? End::kUpgrade : End::kRejected;
    } else if (line.find("finish=0") != std::string::npos) {
      *clean_finish = true;
    }
  }
  if (outcome.end == End::kComplete && outcome.begun > outcome.bodies.size()) {
    outcome.end = End::kOpen;
  }
  return outcome;
}

std::vector<Case> ReadCases(const std::string& file, const std::string& text) {
  std::vector<Case> cases;
  std::string heading;
  std::string* block = nullptr;
  std::string input;
  std::string log;
  Case now;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (block != nullptr) {
      if (line != "```") {
        block->append(line).append("\n");
        continue;
      }
      if (block == &log) {
        now.input = DecodeInput(input);
        now.expected = ParseLog(log, &now.clean_finish);
        cases.push_back(now);
      }
      block = nullptr;
    } else if (line.starts_with("#")) {
      heading = line.substr(line.find_first_not_of("# "));
    } else if (line.starts_with("<!-- meta=")) {
      const auto meta = nlohmann::json::parse(line.substr(10, line.rfind('}') + 1 - 10));
      now = {};
      now.name = file + ": " + heading;
      now.type = meta["type"];
      now.only_whole = meta.value("noScan", false);
      input.clear();
      log.clear();
    } else if (line == "```http") {
      block = &input;
    } else if (line == "```log") {
      block = &log;
    }
  }
  return cases;
}

// As a connection does it: after a request that ends the connection nothing more is read.
Outcome ReadInPieces(std::string_view input, size_t piece, bool* stopped) {
  RequestReader reader({.max_request_line_bytes = 8 << 10, .max_field_bytes = 8 << 10});
  Outcome outcome;
  *stopped = false;
  while (!input.empty() && !*stopped && outcome.end != End::kRejected) {
    const std::string part(input.substr(0, piece));
    input.remove_prefix(part.size());
    std::string_view rest = part;
    bool more = true;
    while (more && !*stopped) {
      switch (reader.Read(&rest)) {
        case RequestReader::Event::kNeedMore:
          more = false;
          break;
        case RequestReader::Event::kHead:
          reader.set_body_limit(1 << 20);
          break;
        case RequestReader::Event::kComplete:
          ++outcome.begun;
          outcome.bodies.push_back(reader.body().size());
          *stopped = !reader.head().keep_alive();
          reader.Next();
          break;
        case RequestReader::Event::kError:
          ++outcome.begun;
          outcome.end = End::kRejected;
          more = false;
          break;
      }
    }
  }
  if (reader.begun() && outcome.end != End::kRejected) {
    ++outcome.begun;
    outcome.end = End::kOpen;
  }
  return outcome;
}

// The expected outcome as far as it binds a server: without upgrades the first request counts; what
// follows a request that ends the connection need not be read.
void Compare(const Case& c, const Outcome& actual, bool stopped) {
  Outcome expected = c.expected;
  Outcome got = actual;
  if (expected.end == End::kUpgrade) {
    ASSERT_FALSE(got.bodies.empty()) << c.name;
    expected = {.begun = 1, .bodies = {expected.bodies[0]}, .end = End::kComplete};
    got = {.begun = 1, .bodies = {got.bodies[0]}, .end = End::kComplete};
  } else if (expected.end == End::kRejected && stopped &&
             expected.bodies.size() == got.bodies.size()) {
    expected.end = End::kComplete;
  }
  EXPECT_EQ(got, expected) << c.name;
}

std::optional<std::vector<Case>> AllCases() {
  const auto folder = testing::ConformanceDir("http-requests");
  if (!folder.has_value()) return std::nullopt;
  std::vector<Case> cases;
  for (const char* file : kFiles) {
    const auto text = testing::ReadTestFile(*folder + "/request/" + file + ".md");
    EXPECT_TRUE(text.has_value()) << file;
    if (!text.has_value()) continue;
    const std::vector<Case> more = ReadCases(file, *text);
    cases.insert(cases.end(), more.begin(), more.end());
  }
  EXPECT_EQ(cases.size(), kAllCases);
  return cases;
}

TEST(HttpRequests, StrictCasesHoweverTheyAreCut) {
  const auto cases = AllCases();
  if (!cases.has_value()) GTEST_SKIP() << "the conformance material is not here";
  size_t run = 0;
  size_t deviations = 0;
  for (const Case& c : *cases) {
    if (c.type != "request") continue;
    ++run;
    bool stopped = false;
    const Outcome whole = ReadInPieces(c.input, c.input.size(), &stopped);
    if (kDeviations.contains(c.name)) {
      ++deviations;
      EXPECT_EQ(whole.end, End::kRejected) << c.name;
    } else {
      Compare(c, whole, stopped);
    }
    for (size_t piece = 1; piece < c.input.size(); ++piece) {
      EXPECT_EQ(ReadInPieces(c.input, piece, &stopped), whole)
          << c.name << ", in pieces of " << piece;
    }
  }
  EXPECT_EQ(run, kStrictCases);
  EXPECT_EQ(deviations, kDeviations.size());
  std::printf(
      "%zu cases: %zu strict, of which %zu are refused on purpose and the others as listed\n",
      cases->size(), run, deviations);
}

TEST(HttpRequests, ARequestCutShortIsDropped) {
  const auto cases = AllCases();
  if (!cases.has_value()) GTEST_SKIP() << "the conformance material is not here";
  size_t run = 0;
  for (const Case& c : *cases) {
    if (c.type != "request-finish") continue;
    ++run;
    bool stopped = false;
    const Outcome outcome = ReadInPieces(c.input, c.input.size(), &stopped);
    EXPECT_EQ(outcome.end, c.clean_finish ? End::kComplete : End::kOpen) << c.name;
    EXPECT_EQ(outcome.bodies.size(), c.clean_finish ? 1u : 0u) << c.name;
  }
  EXPECT_EQ(run, kFinishCases);
  std::printf("%zu cases that end early\n", run);
}

// Three of the cases with a tolerance switched on are refused all the same.
TEST(HttpRequests, WhatEvenALenientParserRefuses) {
  const auto cases = AllCases();
  if (!cases.has_value()) GTEST_SKIP() << "the conformance material is not here";
  size_t run = 0;
  for (const Case& c : *cases) {
    if (c.type != "request-lenient-header-value-relaxed" || c.expected.end != End::kRejected) {
      continue;
    }
    ++run;
    bool stopped = false;
    EXPECT_EQ(ReadInPieces(c.input, c.input.size(), &stopped).end, End::kRejected) << c.name;
  }
  EXPECT_EQ(run, 3u);
  std::printf("%zu lenient cases that are refused all the same\n", run);
}

}  // namespace
}  // namespace sisyphus::api
