// A check of `sicli check`: what was looked at, what was found, and whether that will do.
#ifndef SISYPHUS_TOOLS_SICLI_CHECK_CHECK_H_
#define SISYPHUS_TOOLS_SICLI_CHECK_CHECK_H_

#include <string>
#include <vector>

namespace sisyphus::sicli {

struct Check {
  std::string name;
  bool passed = false;
  std::string reason;  // What was found, and the limit that it was compared with.
};

using Checks = std::vector<Check>;

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_CHECK_CHECK_H_
