// The command line of sicli as a whole.
#ifndef SISYPHUS_TOOLS_SICLI_APP_H_
#define SISYPHUS_TOOLS_SICLI_APP_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/sicli/command.h"

namespace sisyphus::sicli {

// All flags and commands, to be parsed once or looked at.
class CommandLine {
 public:
  CommandLine();
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  CLI::App& app();

  // Parses what stands behind "sicli", and does it. The exit code. Errors are printed. `format`:
  // what -o is where it is left out.
  int Run(std::vector<std::string> arguments, std::optional<Format> format = std::nullopt);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_APP_H_
