// Pictures of latency over time: a PNG, and one of characters for the terminal.
#ifndef SISYPHUS_TOOLS_SICLI_LOAD_LOAD_PLOT_H_
#define SISYPHUS_TOOLS_SICLI_LOAD_LOAD_PLOT_H_

#include <string>

#include "base/status.h"
#include "tools/sicli/load/load_generator.h"

namespace sisyphus::sicli {

// Median, p99 and maximum of what was due in each slot, on a logarithmic axis, and where requests
// failed. Replaces the file. kInternal: it cannot be written.
Status PlotLoad(const LoadResult& result, const std::string& title, const std::string& path);

// The same in at most `columns` characters a line, of which the axis takes ten. Requires: columns
// >= 30.
std::string ChartLoad(const LoadResult& result, size_t columns);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_LOAD_LOAD_PLOT_H_
