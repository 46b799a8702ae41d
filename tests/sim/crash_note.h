// The last words of a run that aborts: which seed it was.
#ifndef SISYPHUS_TESTS_SIM_CRASH_NOTE_H_
#define SISYPHUS_TESTS_SIM_CRASH_NOTE_H_

#include <cstdint>

namespace sisyphus::testing {

// From now on a failed check, a crash, and an error that a sanitizer ends the process with print
// "seed N" to standard error.
void NoteSeed(uint64_t seed);

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_CRASH_NOTE_H_
