// sicli_man DIRECTORY: writes the man pages there. A step of the build.

#include <fstream>
#include <iostream>

#include "tools/sicli/app.h"
#include "tools/sicli/man.h"

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "usage: sicli_man DIRECTORY\n", 2;
  sisyphus::sicli::CommandLine line;
  for (const auto& [name, text] : sisyphus::sicli::ManPages(line.app())) {
    std::ofstream file(std::string(argv[1]) + "/" + name);
    file << text;
    if (!file.flush()) return std::cerr << "sicli_man: cannot write " << name << "\n", 1;
  }
  return 0;
}
