// ExpectProblem: an answer is the problem that the contract promises, in every part.
#ifndef SISYPHUS_TESTS_UNIT_API_EXPECT_PROBLEM_H_
#define SISYPHUS_TESTS_UNIT_API_EXPECT_PROBLEM_H_

#include "tests/unit/api/raw_client.h"

namespace sisyphus::api {

struct ExpectedProblem {
  int status;
  const char* code;
  bool retryable;
  bool maybe_applied;
};

void ExpectProblem(const RawAnswer& answer, const ExpectedProblem& expected);

}  // namespace sisyphus::api

#endif  // SISYPHUS_TESTS_UNIT_API_EXPECT_PROBLEM_H_
