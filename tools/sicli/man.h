// Man pages, from the same descriptions as --help.
#ifndef SISYPHUS_TOOLS_SICLI_MAN_H_
#define SISYPHUS_TOOLS_SICLI_MAN_H_

#include <string>
#include <utility>
#include <vector>

namespace CLI {
class App;
}

namespace sisyphus::sicli {

// File names and their text: "sicli.1", and "sicli-COMMAND.1" with all that is below that command.
std::vector<std::pair<std::string, std::string>> ManPages(CLI::App& app);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_MAN_H_
