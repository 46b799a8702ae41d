// sicli: SisyphusDB from the command line. Data goes to standard output, errors to standard error.
//
// Exit codes: 0 ok, 1 other, 2 usage, 3 not found, 4 a comparison did not hold, 5 unavailable
// (nothing was changed), 6 the outcome of a write is unknown, 7 refused (too large or out of
// space), 8 not allowed now (a change of the cluster).

#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <utility>

#include "base/status.h"
#include "tools/sicli/command.h"

namespace sisyphus::sicli {
namespace {

constexpr int kOk = 0;
constexpr int kOther = 1;
constexpr int kUsage = 2;
constexpr int kNotFound = 3;
constexpr int kCompareFailed = 4;
constexpr int kUnavailable = 5;
constexpr int kOutcomeUnknown = 6;
constexpr int kRefused = 7;
constexpr int kNotAllowed = 8;

int ExitCodeOf(const absl::Status& status, bool compares) {
  switch (status.code()) {
    case StatusCode::kOk:
      return kOk;
    case StatusCode::kInvalidArgument:
      return kUsage;
    case StatusCode::kNotFound:
      return kNotFound;
    case StatusCode::kUnavailable:
      return kUnavailable;
    case StatusCode::kDeadlineExceeded:
      return kOutcomeUnknown;
    case StatusCode::kResourceExhausted:
      return kRefused;
    case StatusCode::kFailedPrecondition:
      return compares ? kCompareFailed : kNotAllowed;
    default:
      return kOther;
  }
}

void PrintError(std::string_view message) {
  std::fprintf(stderr, "sicli: %.*s\n", static_cast<int>(message.size()), message.data());
}

// What the command line says of the settings, by their names.
struct GlobalFlags {
  std::vector<std::string> addresses;
  std::string timeout;
  std::string context;

  void AddTo(CLI::App& app) {
    app.add_option("--addr,--server-url", addresses,
                   "address of a node, repeatable: the next one is asked when one does not answer "
                   "(default http://127.0.0.1:8001; environment: SICLI_ADDR)")
        ->delimiter(',')
        ->allow_extra_args(false);
    app.add_option("--timeout", timeout,
                   "for the whole command, e.g. 2s or 500ms (default 10s; environment: "
                   "SICLI_TIMEOUT)");
    app.add_option("--context", context,
                   "the set of settings to use, see sicli config (environment: SICLI_CONTEXT)");
  }

  SettingValues Given(const CLI::App& app) const {
    SettingValues given;
    if (app.count("--addr") > 0) {
      for (const std::string& address : addresses) {
        std::string& all = given["addr"];
        all += (all.empty() ? "" : ",") + address;
      }
    }
    if (app.count("--timeout") > 0) given["timeout"] = timeout;
    if (app.count("--context") > 0) given["context"] = context;
    return given;
  }
};

// Fills in where the cluster is and how long to wait.
Status Resolve(Context* context) {
  SIS_ASSIGN_OR_RETURN(const ContextFile file, ContextFile::Load());
  SIS_ASSIGN_OR_RETURN(const std::vector<Setting> settings, ResolveSettings(context->flags, file));
  for (const Setting& setting : settings) {
    const Status status = CheckSetting(setting.name, setting.value);
    if (!status.ok()) {
      return MakeStatus(StatusCode::kInvalidArgument,
                        setting.origin + ": " + std::string(MessageOf(status)));
    }
    if (setting.name == "addr") context->addresses = SplitAddresses(setting.value);
    if (setting.name == "timeout") context->timeout = *ParseTimeout(setting.value);
  }
  return OkStatus();
}

int Main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);  // A closed pipe is an error of write(), and an exit code.
  Invocation invocation;
  GlobalFlags flags;
  CLI::App app("sicli: talks to a SisyphusDB cluster", "sicli");
  app.require_subcommand(1);
  flags.AddTo(app);
  app.footer(
      "Exit codes: 0 ok, 1 other, 2 usage, 3 not found, 4 a comparison did not hold,\n"
      "5 unavailable (nothing was changed), 6 the outcome of a write is unknown (read, and decide\n"
      "whether to write again), 7 refused (too large or out of space), 8 not allowed now (a "
      "change\n"
      "of the cluster).");
  AddKeyCommands(app, invocation);
  AddClusterCommands(app, invocation);
  AddConfigCommands(app, invocation);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    PrintError(std::string(error.what()) + " (see sicli --help)");
    return kUsage;
  }
  Context context;
  context.flags = flags.Given(app);
  absl::Status status = invocation.about_settings ? OkStatus() : Resolve(&context);
  if (status.ok()) status = invocation.run(context);
  if (!status.ok()) PrintError(MessageOf(status));
  return ExitCodeOf(status, invocation.compares);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Context::Connect() const {
  ClientOptions options{.endpoints = addresses, .timeout = timeout};
  options.attempt_timeout = std::min(options.attempt_timeout, timeout);
  return Client::Create(std::move(options));
}

}  // namespace sisyphus::sicli

int main(int argc, char** argv) { return sisyphus::sicli::Main(argc, argv); }
