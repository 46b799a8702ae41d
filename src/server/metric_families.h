// Families: metrics on their way to the text of /metrics, in prometheus-cpp's data model.
#ifndef SISYPHUS_SERVER_METRIC_FAMILIES_H_
#define SISYPHUS_SERVER_METRIC_FAMILIES_H_

#include <prometheus/metric_family.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/measures.h"

namespace sisyphus::server {

using Labels = std::vector<prometheus::ClientMetric::Label>;

// `labels` and one more.
Labels With(Labels labels, const std::string& name, std::string value);

// A name that comes again goes into the family that it began, as the format wants it; its help is
// that of the first time.
class Families {
 public:
  void Gauge(const char* name, const char* help, double value, Labels labels = {}) {
    Add(name, help, prometheus::MetricType::Gauge, std::move(labels)).gauge.value = value;
  }
  void Counter(const char* name, const char* help, double value, Labels labels = {}) {
    Add(name, help, prometheus::MetricType::Counter, std::move(labels)).counter.value = value;
  }
  void Histogram(const char* name, const char* help, const DurationHistogram::Snapshot& snapshot,
                 Labels labels = {});
  prometheus::ClientMetric& Add(const char* name, const char* help, prometheus::MetricType type,
                                Labels labels);

  std::string Text() const;

 private:
  std::vector<prometheus::MetricFamily> families_;
  std::map<std::string, size_t> places_;
};

inline double ToDouble(uint64_t value) { return static_cast<double>(value); }

}  // namespace sisyphus::server

#endif  // SISYPHUS_SERVER_METRIC_FAMILIES_H_
