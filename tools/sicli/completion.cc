#include "tools/sicli/completion.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "base/status.h"
#include "tools/sicli/command.h"

namespace sisyphus::sicli {
namespace {

// Each asks sicli itself: what can be completed is never older than the program.
constexpr char kBash[] = R"(_sicli() {
  local line
  COMPREPLY=()
  while IFS=$'\t' read -r line _; do
    COMPREPLY+=("$line")
  done < <(sicli complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _sicli sicli
)";

constexpr char kZsh[] = R"(#compdef sicli
_sicli() {
  local -a found
  local word help
  while IFS=$'\t' read -r word help; do
    found+=("${word//:/\\:}:$help")
  done < <(sicli complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)
  if (( ${#found} )); then _describe sicli found; else _files; fi
}
compdef _sicli sicli
)";

constexpr char kFish[] = R"(function __sicli
  set -l words (commandline -opc) (commandline -ct)
  sicli complete -- $words[2..-1] 2>/dev/null
end
complete -c sicli -a '(__sicli)'
)";

const CLI::Option* FindFlag(const std::vector<CLI::App*>& path, const std::string& word) {
  for (const CLI::App* app : path) {
    if (const CLI::Option* option = app->get_option_no_throw(word)) return option;
  }
  return nullptr;
}

CLI::App* FindCommand(CLI::App* parent, const std::string& name) {
  const auto found =
      parent->get_subcommands([&](const CLI::App* app) { return app->get_name() == name; });
  return found.empty() ? nullptr : found.front();
}

// Where the words before the last one lead.
struct Typed {
  std::vector<CLI::App*> path;               // Commands, outermost first.
  const CLI::Option* takes_value = nullptr;  // A flag whose value comes next.
  size_t positionals = 0;                    // Of the innermost command, before the last word.
  bool no_word = false;                      // Behind "--": not a word of sicli.
};

Typed Follow(CLI::App& app, const std::vector<std::string>& words) {
  Typed typed{.path = {&app}};
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string& word = words[i];
    typed.no_word = typed.no_word || word == "--";
    if (typed.no_word) continue;
    if (typed.takes_value != nullptr) {
      typed.takes_value = nullptr;
    } else if (word.starts_with("-")) {
      const CLI::Option* option = FindFlag(typed.path, word);
      if (option != nullptr && option->get_type_size() != 0) typed.takes_value = option;
    } else if (CLI::App* command = FindCommand(typed.path.back(), word)) {
      typed.path.push_back(command);
    } else {
      ++typed.positionals;
    }
  }
  return typed;
}

Status PrintCompletions(CLI::App& app, const std::vector<std::string>& words) {
  std::string text;
  for (const Candidate& candidate : Complete(app, words)) {
    text += candidate.word + "\t" + candidate.help + "\n";
  }
  return WriteOut(text);
}

}  // namespace

std::vector<Candidate> Complete(CLI::App& app, const std::vector<std::string>& words) {
  const Typed typed = Follow(app, words);
  if (typed.no_word || typed.takes_value != nullptr) return {};
  const std::vector<CLI::App*>& path = typed.path;
  const std::string last = words.empty() ? "" : words.back();
  std::vector<Candidate> found;
  const auto add = [&](const std::string& word, const std::string& help) {
    if (word.starts_with(last)) found.push_back({word, help});
  };
  if (last.starts_with("-")) {
    for (const CLI::App* level : path) {
      for (const CLI::Option* option : level->get_options()) {
        const bool again = option->get_lnames() == std::vector<std::string>{"help"};
        if (again && level != path.back()) continue;
        for (const std::string& name : option->get_lnames()) {
          add("--" + name, option->get_description());
        }
      }
    }
    return found;
  }
  for (const CLI::App* command : path.back()->get_subcommands([](CLI::App*) { return true; })) {
    if (!command->get_group().empty()) add(command->get_name(), command->get_description());
  }
  return found;
}

bool IsKeyExpected(CLI::App& app, const std::vector<std::string>& words) {
  const auto is_key = [](const std::string& name) { return name == "KEY" || name == "PREFIX"; };
  const Typed typed = Follow(app, words);
  if (typed.no_word || words.empty() || words.back().starts_with("-")) return false;
  if (typed.takes_value != nullptr) return is_key(typed.takes_value->get_type_name());
  size_t before = typed.positionals;
  for (const CLI::Option* option : typed.path.back()->get_options()) {
    if (option->get_positional() && before-- == 0) return is_key(option->get_single_name());
  }
  return false;
}

void AddCompletionCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = app.add_subcommand("completion", "Print what a shell needs to complete words");
  group->group(kToolGroup);
  group->require_subcommand(1);
  group->footer(
      "  bash: source <(sicli completion bash)          in ~/.bashrc\n"
      "  zsh:  source <(sicli completion zsh)           in ~/.zshrc, behind compinit\n"
      "  fish: sicli completion fish > ~/.config/fish/completions/sicli.fish");
  for (const auto& [name, script] :
       {std::pair("bash", kBash), std::pair("zsh", kZsh), std::pair("fish", kFish)}) {
    group->add_subcommand(name, std::string("For ") + name)->callback([&invocation, script] {
      invocation.about_settings = true;
      invocation.run = [script](const Context&) { return WriteOut(script); };
    });
  }
  // What those scripts call; in no help.
  const auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* complete = app.add_subcommand("complete", "");
  complete->group("");
  complete->add_option("WORDS", *words);
  complete->callback([&app, &invocation, words] {
    invocation.about_settings = true;
    invocation.run = [&app, words](const Context&) { return PrintCompletions(app, *words); };
  });
}

}  // namespace sisyphus::sicli
