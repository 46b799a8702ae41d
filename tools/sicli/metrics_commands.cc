// sicli metrics.

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "tools/sicli/check/fetch.h"
#include "tools/sicli/check/metrics_text.h"
#include "tools/sicli/command.h"
#include "tools/sicli/load/latency_histogram.h"

namespace sisyphus::sicli {
namespace {

struct MetricsArguments {
  std::string format;  // Empty: as -o says.
  std::string filter;
};

// Numbers as people write them: no exponent for what is whole.
std::string ShowNumber(double value) {
  char text[64];
  const bool whole = std::abs(value) < 1e15 && value == std::floor(value);
  std::snprintf(text, sizeof(text), whole ? "%.0f" : "%.6g", value);
  return text;
}

// A value of a histogram, in the unit that its name says.
std::string ShowMeasure(const MetricFamily& family, double value) {
  if (!family.name.ends_with("_seconds")) return ShowNumber(value);
  return ShowDuration(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value)));
}

std::string LabelsText(const MetricLabels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) text += (text.empty() ? "" : ",") + name + "=" + value;
  return text;
}

Json LabelsJson(const MetricLabels& labels) {
  Json json = Json::object();
  for (const auto& [name, value] : labels) json[name] = value;
  return json;
}

bool IsHistogram(const MetricFamily& family) { return family.type == "histogram"; }

Json MetricJson(const MetricFamily& family, const Metric& metric) {
  Json json = {{"labels", LabelsJson(metric.labels)}};
  if (!IsHistogram(family)) {
    json["value"] = metric.value;
    return json;
  }
  json["count"] = metric.count;
  json["sum"] = metric.sum;
  json["mean"] = metric.Mean();
  json["p50"] = metric.Quantile(0.5);
  json["p99"] = metric.Quantile(0.99);
  json["buckets"] = Json::array();
  for (const MetricBucket& bucket : metric.buckets) {
    // JSON has no infinity.
    json["buckets"].push_back(
        {{"upper", std::isinf(bucket.upper) ? Json("+Inf") : Json(bucket.upper)},
         {"count", bucket.count}});
  }
  return json;
}

Json RowOf(const std::string& node, const MetricFamily& family, const Metric& metric) {
  Json row = {{"node", node}, {"metric", family.name}, {"labels", LabelsText(metric.labels)}};
  if (!IsHistogram(family)) {
    row["value"] = ShowNumber(metric.value);
    return row;
  }
  row["value"] = std::to_string(metric.count) + " times";
  if (metric.count == 0) return row;
  row["mean"] = ShowMeasure(family, metric.Mean());
  row["p50"] = ShowMeasure(family, metric.Quantile(0.5));
  row["p99"] = ShowMeasure(family, metric.Quantile(0.99));
  return row;
}

// What a node serves, as far as it fits the filter.
struct NodeMetrics {
  std::string address;
  std::string text;
  std::vector<MetricFamily> families;
};

StatusOr<NodeMetrics> Ask(const Context& context, const std::string& address,
                          const std::string& filter) {
  NodeMetrics node{address, "", {}};
  SIS_ASSIGN_OR_RETURN(node.text, FetchMetrics(address, context.timeout));
  SIS_ASSIGN_OR_RETURN(node.families, ParseMetrics(node.text));
  std::erase_if(node.families, [&](const MetricFamily& family) {
    return family.name.find(filter) == std::string::npos;
  });
  return node;
}

// The lines of the text whose metric fits the filter, as they are.
std::string RawText(const NodeMetrics& node, const std::string& filter) {
  if (filter.empty()) return node.text;
  std::string kept;
  std::string_view rest = node.text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end);
    // "# HELP name ..." or "name{...} value".
    const size_t name = line.starts_with("# ") ? std::min<size_t>(7, line.size()) : 0;
    const std::string_view word = line.substr(name, line.find_first_of("{ \n", name) - name);
    if (word.find(filter) != std::string_view::npos) kept += line;
  }
  return kept;
}

Status PrintMetrics(const Context& context, Format format, const std::vector<NodeMetrics>& nodes,
                    const std::string& filter) {
  if (format == Format::kRaw) {
    for (const NodeMetrics& node : nodes) SIS_RETURN_IF_ERROR(WriteOut(RawText(node, filter)));
    return OkStatus();
  }
  Json rows = Json::array();
  Json document = Json::array();
  for (const NodeMetrics& node : nodes) {
    Json families = Json::array();
    for (const MetricFamily& family : node.families) {
      Json metrics = Json::array();
      for (const Metric& metric : family.metrics) {
        rows.push_back(RowOf(node.address, family, metric));
        metrics.push_back(MetricJson(family, metric));
      }
      families.push_back({{"name", family.name},
                          {"type", family.type},
                          {"help", family.help},
                          {"metrics", metrics}});
    }
    document.push_back({{"node", node.address}, {"families", families}});
  }
  std::vector<Column> columns;
  if (nodes.size() > 1) columns.push_back({.field = "node"});
  columns.push_back({.field = "metric"});
  columns.push_back({.field = "labels"});
  for (const char* field : {"value", "mean", "p50", "p99"}) {
    columns.push_back({.field = field, .right = true});
  }
  return context.output.As(format).Rows(columns, rows, document);
}

Status Metrics(const Context& context, const MetricsArguments& arguments) {
  if (context.curl) {
    std::string lines;
    for (const std::string& address : context.addresses) {
      const bool scheme = address.find("://") != std::string::npos;
      lines += "curl " + std::string(scheme ? "" : "http://") + address + "/metrics\n";
    }
    return WriteOut(lines);
  }
  Format format = context.output.format();
  if (arguments.format == "table") format = Format::kTable;
  if (arguments.format == "raw") format = Format::kRaw;
  if (arguments.format == "json") format = Format::kJson;
  std::vector<NodeMetrics> nodes;
  Status status;
  for (const std::string& address : context.addresses) {
    StatusOr<NodeMetrics> node = Ask(context, address, arguments.filter);
    if (node.ok()) {
      nodes.push_back(*std::move(node));
    } else {
      if (context.addresses.size() == 1) return node.status();
      PrintError(MessageOf(node.status()));
      status = ExitWith(kExitUnavailable, "");
    }
  }
  SIS_RETURN_IF_ERROR(PrintMetrics(context, format, nodes, arguments.filter));
  return status;
}

}  // namespace

void AddMetricsCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* metrics = app.add_subcommand("metrics", "Show what nodes count and measure");
  metrics->group(kTestGroup);
  metrics->footer(
      "Every address given with --addr is asked. Of a histogram p50 and p99 are estimated from "
      "its\n"
      "buckets.");
  const auto arguments = std::make_shared<MetricsArguments>();
  metrics
      ->add_option("--format", arguments->format,
                   "table, raw (as served) or json; default: as -o says")
      ->check(CLI::IsMember({"table", "raw", "json"}))
      ->type_name("FORMAT");
  metrics->add_option("--filter", arguments->filter, "only metrics whose name contains this")
      ->type_name("TEXT");
  metrics->callback([&invocation, arguments] {
    invocation.run = [arguments](const Context& context) { return Metrics(context, *arguments); };
  });
}

}  // namespace sisyphus::sicli
