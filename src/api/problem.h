// Problem: every error that a client sees, as application/problem+json.
#ifndef SISYPHUS_API_PROBLEM_H_
#define SISYPHUS_API_PROBLEM_H_

#include <string>
#include <string_view>

#include "base/status.h"
#include "base/types.h"

namespace sisyphus::api {

inline constexpr std::string_view kProblemType = "application/problem+json";

struct Problem {
  int status = 500;
  std::string_view code;       // Stable, for programs: "no_leader". Lives forever.
  std::string message;         // For people.
  bool retryable = false;      // The same request may succeed later, and repeating it is safe.
  bool maybe_applied = false;  // A write whose outcome is unknown.
};

// The problem that a status stands for, with the code and retryability that always go with it.
Problem MakeProblem(int status, std::string message);

// An error of node or store. `write`: of a request that changes something.
Problem ProblemOf(const Status& status, bool write);

// {"code":...,"message":...,"leader":...,"retryable":...,"maybe_applied":...}; `leader` is left out
// when none is known.
void AppendProblem(std::string* out, const Problem& problem, NodeId leader);

// "Retry-After: 1" where the status asks for it.
void AppendProblemHeaders(std::string* out, const Problem& problem);

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_PROBLEM_H_
