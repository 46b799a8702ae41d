// A command of sicli: how it looks on the command line, and what it does.
//
// A group of commands lives in one file, which registers them; main.cc parses, runs the one that
// was asked for, and turns its status into an exit code.
#ifndef SISYPHUS_TOOLS_SICLI_COMMAND_H_
#define SISYPHUS_TOOLS_SICLI_COMMAND_H_

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sisyphus/client.h"

namespace CLI {
class App;
}

namespace sisyphus::sicli {

// What every command shares.
struct Context {
  std::vector<std::string> addresses = {"http://127.0.0.1:8001"};
  std::chrono::milliseconds timeout{10'000};

  absl::StatusOr<std::unique_ptr<Client>> Connect() const;
};

// The command that the command line names; set while it is parsed.
struct Invocation {
  Context context;
  std::function<absl::Status(const Context&)> run;
};

void AddKeyCommands(CLI::App& app, Invocation& invocation);
void AddClusterCommands(CLI::App& app, Invocation& invocation);

// Writes all of `data` to standard output. kInternal when that fails (a full disk, a closed pipe).
absl::Status WriteOut(const std::string& data);

// All of standard input.
absl::StatusOr<std::string> ReadIn();

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_COMMAND_H_
