#include "tests/chaos/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/check.h"
#include "base/thread_executor.h"

namespace sisyphus::chaos {
namespace {

constexpr Duration kCommandLimit = std::chrono::seconds(60);

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> Environment(const std::vector<std::pair<std::string, std::string>>& more) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    // What configures our programs comes from the test alone.
    const std::string_view text(*variable);
    const bool replaced = std::any_of(more.begin(), more.end(), [&](const auto& given) {
      return text.starts_with(given.first + "=");
    });
    if (!replaced && !text.starts_with("SISYPHUS_") && !text.starts_with("SICLI_")) {
      variables.emplace_back(text);
    }
  }
  for (const auto& [name, value] : more) variables.push_back(name + "=" + value);
  return variables;
}

// Between fork and exec: system calls only.
[[noreturn]] void BecomeChild(const ProcessOptions& options, pid_t parent, char** argv,
                              char** envp) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);  // It died before it could tie us.
  const int in = open(options.stdin_path.c_str(), O_RDONLY);
  const int out = open(options.stdout_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  const int err = open(options.stderr_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (in < 0 || out < 0 || err < 0) _exit(126);
  if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0) _exit(126);
  close_range(3, ~0U, 0);
  if (!options.working_directory.empty() && chdir(options.working_directory.c_str()) != 0) {
    _exit(126);
  }
  execve(argv[0], argv, envp);
  _exit(127);
}

}  // namespace

Process::Process(const ProcessOptions& options) {
  std::vector<std::string> arguments = options.argv;
  std::vector<std::string> variables = Environment(options.environment);
  std::vector<char*> argv = Pointers(arguments);
  std::vector<char*> envp = Pointers(variables);
  const pid_t parent = getpid();
  pid_ = fork();
  SIS_CHECK(pid_ >= 0, "fork failed");
  if (pid_ == 0) BecomeChild(options, parent, argv.data(), envp.data());
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  SIS_CHECK(pidfd_ >= 0, "pidfd_open failed");
}

Process::~Process() {
  Signal(SIGKILL);
  SIS_CHECK(WaitExit(kCommandLimit).has_value(), "a killed process does not end");
  close(pidfd_);
}

void Process::Signal(int signal_number) {
  if (!exit_) kill(pid_, signal_number);  // Not yet waited for: the number is still its own.
}

std::optional<int> Process::WaitExit(Duration timeout) {
  if (exit_) return exit_;
  const MonotonicTime deadline = Now() + timeout;
  pollfd ended{.fd = pidfd_, .events = POLLIN, .revents = 0};
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Now()).count();
    const int n = poll(&ended, 1, static_cast<int>(std::max<int64_t>(left, 0)));
    if (n > 0) break;
    if (n == 0 && Now() >= deadline) return std::nullopt;
  }
  int status = 0;
  SIS_CHECK(waitpid(pid_, &status, 0) == pid_, "waitpid failed");
  exit_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  return exit_;
}

CommandResult Run(const std::vector<std::string>& argv, const std::string& input,
                  const std::vector<std::pair<std::string, std::string>>& environment) {
  ScratchDirectory scratch;
  ProcessOptions options{.argv = argv,
                         .environment = environment,
                         .stdin_path = scratch.path() + "/in",
                         .stdout_path = scratch.path() + "/out",
                         .stderr_path = scratch.path() + "/err",
                         .working_directory = scratch.path()};
  WriteFile(options.stdin_path, input);
  Process process(options);
  const std::optional<int> exit_code = process.WaitExit(kCommandLimit);
  EXPECT_TRUE(exit_code.has_value()) << argv[0] << " does not end";
  return {exit_code.value_or(-SIGALRM), ReadFile(options.stdout_path),
          ReadFile(options.stderr_path)};
}

ScratchDirectory::ScratchDirectory() {
  std::string pattern = testing::TempDir() + "/sisyphus-chaos-XXXXXX";
  SIS_CHECK(mkdtemp(pattern.data()) != nullptr, "mkdtemp " + pattern);
  path_ = pattern;
}

ScratchDirectory::~ScratchDirectory() {
  if (testing::Test::HasFailure()) {
    std::fprintf(stderr, "kept: %s\n", path_.c_str());
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void WriteFile(const std::string& path, const std::string& content) {
  std::ofstream out(path, std::ios::binary);
  out << content;
  out.close();
  SIS_CHECK(out.good(), "cannot write " + path);
}

MonotonicTime Now() { return RealClock().Now(); }

void Breathe() { poll(nullptr, 0, 5); }

}  // namespace sisyphus::chaos
