// The Prometheus text format (version 0.0.4), as a server's /metrics answers it.
#ifndef SISYPHUS_TOOLS_SICLI_CHECK_METRICS_TEXT_H_
#define SISYPHUS_TOOLS_SICLI_CHECK_METRICS_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"

namespace sisyphus::sicli {

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

struct MetricBucket {
  double upper = 0;    // Infinity for the last one.
  uint64_t count = 0;  // Of all that are not above `upper`.
};

// One line of a family, or all lines of one of its histograms.
struct Metric {
  MetricLabels labels;  // Without "le".
  double value = 0;     // Of a histogram: nothing.
  uint64_t count = 0;   // Of a histogram, like what follows.
  double sum = 0;
  std::vector<MetricBucket> buckets;  // Ascending.

  double Mean() const;  // 0 for an empty histogram.
  // An estimate: values are taken to be spread evenly over their bucket. What lies in the last one
  // is taken to be at its lower end. Requires: 0 <= q <= 1.
  double Quantile(double q) const;
};

struct MetricFamily {
  std::string name;
  std::string help;
  std::string type;  // "counter", "gauge", "histogram", "summary" or "untyped".
  std::vector<Metric> metrics;
};

// In the order of the text. kUnknown: this is not the format; says in which line.
StatusOr<std::vector<MetricFamily>> ParseMetrics(std::string_view text);

// The value of the metric of that name whose labels hold `labels`; empty: there is none.
std::optional<double> MetricValue(const std::vector<MetricFamily>& families, std::string_view name,
                                  const MetricLabels& labels = {});

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_CHECK_METRICS_TEXT_H_
