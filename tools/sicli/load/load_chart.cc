#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/check.h"
#include "tools/sicli/load/latency_scale.h"
#include "tools/sicli/load/load_plot.h"

namespace sisyphus::sicli {
namespace {

constexpr size_t kChartRows = 10;
constexpr size_t kAxisColumns = 10;

// What is drawn in a column: where its median, p99 and maximum are, in rows from the bottom.
struct Column {
  bool any = false;
  bool failed = false;
  double median = 0;
  double tail = 0;
  double most = 0;
};

std::vector<Column> ColumnsOf(const LoadResult& result, const LatencyScale& scale, size_t columns) {
  const size_t slots = result.slots.size();
  const size_t together = (slots + columns - 1) / columns;
  std::vector<Column> drawn;
  for (size_t i = 0; i < slots; i += together) {
    LatencyHistogram latency;
    Column column;
    for (size_t k = i; k < std::min(i + together, slots); ++k) {
      latency.Add(result.slots[k].latency);
      column.failed |= result.slots[k].failed > 0;
    }
    column.any = latency.count() > 0;
    const auto row = [&](Duration value) {
      return scale.At(value) * static_cast<double>(kChartRows);
    };
    column.median = row(latency.Quantile(0.5));
    column.tail = row(latency.Quantile(0.99));
    column.most = row(latency.max());
    drawn.push_back(column);
  }
  return drawn;
}

const char* CellOf(const Column& column, size_t row) {
  const double middle = static_cast<double>(row) + 0.5;
  if (!column.any || middle > std::max(column.most, 0.6)) return " ";
  if (middle <= std::max(column.median, 0.6)) return "█";
  return middle <= column.tail ? "▒" : "░";
}

}  // namespace

std::string ChartLoad(const LoadResult& result, size_t columns) {
  SIS_CHECK(columns >= 3 * kAxisColumns, "too narrow for a chart");
  const LatencyScale scale(result.slots);
  const std::vector<Column> drawn = ColumnsOf(result, scale, columns - kAxisColumns);
  std::string chart = "latency over time: █ up to the median, ▒ p99, ░ maximum\n";
  for (size_t row = kChartRows; row-- > 0;) {
    // The row of a tick begins with it.
    std::string label;
    for (const Duration tick : scale.ticks()) {
      const auto at = std::min(static_cast<size_t>(scale.At(tick) * kChartRows), kChartRows - 1);
      if (at == row && label.empty()) label = TickName(tick);
    }
    chart += std::string(kAxisColumns - 2 - label.size(), ' ') + label + "│";
    std::string line;
    for (const Column& column : drawn) line += CellOf(column, row);
    while (line.ends_with(' ')) line.pop_back();
    chart += line + "\n";
  }
  chart += std::string(kAxisColumns - 2, ' ') + "└";
  for (const Column& column : drawn) chart += column.failed ? "✗" : "─";
  char text[32];
  std::snprintf(text, sizeof(text), " %g s\n",
                std::chrono::duration<double>(result.slot_length).count() *
                    static_cast<double>(result.slots.size()));
  chart += text;
  return chart;
}

}  // namespace sisyphus::sicli
