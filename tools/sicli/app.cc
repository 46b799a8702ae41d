#include "tools/sicli/app.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>

#include "base/status.h"
#include "tools/sicli/curl.h"
#include "tools/sicli/help.h"
#include "tools/sicli/suggest.h"

namespace sisyphus::sicli {
namespace {

constexpr AddCommands kGroups[] = {
    AddKeyCommands,         // put, get, delete
    AddRangeCommands,       // scan, count
    AddExportCommands,      // export
    AddImportCommands,      // import
    AddTxnCommands,         // txn
    AddWatchCommands,       // watch, history
    AddLeaseCommands,       // lease
    AddClusterCommands,     // status, member, leader
    AddOperationCommands,   // health, compact
    AddCheckCommands,       // check
    AddMetricsCommands,     // metrics
    AddTestCommands,        // test
    AddConfigCommands,      // config
    AddShellCommands,       // shell
    AddCompletionCommands,  // completion
};

constexpr char kFooter[] =
    "Data goes to standard output, everything else to standard error.\n"
    "Exit codes: 0 ok, 1 other, 2 usage, 3 not found, 4 a comparison did not hold,\n"
    "5 unavailable (nothing was changed), 6 the outcome of a write is unknown (read, and decide\n"
    "whether to write again), 7 refused (overloaded, too large or out of space), 8 not allowed,\n"
    "9 a check failed, 130 interrupted.";

constexpr char kCommandFooter[] =
    "Flags of all commands (--addr, --timeout, -o, --curl ...) and exit codes: sicli --help";

constexpr char kExitPayload[] = "sisyphus/exit-code";

int ExitCodeOf(const absl::Status& status, bool compares) {
  if (const auto payload = status.GetPayload(kExitPayload)) {
    return std::stoi(std::string(*payload));
  }
  switch (status.code()) {
    case StatusCode::kOk:
      return kExitOk;
    case StatusCode::kInvalidArgument:
      return kExitUsage;
    case StatusCode::kNotFound:
      return kExitNotFound;
    case StatusCode::kUnavailable:
      return kExitUnavailable;
    case StatusCode::kDeadlineExceeded:
      return kExitOutcomeUnknown;
    case StatusCode::kResourceExhausted:
      return kExitRefused;
    case StatusCode::kFailedPrecondition:
      return compares ? kExitCompareFailed : kExitNotAllowed;
    case StatusCode::kAborted:
    case StatusCode::kPermissionDenied:
    case StatusCode::kUnauthenticated:
      return kExitNotAllowed;
    default:
      return kExitOther;
  }
}

// What the command line says beside the command.
struct GlobalFlags {
  std::vector<std::string> addresses;
  std::string timeout;
  std::string context;
  Format format = Format::kTable;
  bool curl = false;

