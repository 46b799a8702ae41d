#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "base/check.h"
#include "tests/sim/plants.h"
#include "tests/sim/sim_run.h"

namespace sisyphus::testing {
namespace {

constexpr char kSeedMark[] = "sim: the run of seed ";  // As in crash_note.cc.
constexpr char kCheckMark[] = "check failed: ";

double ChildrenCpuSeconds() {
  rusage usage{};
  SIS_CHECK(getrusage(RUSAGE_CHILDREN, &usage) == 0, "getrusage");
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// The child's: what it finds goes to standard error, as what ends it by itself does.
[[noreturn]] void RunUntilFailure(const Plant& plant, const Hunt& hunt) {
  planted = plant.mistake;
  for (uint64_t seed = hunt.first_seed; seed < hunt.first_seed + hunt.seeds; ++seed) {
    const SimRunResult result =
        SimRun({.seed = seed, .nodes = hunt.nodes, .seconds = hunt.seconds}).Execute();
    if (result.failure.empty()) continue;
    std::fprintf(stderr, "%s\n%s%llu\n", result.failure.c_str(), kSeedMark,
                 static_cast<unsigned long long>(seed));
    std::fflush(stderr);
    _exit(1);
  }
  _exit(0);
}

std::string ReadAll(int from) {
  std::string all;
  char bytes[4096];
  for (ssize_t n = 0; (n = read(from, bytes, sizeof(bytes))) > 0;) {
    all.append(bytes, static_cast<size_t>(n));
  }
  return all;
}

}  // namespace

Finding HuntFor(const Plant& plant, const Hunt& hunt) {
  const double begin = ChildrenCpuSeconds();
  int ends[2];
  SIS_CHECK(pipe(ends) == 0, "no pipe");
  std::fflush(stdout);
  const pid_t child = fork();
  SIS_CHECK(child >= 0, "no second process");
  if (child == 0) {
    dup2(ends[1], STDERR_FILENO);
    close(ends[0]);
    close(ends[1]);
    RunUntilFailure(plant, hunt);
  }
  close(ends[1]);
  const std::string said = ReadAll(ends[0]);
  close(ends[0]);
  int status = 0;
  SIS_CHECK(waitpid(child, &status, 0) == child, "the second process is lost");
  Finding finding;
  finding.cpu_seconds = ChildrenCpuSeconds() - begin;
  const size_t mark = said.rfind(kSeedMark);
  const bool failed = WIFEXITED(status) && WEXITSTATUS(status) == 1;
  const size_t check = said.find(kCheckMark);
  const bool checked = WIFSIGNALED(status) && check != std::string::npos;
  if (mark != std::string::npos && (failed || checked)) {
    finding.seed = std::strtoull(said.c_str() + mark + sizeof(kSeedMark) - 1, nullptr, 10);
    finding.check = said.substr(checked ? check : 0);
  } else if (status != 0) {
    finding.check = "the run ended otherwise: " + said;
  }
  finding.check.resize(std::min(finding.check.find('\n'), finding.check.size()));
  return finding;
}

}  // namespace sisyphus::testing
