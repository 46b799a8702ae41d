#include "tools/sicli/check/metrics_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace sisyphus::sicli {
namespace {

std::string_view TakeWord(std::string_view* line) {
  const size_t begin = std::min(line->find_first_not_of(' '), line->size());
  line->remove_prefix(begin);
  const size_t end = std::min(line->find(' '), line->size());
  const std::string_view word = line->substr(0, end);
  line->remove_prefix(end);
  return word;
}

std::optional<double> ParseNumber(std::string_view text) {
  if (text == "+Inf" || text == "Inf") return std::numeric_limits<double>::infinity();
  if (text == "-Inf") return -std::numeric_limits<double>::infinity();
  if (text == "Nan" || text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// Takes `name="value",...}` off the line, of which the opening brace is gone.
bool TakeLabels(std::string_view* line, MetricLabels* labels) {
  while (true) {
    while (line->starts_with(',') || line->starts_with(' ')) line->remove_prefix(1);
    if (line->starts_with('}')) {
      line->remove_prefix(1);
      return true;
    }
    const size_t equals = line->find("=\"");
    if (equals == std::string_view::npos) return false;
    std::string name(line->substr(0, equals));
    line->remove_prefix(equals + 2);
    std::string value;
    while (!line->empty() && line->front() != '"') {
      if (line->front() == '\\' && line->size() > 1) {
        line->remove_prefix(1);
        value += line->front() == 'n' ? '\n' : line->front();
      } else {
        value += line->front();
      }
      line->remove_prefix(1);
    }
    if (line->empty()) return false;
    line->remove_prefix(1);
    labels->emplace_back(std::move(name), std::move(value));
  }
}

struct Sample {
  std::string name;
  MetricLabels labels;
  double value = 0;
};

bool ParseSample(std::string_view line, Sample* sample) {
  const size_t end = line.find_first_of("{ ");
  if (end == 0 || end == std::string_view::npos) return false;
  sample->name = line.substr(0, end);
  line.remove_prefix(end);
  if (line.front() == '{') {
    line.remove_prefix(1);
    if (!TakeLabels(&line, &sample->labels)) return false;
  }
  const std::optional<double> value = ParseNumber(TakeWord(&line));
  if (!value) return false;
  sample->value = *value;
  return true;
}

// The metric of `family` with these labels, the last one or a new one: its lines stand together.
Metric& MetricOf(MetricFamily* family, MetricLabels labels) {
  if (family->metrics.empty() || family->metrics.back().labels != labels) {
    family->metrics.emplace_back().labels = std::move(labels);
  }
  return family->metrics.back();
}

// Adds a line of a histogram; false if it is none.
bool AddToHistogram(MetricFamily* family, const Sample& sample) {
  if (sample.name == family->name + "_sum") {
    MetricOf(family, sample.labels).sum = sample.value;
    return true;
  }
  if (sample.name == family->name + "_count") {
    MetricOf(family, sample.labels).count = static_cast<uint64_t>(sample.value);
    return true;
  }
  if (sample.name != family->name + "_bucket") return false;
  MetricLabels labels = sample.labels;
  const auto bound = std::find_if(labels.begin(), labels.end(),
                                  [](const auto& label) { return label.first == "le"; });
  if (bound == labels.end()) return false;
  const std::optional<double> upper = ParseNumber(bound->second);
  if (!upper) return false;
  labels.erase(bound);
  MetricOf(family, std::move(labels))
      .buckets.push_back({*upper, static_cast<uint64_t>(sample.value)});
  return true;
}

Metric MakeMetric(const Sample& sample) {
  Metric metric;
  metric.labels = sample.labels;
  metric.value = sample.value;
  return metric;
}

MetricFamily MakeFamily(const std::string& name) {
  MetricFamily family;
  family.name = name;
  family.type = "untyped";
  return family;
}

void AddSample(std::vector<MetricFamily>* families, const Sample& sample) {
  if (!families->empty()) {
    MetricFamily& last = families->back();
    if (last.type == "histogram" && AddToHistogram(&last, sample)) return;
    if (last.name == sample.name) {
      last.metrics.push_back(MakeMetric(sample));
      return;
    }
  }
  families->push_back(MakeFamily(sample.name));
  families->back().metrics.push_back(MakeMetric(sample));
}

// "# HELP name text" and "# TYPE name type"; all other comments say nothing.
void AddComment(std::vector<MetricFamily>* families, std::string_view line) {
  line.remove_prefix(1);
  const std::string_view kind = TakeWord(&line);
  if (kind != "HELP" && kind != "TYPE") return;
  const std::string_view name = TakeWord(&line);
  if (families->empty() || families->back().name != name) {
    families->push_back(MakeFamily(std::string(name)));
  }
  if (line.starts_with(' ')) line.remove_prefix(1);
  (kind == "HELP" ? families->back().help : families->back().type) = line;
}

}  // namespace

double Metric::Mean() const { return count == 0 ? 0 : sum / static_cast<double>(count); }

double Metric::Quantile(double q) const {
  if (buckets.empty() || buckets.back().count == 0) return 0;
  const double rank = q * static_cast<double>(buckets.back().count);
  double lower = 0;
  uint64_t below = 0;
  for (const MetricBucket& bucket : buckets) {
    if (static_cast<double>(bucket.count) >= rank && bucket.count > below) {
      if (std::isinf(bucket.upper)) return lower;
      const double share =
          (rank - static_cast<double>(below)) / static_cast<double>(bucket.count - below);
      return lower + (bucket.upper - lower) * std::max(share, 0.0);
    }
    lower = bucket.upper;
    below = bucket.count;
  }
  return lower;
}

StatusOr<std::vector<MetricFamily>> ParseMetrics(std::string_view text) {
  std::vector<MetricFamily> families;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    if (line.front() == '#') {
      AddComment(&families, line);
      continue;
    }
    Sample sample;
    if (!ParseSample(line, &sample)) {
      return MakeStatus(StatusCode::kUnknown, "these are no metrics: line " +
                                                  std::to_string(number) + ": " +
                                                  std::string(line.substr(0, 80)));
    }
    AddSample(&families, sample);
  }
  return families;
}

std::optional<double> MetricValue(const std::vector<MetricFamily>& families, std::string_view name,
                                  const MetricLabels& labels) {
  for (const MetricFamily& family : families) {
    if (family.name != name) continue;
    for (const Metric& metric : family.metrics) {
      const bool fits = std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
        return std::find(metric.labels.begin(), metric.labels.end(), label) != metric.labels.end();
      });
      if (fits) return metric.value;
    }
  }
  return std::nullopt;
}

}  // namespace sisyphus::sicli
