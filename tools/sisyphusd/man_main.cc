// sisyphusd_man FILE: writes the man page of sisyphusd there, its options as --help tells them. A
// step of the build.
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "server/config.h"

namespace {

constexpr char kHead[] = R"(.TH SISYPHUSD 8 "" SisyphusDB
.SH NAME
sisyphusd \- a node of SisyphusDB, a replicated, ordered key\-value store
.SH SYNOPSIS
.B sisyphusd
.RI [ OPTIONS ]
.SH DESCRIPTION
Serves the HTTP API, and replicates what is written to the other members of its cluster. Everything that
it keeps is in its data directory. SIGTERM and SIGINT hand its leadership over, let requests in flight
finish, and end it within 5 seconds. To a service manager that gave it NOTIFY_SOCKET it says READY=1 once it
serves, and STOPPING=1 when it begins to stop.
.PP
Each option can also stand in the environment, or in the file of \fB\-\-config\fR as a line
.I NAME = VALUE
without the hyphens before it. The command line counts most, then the environment, then the file.
.SH OPTIONS
)";

constexpr char kTail[] = R"(.SH EXIT STATUS
.TP
.B 0
stopped as asked
.TP
.B 1
it could not go on: a failed sync, damage found
.TP
.B 2
it could not start, or was started wrongly
.SH FILES
.TP
.I /etc/sisyphus/sisyphusd.conf
the settings that the service starts with
.TP
.I /var/lib/sisyphus
the data directory of the service
.SH SEE ALSO
.BR sicli (1)
)";

// As man(7) takes it: no hyphen becomes a dash.
std::string Plain(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else {
      if (c == '-') out.push_back('\\');
      out.push_back(c);
    }
  }
  return out;
}

// --help has options at two columns and what they mean further right or on the next line; titles of
// groups begin at the first column and end with a colon.
std::string Options(const std::string& help) {
  std::istringstream lines(help.substr(help.find("Options:\n") + 9));
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    const size_t begin = line.find_first_not_of(' ');
    if (begin == std::string::npos) continue;
    if (begin == 0) {
      out += ".SS " + Plain(line.substr(0, line.size() - 1)) + "\n";
    } else if (begin == 2) {
      const size_t gap = line.find("  ", begin);
      out += ".TP\n.B " + Plain(line.substr(begin, gap - begin)) + "\n";
      if (gap != std::string::npos)
        out += Plain(line.substr(line.find_first_not_of(' ', gap))) + "\n";
    } else {
      out += Plain(line.substr(begin)) + "\n";
    }
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return std::cerr << "usage: sisyphusd_man FILE\n", 2;
  const char* const arguments[] = {"sisyphusd", "--help"};
  const auto parsed = sisyphus::server::ParseConfig(2, arguments, "");
  std::ofstream file(argv[1]);
  file << kHead << Options(parsed.message.value_or("")) << kTail;
  if (!file.flush()) return std::cerr << "sisyphusd_man: cannot write " << argv[1] << "\n", 1;
  return 0;
}
