#include "tests/sim/crash_note.h"

#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <string>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace sisyphus::testing {
namespace {

// Written before the crash, so that the handler has nothing to format.
char note[64];

void WriteNote() {
  const ssize_t written = write(STDERR_FILENO, note, strlen(note));
  static_cast<void>(written);  // There is nobody left to tell.
}

// SA_RESETHAND: the signal comes again, to its default end.
void OnSignal(int signal) {
  WriteNote();
  raise(signal);
}

void InstallOnce() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  __sanitizer_set_death_callback(WriteNote);
  constexpr int kSignals[] = {SIGABRT};  // The sanitizer has the others.
#else
  constexpr int kSignals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
#endif
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
  for (const int signal : kSignals) sigaction(signal, &action, nullptr);
}

}  // namespace

void NoteSeed(uint64_t seed) {
  static std::once_flag once;
  std::call_once(once, InstallOnce);
  const std::string text = "sim: the run of seed " + std::to_string(seed) + " ends here\n";
  text.copy(note, sizeof(note) - 1);
  note[text.size()] = '\0';
}

}  // namespace sisyphus::testing
