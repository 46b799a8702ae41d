// sicli: SisyphusDB from the command line. Data goes to standard output, errors to standard error.
//
// Exit codes: 0 ok, 1 other, 2 usage, 3 not found, 5 unavailable (nothing was changed), 6 the
// outcome of a write is unknown, 8 not allowed now (a change of the cluster).

#include <signal.h>

#include <CLI/CLI.hpp>
#include <charconv>
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
constexpr int kUnavailable = 5;
constexpr int kOutcomeUnknown = 6;
constexpr int kNotAllowed = 8;

int ExitCodeOf(const absl::Status& status) {
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
    case StatusCode::kFailedPrecondition:
      return kNotAllowed;
    default:
      return kOther;
  }
}

void PrintError(std::string_view message) {
  std::fprintf(stderr, "sicli: %.*s\n", static_cast<int>(message.size()), message.data());
}

// "2", "2s", "2.5s" or "500ms". Empty when it is none of these, or not above zero.
std::optional<std::chrono::milliseconds> ParseTimeout(std::string_view text) {
  double scale_ms = 1000;
  if (text.ends_with("ms")) {
    scale_ms = 1;
    text.remove_suffix(2);
  } else if (text.ends_with('s')) {
    text.remove_suffix(1);
  }
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const double ms = number * scale_ms;
  if (!(ms >= 1) || ms > 86'400'000) return std::nullopt;
  return std::chrono::milliseconds(static_cast<int64_t>(ms));
}

int Main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);  // A closed pipe is an error of write(), and an exit code.
  Invocation invocation;
  std::string timeout = "10s";
  CLI::App app("sicli: talks to a SisyphusDB cluster", "sicli");
  app.require_subcommand(1);
  app.add_option("--addr", invocation.context.addresses,
                 "address of a node, repeatable: the next one is asked when one does not answer")
      ->envname("SICLI_ADDR")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->capture_default_str();
  app.add_option("--timeout", timeout, "for the whole command, e.g. 2s or 500ms")
      ->capture_default_str();
  app.footer(
      "Exit codes: 0 ok, 1 other, 2 usage, 3 not found, 5 unavailable (nothing was changed),\n"
      "6 the outcome of a write is unknown (read, and decide whether to write again),\n"
      "8 not allowed now (a change of the cluster).");
  AddKeyCommands(app, invocation);
  AddClusterCommands(app, invocation);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    PrintError(std::string(error.what()) + " (see sicli --help)");
    return kUsage;
  }
  const auto parsed_timeout = ParseTimeout(timeout);
  if (!parsed_timeout) {
    PrintError("--timeout " + timeout + ": expected a time like 2s or 500ms");
    return kUsage;
  }
  invocation.context.timeout = *parsed_timeout;
  const absl::Status status = invocation.run(invocation.context);
  if (!status.ok()) PrintError(MessageOf(status));
  return ExitCodeOf(status);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Context::Connect() const {
  ClientOptions options{.endpoints = addresses, .timeout = timeout};
  options.attempt_timeout = std::min(options.attempt_timeout, timeout);
  return Client::Create(std::move(options));
}

}  // namespace sisyphus::sicli

int main(int argc, char** argv) { return sisyphus::sicli::Main(argc, argv); }
