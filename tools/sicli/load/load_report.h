// What came of a load test, as words, rows and JSON, and whether it kept its limits.
#ifndef SISYPHUS_TOOLS_SICLI_LOAD_LOAD_REPORT_H_
#define SISYPHUS_TOOLS_SICLI_LOAD_LOAD_REPORT_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "tools/sicli/load/load_generator.h"

namespace sisyphus::sicli {

struct LoadLimits {
  std::optional<Duration> p99;  // nullopt: nothing is judged.
  double max_failed_percent = 0;
};

struct LoadVerdict {
  bool judged = false;
  bool passed = true;
  std::vector<std::string> reasons;  // Each limit, kept or not, in words.
};

LoadVerdict JudgeLoad(const LoadResult& result, const LoadLimits& limits);

double AnsweredPerSecond(const LoadResult& result);

// "put, 1000/s for 10.0 s over 64 connections, 10000 keys, values of 100 bytes"
std::string DescribeLoad(const LoadOptions& options);

// One row an operation, and one for all if there are two kinds: operation, count, mean, p50, p90,
// p99, p99.9, max.
nlohmann::ordered_json LatencyRows(const LoadResult& result);

// What there is to say beside the rows: counts, failures, notes about the generator. Lines.
std::string LoadSummary(const LoadResult& result);

// All of it. Latencies in microseconds.
nlohmann::ordered_json LoadJson(const LoadOptions& options, const LoadResult& result,
                                const LoadVerdict& verdict);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_LOAD_LOAD_REPORT_H_
