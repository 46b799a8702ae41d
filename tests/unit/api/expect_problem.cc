#include "tests/unit/api/expect_problem.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sisyphus::api {

void ExpectProblem(const RawAnswer& answer, const ExpectedProblem& expected) {
  EXPECT_EQ(answer.status, expected.status) << answer.body;
  EXPECT_EQ(answer.header("Content-Type"), "application/problem+json");
  const nlohmann::json problem = nlohmann::json::parse(answer.body, nullptr, false);
  ASSERT_TRUE(problem.is_object()) << answer.body;
  EXPECT_EQ(problem["code"], expected.code);
  EXPECT_TRUE(problem["message"].is_string() && problem["message"] != "") << answer.body;
  EXPECT_EQ(problem["retryable"], expected.retryable) << answer.body;
  EXPECT_EQ(problem["maybe_applied"], expected.maybe_applied) << answer.body;
  const bool later = expected.status == 503 || expected.status == 429;
  EXPECT_EQ(answer.header("Retry-After"), later ? "1" : "");
}

}  // namespace sisyphus::api
