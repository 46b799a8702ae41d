#include "tools/sicli/help.h"

#include <algorithm>

namespace sisyphus::sicli {
namespace {

constexpr size_t kIndent = 26;
constexpr size_t kWidth = 96;

std::string Entry(const std::string& name, const std::string& description) {
  std::string text = "  " + name;
  if (text.size() + 2 > kIndent) {
    text += "\n";
  } else {
    text.append(kIndent - text.size(), ' ');
  }
  const bool own_line = text.back() == '\n';
  if (own_line) text.append(kIndent, ' ');
  size_t column = kIndent;
  size_t at = 0;
  while (at < description.size()) {
    const size_t end = std::min(description.find(' ', at), description.size());
    const std::string word = description.substr(at, end - at);
    if (column > kIndent && column + 1 + word.size() > kWidth) {
      text += "\n" + std::string(kIndent, ' ');
      column = kIndent;
    }
    if (column > kIndent) text += " ";
    text += word;
    column += word.size() + (column > kIndent ? 1 : 0);
    at = end + 1;
  }
  return text + "\n";
}

}  // namespace

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  const std::string name =
      is_positional ? make_option_name(option, true) + (option->get_expected_max() > 1 ? "..." : "")
                    : OptionSynopsis(*option);
  return Entry(name, make_option_desc(option));
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  if (option->get_type_size() == 0) return "";  // A flag.
  const std::string type = option->get_type_name();
  return " " + get_label(type.substr(0, type.find(':')));
}

std::string HelpFormatter::make_subcommand(const CLI::App* command) const {
  return Entry(command->get_name(), command->get_description());
}

std::string OptionSynopsis(const CLI::Option& option) {
  return option.get_name(false, true) + HelpFormatter().make_option_opts(&option);
}

}  // namespace sisyphus::sicli
