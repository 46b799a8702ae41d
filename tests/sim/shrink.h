// Shrink: fewer faults that fail a run still.
#ifndef SISYPHUS_TESTS_SIM_SHRINK_H_
#define SISYPHUS_TESTS_SIM_SHRINK_H_

#include <string>

#include "tests/sim/sim_run.h"

namespace sisyphus::testing {

struct Shrunk {
  SimRunOptions options;  // With the filter that leaves the rest out.
  SimRunResult result;    // Of that run.
};

// Leaves out kinds of faults, then strikes by halves, as long as the run of `options`, which ended
// with `result`, still fails, in whatever way. Takes at most `runs` runs.
Shrunk Shrink(const SimRunOptions& options, const SimRunResult& result, int runs = 200);

// The flags that make such a run again.
std::string FlagsOf(const SimRunOptions& options);

// For --without and --skip: names, numbers and ranges of them, with commas between. False: they
// cannot be read.
bool ParseFilter(const std::string& without, const std::string& skip, FaultFilter* filter);

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_SHRINK_H_
