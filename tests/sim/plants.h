// The planted mistakes (base/planted.h), by name, and the hunt for them.
#ifndef SISYPHUS_TESTS_SIM_PLANTS_H_
#define SISYPHUS_TESTS_SIM_PLANTS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/planted.h"

namespace sisyphus::testing {

struct Plant {
  Planted mistake;
  const char* name;
  const char* what;
};

std::span<const Plant> AllPlants();
const Plant* FindPlant(std::string_view name);  // Null: there is none of that name.

struct Hunt {
  uint64_t first_seed = 1;
  uint64_t seeds = 500;
  uint64_t seconds = 20;  // Of faults in each run, simulated.
  uint64_t nodes = 0;     // 0: drawn from the seed.
};

struct Finding {
  uint64_t seed = 0;  // Of the run that failed; 0: none did.
  std::string check;  // What that run failed of, in one line.
  double cpu_seconds = 0;
};

// Runs seeds with the mistake in place until one fails. In a process of its own, so that a failed
// SIS_CHECK is a finding too. Any other way for that process to end is none.
Finding HuntFor(const Plant& plant, const Hunt& hunt);

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_PLANTS_H_
