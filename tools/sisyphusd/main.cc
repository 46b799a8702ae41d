// sisyphusd: one node. Exit codes: 0 stopped as asked, 1 it could not go on, 2 it could not start.
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "server/config.h"
#include "server/server.h"
#include "server/version.h"

namespace {

constexpr int kExitFatal = 1;
constexpr int kExitCannotStart = 2;
constexpr sisyphus::Duration kShutdownLimit = std::chrono::milliseconds(4500);

std::string HostName() {
  char name[256] = {};
  if (gethostname(name, sizeof(name) - 1) != 0) return "";
  return name;
}

void SetUpLogging(const std::string& level) {
  auto logger = spdlog::stderr_logger_mt("sisyphusd");
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%fZ %l %v", spdlog::pattern_time_type::utc);
  logger->set_level(spdlog::level::from_str(level));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

// A connection is a file, and so are tables and the log.
void RaiseFileLimit(size_t max_connections) {
  constexpr size_t kOtherFiles = 1'000;
  rlimit files = {};
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_max >= max_connections + kOtherFiles)
    return;
  spdlog::warn(
      "event=few_files limit={} max_connections={}: raise the limit of open files, or lower "
      "--max-connections",
      files.rlim_max, max_connections);
}

// The disk or the log cannot be trusted any more: nothing is tidied up, a restart recovers.
[[noreturn]] void Die(const sisyphus::Status& status) {
  spdlog::critical("event=fatal reason=\"{}\"", sisyphus::MessageOf(status));
  spdlog::default_logger_raw()->flush();
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
  SetUpLogging(parsed.config.log_level);
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
  spdlog::info("event=started version={} node={} cluster={} http={} peer={} data={}",
               sisyphus::server::kVersion, parsed.config.id.value(), (*server)->cluster_id(),
               (*server)->http_address(), (*server)->peer_address(), parsed.config.data_dir);

  int signal_number = 0;
  sigwait(&signals, &signal_number);
  spdlog::info("event=stopping signal={}", signal_number == SIGTERM ? "SIGTERM" : "SIGINT");
  (*server)->Shutdown(kShutdownLimit);
  spdlog::info("event=stopped");
  return 0;
}
