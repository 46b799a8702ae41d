#include "tests/sim/shrink.h"

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>
#include <vector>

namespace sisyphus::testing {
namespace {

// Runs `candidate`; if it fails, it takes the place of what was shrunk so far.
bool Try(SimRunOptions candidate, int* runs, Shrunk* shrunk) {
  if (*runs <= 0) return false;
  --*runs;
  SimRunResult result = SimRun(candidate).Execute();
  if (result.failure.empty()) return false;
  *shrunk = {std::move(candidate), std::move(result)};
  return true;
}

bool ParseNumber(const std::string& text, uint64_t* number) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, *number);
  return error == std::errc() && at == end;
}

}  // namespace

Shrunk Shrink(const SimRunOptions& options, const SimRunResult& result, int runs) {
  Shrunk shrunk{options, result};
  shrunk.options.verbose = false;
  std::set<Fault> kinds = result.lasting;
  for (const Strike& strike : result.strikes) kinds.insert(strike.fault);
  for (const Fault kind : kinds) {
    SimRunOptions candidate = shrunk.options;
    candidate.filter.without.insert(kind);
    Try(std::move(candidate), &runs, &shrunk);
  }
  size_t chunk = std::max<size_t>(1, shrunk.result.strikes.size() / 2);
  while (true) {
    // From the end: what comes after the failure's cause goes first, and moves nothing before it.
    size_t end = shrunk.result.strikes.size();
    while (end > 0) {
      const size_t begin = end > chunk ? end - chunk : 0;
      SimRunOptions candidate = shrunk.options;
      for (size_t i = begin; i < end; ++i) {
        candidate.filter.skip.insert(shrunk.result.strikes[i].number);
      }
      Try(std::move(candidate), &runs, &shrunk);
      end = std::min(begin, shrunk.result.strikes.size());
    }
    if (chunk == 1 || runs <= 0) return shrunk;
    chunk = (chunk + 1) / 2;
  }
}

std::string FlagsOf(const SimRunOptions& options) {
  std::string flags =
      "--seed " + std::to_string(options.seed) + " --seconds " + std::to_string(options.seconds);
  if (options.nodes != 0) flags += " --nodes " + std::to_string(options.nodes);
  const char* before = " --without ";
  for (const Fault fault : options.filter.without) {
    flags += std::exchange(before, ",") + std::string(NameOf(fault));
  }
  before = " --skip ";
  const std::set<uint64_t>& skip = options.filter.skip;
  for (auto at = skip.begin(); at != skip.end();) {
    const uint64_t first = *at;
    uint64_t last = first;
    while (++at != skip.end() && *at == last + 1) ++last;
    flags += std::exchange(before, ",") + std::to_string(first);
    if (last != first) flags += "-" + std::to_string(last);
  }
  return flags;
}

bool ParseFilter(const std::string& without, const std::string& skip, FaultFilter* filter) {
  std::string part;
  for (std::istringstream in(without); std::getline(in, part, ',');) {
    uint8_t kind = 0;
    while (kind < static_cast<uint8_t>(Fault::kCount) && part != NameOf(static_cast<Fault>(kind))) {
      ++kind;
    }
    if (kind == static_cast<uint8_t>(Fault::kCount)) return false;
    filter->without.insert(static_cast<Fault>(kind));
  }
  for (std::istringstream in(skip); std::getline(in, part, ',');) {
    const size_t dash = part.find('-');
    uint64_t first = 0, last = 0;
    if (!ParseNumber(part.substr(0, dash), &first)) return false;
    last = first;
    if (dash != std::string::npos && !ParseNumber(part.substr(dash + 1), &last)) return false;
    for (uint64_t number = first; number <= last && number - first < 100'000; ++number) {
      filter->skip.insert(number);
    }
  }
  return true;
}

}  // namespace sisyphus::testing
