// sicli: SisyphusDB from the command line. docs/cli.md is its page.

#include <clocale>
#include <csignal>

#include "tools/sicli/app.h"

int main(int argc, char** argv) {
  signal(SIGPIPE, SIG_IGN);  // A closed pipe is an error of write(), and an exit code.
  // How wide characters are is all that is asked of the locale.
  setlocale(LC_CTYPE, "C.UTF-8");
  sisyphus::sicli::CommandLine line;
  return line.Run(std::vector<std::string>(argv + 1, argv + argc));
}