  void AddTo(CLI::App& app) {
    app.add_option("--addr,--server-url", addresses,
                   "address of a node, repeatable: the next one is asked when one does not answer "
                   "(default http://127.0.0.1:8001; environment: SICLI_ADDR)")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->type_name("ADDRESS");
    app.add_option("--timeout", timeout,
                   "for the whole command, e.g. 2s or 500ms (default 10s; environment: "
                   "SICLI_TIMEOUT)")
        ->type_name("TIME");
    app.add_option("--context", context,
                   "the set of settings to use, see sicli config (environment: SICLI_CONTEXT)")
        ->type_name("NAME");
    app.add_option("-o,--output", format,
                   "table (the default on a terminal), simple (the default elsewhere), json, yaml "
                   "or raw (values alone)")
        ->transform(CLI::Transformer(std::map<std::string, Format>{{"table", Format::kTable},
                                                                   {"json", Format::kJson},
                                                                   {"yaml", Format::kYaml},
                                                                   {"simple", Format::kSimple},
                                                                   {"raw", Format::kRaw}}))
        ->type_name("FORMAT");
    app.add_flag("--curl", curl, "print the request as a curl command instead of sending it");
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

// What holds for every command: the flags of all of them may stand behind it, too.
void CompleteCommands(CLI::App* parent) {
  for (CLI::App* command : parent->get_subcommands([](CLI::App*) { return true; })) {
    if (parent->get_parent() != nullptr) command->group("Commands");
    command->fallthrough();
    std::string footer = command->get_footer();
    if (!footer.empty()) footer += "\n\n";
    command->footer(footer + kCommandFooter);
    CompleteCommands(command);
  }
}

// The commands that were recognised, outermost first.
std::vector<CLI::App*> ParsedPath(CLI::App* app) {
  std::vector<CLI::App*> path = {app};
  while (!path.back()->get_subcommands().empty()) {
    path.push_back(path.back()->get_subcommands().front());
  }
  return path;
}

std::vector<std::string> CommandNames(CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app->get_subcommands([](CLI::App*) { return true; })) {
    if (!command->get_group().empty()) names.push_back(command->get_name());
  }
  return names;
}

std::vector<std::string> FlagNames(const std::vector<CLI::App*>& path) {
  std::vector<std::string> names;
  for (const CLI::App* app : path) {
    for (const CLI::Option* option : app->get_options()) {
      for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
  }
  return names;
}

// One line that says what is wrong, and the word that was probably meant.
std::string Explain(CLI::App* app, const CLI::ParseError& error) {
  const std::vector<CLI::App*> path = ParsedPath(app);
  std::string typed = "sicli";
  for (size_t i = 1; i < path.size(); ++i) typed += " " + path[i]->get_name();
  const std::string see = " (see " + typed + " --help)";
  const std::vector<std::string> names = CommandNames(path.back());
  std::vector<std::string> unknown;
  for (auto level = path.rbegin(); level != path.rend() && unknown.empty(); ++level) {
    unknown = (*level)->remaining();
  }
  const auto dashed = [](const std::string& word) { return word.size() > 1 && word[0] == '-'; };
  const auto flag = std::find_if(unknown.begin(), unknown.end(), dashed);
  if (flag != unknown.end()) {
    const std::string word = flag->substr(0, flag->find('='));
    const std::string meant = DidYouMean(word, FlagNames(path));
    const std::string hint =
        meant.empty() ? "; what begins with - and is no flag goes behind --" : "";
    return "there is no flag " + word + meant + hint + see;
  }
  if (!unknown.empty() && !names.empty()) {
    return "there is no command \"" + typed.substr(typed.size() > 6 ? 6 : typed.size()) +
           (path.size() > 1 ? " " : "") + unknown.front() + "\"" +
           DidYouMean(unknown.front(), names) + see;
  }
  if (!unknown.empty()) return "one word too many: \"" + unknown.front() + "\"" + see;
  if (!names.empty()) return "a command is missing" + see;
  return std::string(error.what()) + see;
}

}  // namespace

class CommandLine::Impl {
 public:
  Impl() {
    app.require_subcommand(1);
    app.formatter(std::make_shared<HelpFormatter>());
    app.get_help_ptr()->description("print this help message and exit");
    flags.AddTo(app);
    for (const AddCommands add : kGroups) add(app, invocation);
    CompleteCommands(&app);
    app.footer(kFooter);
  }

  int Run(std::vector<std::string> arguments, std::optional<Format> chosen) {
    std::reverse(arguments.begin(), arguments.end());  // As CLI11 takes a vector.
    try {
      app.parse(std::move(arguments));
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return app.exit(error);  // --help
      PrintError(Explain(&app, error));
      return kExitUsage;
    }
    Context context;
    context.flags = flags.Given(app);
    context.curl = flags.curl;
    if (app.count("--output") > 0) chosen = flags.format;
    context.format = chosen;
    context.output = Output::ForStandardOutput(chosen ? &*chosen : nullptr);
    absl::Status status = invocation.about_settings ? OkStatus() : Resolve(&context);
    if (status.ok()) status = invocation.run(context);
    if (context.curl && status.code() == StatusCode::kCancelled) return kExitOk;
    if (!status.ok() && !status.message().empty()) PrintError(MessageOf(status));
    return ExitCodeOf(status, invocation.compares);
  }

  CLI::App app{"sicli: talks to a SisyphusDB cluster", "sicli"};
  Invocation invocation;
  GlobalFlags flags;
};

CommandLine::CommandLine() : impl_(std::make_unique<Impl>()) {}
CommandLine::~CommandLine() = default;
CLI::App& CommandLine::app() { return impl_->app; }
int CommandLine::Run(std::vector<std::string> arguments, std::optional<Format> format) {
  return impl_->Run(std::move(arguments), format);
}

ClientOptions Context::Options() const {
  ClientOptions options{.endpoints = addresses, .timeout = timeout};
  options.attempt_timeout = std::min(options.attempt_timeout, timeout);
  if (curl) {
    options.instead_of_sending = [this](const ClientRequest& request) {
      const Status written = WriteOut(CurlLine(request, body_source) + "\n");
      if (!written.ok()) PrintError(MessageOf(written));
    };
  }
  return options;
}

absl::StatusOr<std::unique_ptr<Client>> Context::Connect() const {
  return Client::Create(Options());
}

absl::Status ExitWith(ExitCode code, const std::string& message) {
  absl::Status status(StatusCode::kUnknown, message);
  status.SetPayload(kExitPayload, absl::Cord(std::to_string(code)));
  return status;
}

void PrintError(std::string_view message) {
  std::string line(message);
  std::replace(line.begin(), line.end(), '\n', ' ');
  std::fprintf(stderr, "sicli: %s\n", line.c_str());
}

}  // namespace sisyphus::sicli
