// sisyphusd: one node. Exit codes: 0 stopped as asked, 1 it could not go on, 2 it could not start.
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/config.h"
#include "server/log.h"
#include "server/notify.h"
#include "server/server.h"
#include "server/version.h"

namespace {

using sisyphus::server::LogEvent;
using sisyphus::server::LogLevel;

constexpr int kExitFatal = 1;
constexpr int kExitCannotStart = 2;
constexpr sisyphus::Duration kShutdownLimit = std::chrono::milliseconds(4500);

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0) return "";
  return name;
}

// A connection is a file, and so are tables and the log.
void RaiseFileLimit(size_t max_connections) {
  constexpr size_t kOtherFiles = 1'000;
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max >= max_connections + kOtherFiles)
    return;
  LogEvent(LogLevel::kWarning, "few_files",
           {{"limit", files.rlim_max},
            {"max_connections", max_connections},
            {"reason", "raise the limit of open files, or lower --max-connections"}});
}

// Under a service manager that waits to hear of it; without one, of no effect.
void Notify(const std::string& socket, std::string_view state) {
  const sisyphus::Status status = sisyphus::server::NotifyServiceManager(socket, state);
  if (status.ok()) return;
  LogEvent(LogLevel::kWarning, "notify_failed", {{"reason", sisyphus::MessageOf(status)}});
}

// The disk or the log cannot be trusted any more: nothing is tidied up, a restart recovers.
[[noreturn]] void Die(const sisyphus::Status& status) {
  LogEvent(LogLevel::kCritical, "fatal", {{"reason", sisyphus::MessageOf(status)}});
  std::_Exit(kExitFatal);
}

}  // namespace

int main(int argc, char** argv) {
  const sisyphus::server::ParsedConfig parsed =
      sisyphus::server::ParseConfig(argc, argv, HostName());
  if (parsed.message) {
    if (parsed.exit_code == 0) {
      std::fputs(parsed.message->c_str(), stdout);
    } else {
      std::fprintf(stderr, "sisyphusd: %s\n", parsed.message->c_str());
    }
    return parsed.exit_code;
  }
  sisyphus::server::SetUpLog(parsed.config.log_format, parsed.config.log_level);
  const std::string notify_socket = sisyphus::server::TakeNotifySocket();
  RaiseFileLimit(parsed.config.limits.max_connections);

  // Blocked in every thread, taken by sigwait below.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  auto server = sisyphus::server::Server::Start(parsed.config, Die);
  if (!server.ok()) {
    const std::string_view reason = sisyphus::MessageOf(server.status());
    std::fprintf(stderr, "sisyphusd: %.*s\n", static_cast<int>(reason.size()), reason.data());
    // Actors of a half-started server may hold callbacks into it; there is nothing to tidy up.
    std::fflush(nullptr);
    std::_Exit(kExitCannotStart);
  }
  LogEvent(LogLevel::kInfo, "started",
           {{"version", sisyphus::server::kVersion},
            {"node", parsed.config.id.value()},
            {"cluster", (*server)->cluster_id()},
            {"http", (*server)->http_address()},
            {"peer", (*server)->peer_address()},
            {"data", parsed.config.data_dir}});
  Notify(notify_socket, "READY=1");

  int signal_number = 0;
  sigwait(&signals, &signal_number);
  LogEvent(LogLevel::kInfo, "stopping",
           {{"signal", signal_number == SIGTERM ? "SIGTERM" : "SIGINT"}});
  Notify(notify_socket, "STOPPING=1");
  (*server)->Shutdown(kShutdownLimit);
  LogEvent(LogLevel::kInfo, "stopped");
  return 0;
}
