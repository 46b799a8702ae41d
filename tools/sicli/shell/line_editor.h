// LineEditor: reads lines from a terminal, with editing, history and completion, by libedit.
//
// Emacs keys, or what ~/.editrc says. Tab completes, Ctrl-R searches, Ctrl-C gives the line up,
// Ctrl-D on an empty line is the end. One at a time in a process.
#ifndef SISYPHUS_TOOLS_SICLI_SHELL_LINE_EDITOR_H_
#define SISYPHUS_TOOLS_SICLI_SHELL_LINE_EDITOR_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tools/sicli/completion.h"

namespace sisyphus::sicli {

// What the end of a line may become.
struct Completions {
  size_t begin = 0;  // They replace all from here on.
  std::vector<Candidate> candidates = {};
};

class LineEditor {
 public:
  // `complete` gets the line up to the cursor.
  using Completer = std::function<Completions(std::string_view line)>;
  enum class Outcome { kLine, kGivenUp, kEnd };

  // Standard input and output have to be a terminal.
  static absl::StatusOr<std::unique_ptr<LineEditor>> Create(Completer complete);
  virtual ~LineEditor() = default;

  // Blocks. `line` is without a newline. Prompts may hold escape sequences, each between \1 and \1.
  virtual Outcome Read(const std::string& prompt, std::string* line) = 0;
  // Up brings it back.
  virtual void Remember(const std::string& line) = 0;
};

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_SHELL_LINE_EDITOR_H_
