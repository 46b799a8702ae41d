// Which words may come next, from the same description that parses them.
#ifndef SISYPHUS_TOOLS_SICLI_COMPLETION_H_
#define SISYPHUS_TOOLS_SICLI_COMPLETION_H_

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace sisyphus::sicli {

struct Candidate {
  std::string word;
  std::string help;
};

// The commands and flags that the last of `words` may become; the others stand before it, without
// "sicli". Nothing where a value is expected.
std::vector<Candidate> Complete(CLI::App& app, const std::vector<std::string>& words);

// The last of `words` is to be a key, or the beginning of one.
bool IsKeyExpected(CLI::App& app, const std::vector<std::string>& words);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_COMPLETION_H_
