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
#include "tools/sicli/settings.h"

namespace CLI {
class App;
}

namespace sisyphus::sicli {

// What every command shares.
struct Context {
  std::vector<std::string> addresses;
  std::chrono::milliseconds timeout{};
  SettingValues flags;  // As the command line gave them.

  absl::StatusOr<std::unique_ptr<Client>> Connect() const;
};

// The command that the command line names; set while it is parsed.
struct Invocation {
  std::function<absl::Status(const Context&)> run;
  // `run` reads the settings itself and needs no cluster: what is wrong with them is its subject.
  bool about_settings = false;
  // A failed precondition is a comparison that did not hold, not a refused change of the cluster.
  bool compares = false;
};

void AddKeyCommands(CLI::App& app, Invocation& invocation);
void AddClusterCommands(CLI::App& app, Invocation& invocation);
void AddConfigCommands(CLI::App& app, Invocation& invocation);

// Writes all of `data` to standard output. kInternal when that fails (a full disk, a closed pipe).
absl::Status WriteOut(const std::string& data);

// All of standard input, or of the file at `path`. kInvalidArgument: it cannot be read.
absl::StatusOr<std::string> ReadIn();
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_COMMAND_H_
