// Process: a program that the test starts and that does not outlive it.
//
// Threads: start processes from the test's main thread only (the kernel ties a child's life to the
// thread that forked it).
#ifndef SISYPHUS_TESTS_CHAOS_PROCESS_H_
#define SISYPHUS_TESTS_CHAOS_PROCESS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"

namespace sisyphus::chaos {

struct ProcessOptions {
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> environment = {};  // Beside the test's own.
  std::string stdin_path = "/dev/null";
  std::string stdout_path = "/dev/null";  // Both are appended to.
  std::string stderr_path = "/dev/null";
  std::string working_directory = {};  // Empty: the test's.
};

class Process {
 public:
  explicit Process(const ProcessOptions& options);
  ~Process();  // Kills it.
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }

  // Does nothing once the process has ended.
  void Signal(int signal_number);

  // Waits for the end: the exit code, or minus the signal that ended it. nullopt: it still runs.
  std::optional<int> WaitExit(Duration timeout);

 private:
  pid_t pid_ = -1;
  int pidfd_ = -1;
  std::optional<int> exit_;
};

struct CommandResult {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// Runs a command to its end, at most a minute.
CommandResult Run(const std::vector<std::string>& argv, const std::string& input = "",
                  const std::vector<std::pair<std::string, std::string>>& environment = {});

// A fresh directory, deleted with everything in it; kept if the test has failed by then.
class ScratchDirectory {
 public:
  ScratchDirectory();
  ~ScratchDirectory();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string ReadFile(const std::string& path);
void WriteFile(const std::string& path, const std::string& content);

// Asks `condition` again and again until it holds (true) or the time is over. For what only another
// process knows: there is no event to wait for.
template <typename Condition>
[[nodiscard]] bool Eventually(Duration timeout, Condition condition);

// A moment between two questions of Eventually.
void Breathe();
MonotonicTime Now();

template <typename Condition>
bool Eventually(Duration timeout, Condition condition) {
  const MonotonicTime deadline = Now() + timeout;
  while (!condition()) {
    if (Now() >= deadline) return false;
    Breathe();
  }
  return true;
}

}  // namespace sisyphus::chaos

#endif  // SISYPHUS_TESTS_CHAOS_PROCESS_H_
