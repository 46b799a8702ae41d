#include "server/metric_families.h"

#include <prometheus/text_serializer.h>

#include <limits>

namespace sisyphus::server {

Labels With(Labels labels, const std::string& name, std::string value) {
  labels.push_back({name, std::move(value)});
  return labels;
}

void Families::Histogram(const char* name, const char* help,
                         const DurationHistogram::Snapshot& snapshot, Labels labels) {
  prometheus::ClientMetric& metric =
      Add(name, help, prometheus::MetricType::Histogram, std::move(labels));
  uint64_t total = 0;
  for (size_t i = 0; i < snapshot.counts.size(); ++i) {
    total += snapshot.counts[i];
    const double bound = i < DurationHistogram::kBoundsMicros.size()
                             ? static_cast<double>(DurationHistogram::kBoundsMicros[i]) / 1e6
                             : std::numeric_limits<double>::infinity();
    metric.histogram.bucket.push_back({total, bound});
  }
  metric.histogram.sample_count = total;
  metric.histogram.sample_sum = snapshot.sum_seconds;
}

prometheus::ClientMetric& Families::Add(const char* name, const char* help,
                                        prometheus::MetricType type, Labels labels) {
  const auto [place, fresh] = places_.try_emplace(name, families_.size());
  if (fresh) families_.push_back({name, help, type, {}});
  prometheus::ClientMetric metric;
  metric.label = std::move(labels);
  std::vector<prometheus::ClientMetric>& metrics = families_[place->second].metric;
  metrics.push_back(std::move(metric));
  return metrics.back();
}

std::string Families::Text() const { return prometheus::TextSerializer().Serialize(families_); }

}  // namespace sisyphus::server
