// sicli shell.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "base/status.h"
#include "tools/sicli/app.h"
#include "tools/sicli/completion.h"
#include "tools/sicli/shell/history_file.h"
#include "tools/sicli/shell/line_editor.h"
#include "tools/sicli/shell/words.h"

namespace sisyphus::sicli {
namespace {

using Words = std::vector<std::string>;

// Who presses Tab does not wait for long, nor read many keys.
constexpr std::chrono::milliseconds kKeysTimeout{1'000};
constexpr uint64_t kMostKeys = 50;

struct OwnWord {
  std::string_view word;
  const char* help;
};
constexpr OwnWord kOwnWords[] = {{"exit", "Leave this shell"}, {"help", "What a command does"}};

Status Invalid(const std::string& what) { return MakeStatus(StatusCode::kInvalidArgument, what); }

bool IsExit(const Words& words) { return words.front() == "exit" || words.front() == "quit"; }

// What was given to the shell holds for its commands, as if it stood in the environment: their own
// flags count more.
void PassOn(const SettingValues& flags) {
  for (const auto& [name, variable] :
       {std::pair("addr", "SICLI_ADDR"), std::pair("timeout", "SICLI_TIMEOUT"),
        std::pair("context", "SICLI_CONTEXT")}) {
    const auto found = flags.find(name);
    if (found != flags.end()) setenv(variable, found->second.c_str(), /*overwrite=*/1);
  }
}

// "help put" is "put --help".
Words Meant(Words words) {
  if (words.front() == "sicli") words.erase(words.begin());
  if (words.empty() || words.front() != "help") return words;
  std::rotate(words.begin(), words.begin() + 1, words.end());
  words.back() = "--help";
  return words;
}

// Runs one command in a process of its own, as if it had been typed behind "sicli": Ctrl-C ends it
// and not the shell. Its exit code, as a shell says it.
StatusOr<int> RunCommand(const Words& words, std::optional<Format> format, bool interactive) {
  std::fflush(nullptr);
  const auto before = interactive ? signal(SIGINT, SIG_IGN) : SIG_DFL;
  const pid_t child = fork();
  if (child < 0) {
    return MakeStatus(StatusCode::kInternal, std::string(MessageOf(ErrnoStatus(errno, "fork"))));
  }
  if (child == 0) {
    if (interactive) {
      signal(SIGINT, SIG_DFL);
    } else {
      // What stands on standard input is the shell's.
      const int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
      if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0) _exit(kExitOther);
    }
    CommandLine line;
    const int code = line.Run(words, format);
    std::cout.flush();
    std::fflush(nullptr);
    _exit(code);
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (interactive) signal(SIGINT, before);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// --- At a terminal ---

class InteractiveShell {
 public:
  explicit InteractiveShell(const Context& context) : context_(context) {}

  Status Run() {
    SIS_ASSIGN_OR_RETURN(
        editor_, LineEditor::Create([this](std::string_view line) { return CompletionsOf(line); }));
    StatusOr<Words> lines = history_.Load();
    if (!lines.ok()) PrintError(MessageOf(lines.status()));
    if (lines.ok()) {
      for (const std::string& line : *lines) editor_->Remember(line);
      if (!lines->empty()) last_ = lines->back();
    }
    std::fprintf(stderr, "%s. Tab completes; help lists what there is; Ctrl-D or exit leaves.\n",
                 Where().c_str());
    std::string line;
    while (true) {
      const LineEditor::Outcome outcome = editor_->Read(Prompt(), &line);
      if (outcome == LineEditor::Outcome::kEnd) break;
      if (outcome == LineEditor::Outcome::kGivenUp) {
        code_ = kExitOk;
        continue;
      }
      SIS_ASSIGN_OR_RETURN(const bool more, RunLine(line));
      if (!more) return OkStatus();
    }
    return WriteOut("\n");
  }

 private:
  std::string Where() const {
    std::string all;
    for (const std::string& address : context_.addresses) {
      all += (all.empty() ? "" : ", ") + address;
    }
    return all;
  }

  std::string Prompt() const {
    if (code_ == kExitOk) return "sicli> ";
    const std::string code = "[" + std::to_string(code_) + "]";
    if (!context_.output.colour()) return "sicli" + code + "> ";
    return "sicli\1\x1b[31m\1" + code + "\1\x1b[0m\1> ";
  }

  // False: that was the end.
  StatusOr<bool> RunLine(const std::string& line) {
    StatusOr<Words> words = SplitWords(line);
    if (words.ok() && words->empty()) return true;
    Keep(line);
    if (words.ok()) *words = Meant(*std::move(words));
    if (words.ok() && words->empty()) return true;
    if (words.ok() && IsExit(*words)) return false;
    if (!words.ok()) {
      PrintError(MessageOf(words.status()));
      code_ = kExitUsage;
      return true;
    }
    SIS_ASSIGN_OR_RETURN(code_, RunCommand(*words, context_.format, /*interactive=*/true));
    return true;
  }

  // Lines that begin with a blank are not kept, nor repetitions.
  void Keep(const std::string& line) {
    if (line == last_ || line.starts_with(' ')) return;
    last_ = line;
    editor_->Remember(line);
    const Status status = history_.Add(line);
    if (!status.ok() && !std::exchange(told_, true)) {
      PrintError("lines are not remembered: " + std::string(MessageOf(status)));
    }
  }

  Completions CompletionsOf(std::string_view line) const {
    const OpenLine open = SplitOpenLine(line);
    Completions found{.begin = open.last_begin};
    if (open.comment) return found;
    Words words = open.words;
    if (words.size() > 1 && words.front() == "sicli") words.erase(words.begin());
    const bool help = words.size() > 1 && words.front() == "help";
    if (help) words.erase(words.begin());
    CommandLine command_line;
    found.candidates = Complete(command_line.app(), words);
    if (words.size() == 1 && !help) {
      for (const OwnWord& own : kOwnWords) {
        if (!own.word.starts_with(words.front())) continue;
        found.candidates.push_back({std::string(own.word), own.help});
      }
    }
    if (found.candidates.empty() && IsKeyExpected(command_line.app(), words)) {
      found.candidates = KeysFrom(words.back());
    }
    for (Candidate& each : found.candidates) each.word = Quoted(each.word);
    return found;
  }

  // The keys that begin with `beginning`, of whoever answers soon. Bytes that are no text cannot be
  // typed either.
  std::vector<Candidate> KeysFrom(const std::string& beginning) const {
    std::vector<Candidate> keys;
    ClientOptions options = context_.Options();
    options.timeout = options.attempt_timeout = kKeysTimeout;
    const auto client = Client::Create(options);
    if (!client.ok()) return keys;
    const auto page =
        (*client)->Range(KeyRange::Prefix(beginning), {.limit = kMostKeys, .keys_only = true}, "");
    if (!page.ok()) return keys;
    for (const KeyValue& kv : page->kvs) {
      if (Escaped(kv.key) == kv.key) keys.push_back({kv.key, ""});
    }
    return keys;
  }

  const Context& context_;
  const HistoryFile history_;
  std::unique_ptr<LineEditor> editor_;
  std::string last_;  // That was kept.
  int code_ = kExitOk;
  bool told_ = false;
};

// --- From a file or a pipe ---

Status RunScript(const Context& context) {
  std::string line;
  for (uint64_t number = 1; std::getline(std::cin, line); ++number) {
    const std::string place = "standard input:" + std::to_string(number) + ": ";
    StatusOr<Words> words = SplitWords(line);
    if (!words.ok()) return Invalid(place + std::string(MessageOf(words.status())));
    if (words->empty()) continue;
    *words = Meant(*std::move(words));
    if (words->empty()) continue;
    if (IsExit(*words)) return OkStatus();
    SIS_ASSIGN_OR_RETURN(const int code, RunCommand(*words, context.format, /*interactive=*/false));
    if (code != kExitOk) {
      return ExitWith(static_cast<ExitCode>(code),
                      place + "ended with exit code " + std::to_string(code));
    }
  }
  return OkStatus();
}

Status Shell(const Context& context) {
  if (context.curl) return Invalid("--curl stands behind the command that it is about");
  PassOn(context.flags);
  if (isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1) {
    return InteractiveShell(context).Run();
  }
  return RunScript(context);
}

}  // namespace

void AddShellCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* command =
      app.add_subcommand("shell", "Take commands line by line, with history and completion");
  command->group(kToolGroup);
  command->footer(
      "  sicli> put greeting \"hello world\"\n"
      "  sicli> get gr<Tab>\n\n"
      "A line is what stands behind sicli elsewhere. Words with blanks stand in quotes; between\n"
      "double quotes there are \\n, \\t, \\\", \\\\ and \\xHH; # begins a comment. Tab completes\n"
      "commands, flags and keys, Up and Ctrl-R find earlier lines, Ctrl-C gives a line up or ends\n"
      "the command that runs, and the prompt shows an exit code that is not 0. The flags of the\n"
      "shell hold for its commands. Lines are kept in ~/.local/state/sicli/history, which only\n"
      "you can read, unless they begin with a blank. ~/.editrc changes keys (see editrc(5)).\n\n"
      "When standard input is no terminal, its lines are run until one fails, with whose exit "
      "code\n"
      "it ends.");
  command->callback(
      [&invocation] { invocation.run = [](const Context& context) { return Shell(context); }; });
}

}  // namespace sisyphus::sicli
