#include "api/problem.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sisyphus::api {
namespace {

TEST(Problem, MapsStatusesAsTheContractSays) {
  struct Row {
    StatusCode code;
    int status;
    const char* name;
    bool retryable_read, retryable_write, maybe_applied_write;
  };
  const Row rows[] = {
      {StatusCode::kInvalidArgument, 400, "bad_request", false, false, false},
      {StatusCode::kUnavailable, 503, "no_leader", true, true, false},
      {StatusCode::kAborted, 503, "no_leader", true, true, false},
      {StatusCode::kPermissionDenied, 503, "not_ready", true, true, false},
      {StatusCode::kResourceExhausted, 429, "overloaded", true, true, false},
      {StatusCode::kDeadlineExceeded, 504, "timeout", true, false, true},
      {StatusCode::kInternal, 500, "internal", false, false, true},
      {StatusCode::kDataLoss, 500, "internal", false, false, true},
  };
  for (const Row& row : rows) {
    const Status status = MakeStatus(row.code, "why");
    const Problem read = ProblemOf(status, false);
    const Problem write = ProblemOf(status, true);
    EXPECT_EQ(read.status, row.status);
    EXPECT_EQ(write.status, row.status);
    EXPECT_EQ(write.code, row.name);
    EXPECT_EQ(write.message, "why");
    EXPECT_EQ(read.retryable, row.retryable_read) << row.name;
    EXPECT_EQ(write.retryable, row.retryable_write) << row.name;
    EXPECT_FALSE(read.maybe_applied) << row.name;
    EXPECT_EQ(write.maybe_applied, row.maybe_applied_write) << row.name;
  }
}

TEST(Problem, HasExactlyTheFieldsOfTheContract) {
  std::string text;
  AppendProblem(&text, MakeProblem(404, "no \"such\" key\n"), NodeId(3));
  EXPECT_EQ(nlohmann::json::parse(text), (nlohmann::json{{"code", "not_found"},
                                                         {"message", "no \"such\" key\n"},
                                                         {"leader", 3},
                                                         {"retryable", false},
                                                         {"maybe_applied", false}}));
  text.clear();
  AppendProblem(&text, MakeProblem(503, "x"), kNoNode);
  EXPECT_FALSE(nlohmann::json::parse(text).contains("leader"));
}

TEST(Problem, AsksToRetryLaterWhereThatHelps) {
  for (const int status : {400, 404, 412, 413, 429, 500, 503, 504}) {
    std::string headers;
    AppendProblemHeaders(&headers, MakeProblem(status, ""));
    EXPECT_EQ(!headers.empty(), status == 429 || status == 503) << status;
  }
}

}  // namespace
}  // namespace sisyphus::api
