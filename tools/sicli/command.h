// A command of sicli: how it looks on the command line, and what it does.
//
// A group of commands lives in one file, which registers them (kGroups in app.cc names them all);
// app.cc parses, runs the one that was asked for, and turns its status into an exit code.
#ifndef SISYPHUS_TOOLS_SICLI_COMMAND_H_
#define SISYPHUS_TOOLS_SICLI_COMMAND_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sisyphus/client.h"
#include "tools/sicli/output.h"
#include "tools/sicli/settings.h"

namespace CLI {
class App;
}

namespace sisyphus::sicli {

enum ExitCode : int {
  kExitOk = 0,
  kExitOther = 1,
  kExitUsage = 2,
  kExitNotFound = 3,
  kExitCompareFailed = 4,
  kExitUnavailable = 5,
  kExitOutcomeUnknown = 6,
  kExitRefused = 7,
  kExitNotAllowed = 8,
  kExitCheckFailed = 9,
  kExitInterrupted = 130,  // As a shell sees the end by SIGINT.
};

// A status that ends sicli with `code`, where none of the usual meanings of statuses fits. With an
// empty message nothing is printed: the command has said it all.
absl::Status ExitWith(ExitCode code, const std::string& message);

// What every command shares.
struct Context {
  std::vector<std::string> addresses;
  std::chrono::milliseconds timeout{};
  SettingValues flags;                // As the command line gave them.
  bool curl = false;                  // --curl: requests are printed, not sent.
  std::optional<Format> format = {};  // That was asked for, if any was.
  // Where the body of a request comes from, as curl's --data-binary says it ("@FILE", "@-"); empty:
  // it is on the command line.
  mutable std::string body_source = {};
  Output output;

  // What `Connect` creates its client with. With --curl a client prints its first request, and the
  // call ends with kCancelled: commands pass that on like any other status.
  ClientOptions Options() const;
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

// Each adds its commands to `app`. A command's callback sets `invocation`; both live until `run`
// has ended. Say the group a command is listed in: ->group(kDataGroup).
using AddCommands = void (*)(CLI::App& app, Invocation& invocation);
void AddKeyCommands(CLI::App& app, Invocation& invocation);
void AddRangeCommands(CLI::App& app, Invocation& invocation);
void AddLeaseCommands(CLI::App& app, Invocation& invocation);
void AddExportCommands(CLI::App& app, Invocation& invocation);
void AddImportCommands(CLI::App& app, Invocation& invocation);
void AddTxnCommands(CLI::App& app, Invocation& invocation);
void AddWatchCommands(CLI::App& app, Invocation& invocation);
void AddClusterCommands(CLI::App& app, Invocation& invocation);
void AddOperationCommands(CLI::App& app, Invocation& invocation);
void AddShellCommands(CLI::App& app, Invocation& invocation);
void AddCompletionCommands(CLI::App& app, Invocation& invocation);
void AddCheckCommands(CLI::App& app, Invocation& invocation);
void AddMetricsCommands(CLI::App& app, Invocation& invocation);
void AddTestCommands(CLI::App& app, Invocation& invocation);
void AddConfigCommands(CLI::App& app, Invocation& invocation);

inline constexpr char kDataGroup[] = "Data";
inline constexpr char kClusterGroup[] = "Cluster";
inline constexpr char kTestGroup[] = "Measure and check";
inline constexpr char kToolGroup[] = "sicli itself";

// "sicli: MESSAGE" on standard error, in one line.
void PrintError(std::string_view message);

// All of standard input, or of the file at `path`. kInvalidArgument: it cannot be read.
absl::StatusOr<std::string> ReadIn();
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_COMMAND_H_
