// The words of a line, as the shell of sicli takes them apart.
//
// Blanks end a word. 'single quotes' keep all as it is; between "double quotes" there are \n, \t,
// \", \\ and \xHH; elsewhere \ takes the next character as it is. What stands side by side is one
// word. A # where a word would begin makes the rest a comment.
#ifndef SISYPHUS_TOOLS_SICLI_SHELL_WORDS_H_
#define SISYPHUS_TOOLS_SICLI_SHELL_WORDS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace sisyphus::sicli {

// kInvalidArgument: a quote is not closed, or \ says nothing.
absl::StatusOr<std::vector<std::string>> SplitWords(std::string_view line);

// A line that is being typed, up to the cursor.
struct OpenLine {
  std::vector<std::string> words;  // The last one is being typed; it may be empty.
  size_t last_begin = 0;           // Where that one begins in the line, with its quotes.
  bool comment = false;            // There is no word at the cursor.
};
OpenLine SplitOpenLine(std::string_view line);

// `word` so that SplitWords gives it back.
std::string Quoted(std::string_view word);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_SHELL_WORDS_H_
