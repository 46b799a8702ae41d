#include "tools/sicli/man.h"

#include <CLI/CLI.hpp>
#include <cctype>

#include "tools/sicli/help.h"

namespace sisyphus::sicli {
namespace {

std::vector<CLI::App*> CommandsOf(CLI::App& app) {
  return app.get_subcommands([](CLI::App* command) { return !command->get_group().empty(); });
}

// Text as man(7) takes it: no line is a request, no hyphen becomes a dash.
std::string Plain(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool line_start = out.empty() || out.back() == '\n';
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string Title(const std::string& name) {
  std::string upper = name;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return ".TH " + upper + " 1 \"\" SisyphusDB\n";
}

std::string Item(const std::string& name, const std::string& description) {
  return ".TP\n\\fB" + Plain(name) + "\\fR\n" + Plain(description) + "\n";
}

std::string Synopsis(const std::string& name, const CLI::App& app) {
  std::string words = name + " [OPTIONS]";
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    const std::string word =
        option->get_name(true, false) + (option->get_expected_max() > 1 ? "..." : "");
    words += option->get_required() ? " " + word : " [" + word + "]";
  }
  return Plain(words) + "\n";
}

std::string Options(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : app.get_options()) {
    const std::string name =
        option->get_positional() ? option->get_name(true, false) : OptionSynopsis(*option);
    text += Item(name, option->get_description());
  }
  return text;
}

// The footer as it stands in --help: examples keep their lines.
std::string Footer(const CLI::App& app) {
  if (app.get_footer().empty()) return "";
  return ".SH NOTES\n.nf\n" + Plain(app.get_footer()) + "\n.fi\n";
}

std::string CommandPage(const std::string& name, CLI::App& command) {
  std::string text = Title(name) + ".SH NAME\n" + Plain(name) + " \\- " +
                     Plain(command.get_description()) + "\n.SH SYNOPSIS\n";
  const std::vector<CLI::App*> below = CommandsOf(command);
  const std::string typed = "sicli " + command.get_name();
  if (below.empty()) text += Synopsis(typed, command);
  for (CLI::App* each : below) {
    text += Synopsis(typed + " " + each->get_name(), *each) + ".br\n";
  }
  text += ".SH OPTIONS\n" + Options(command);
  for (CLI::App* each : below) {
    text += ".SS " + Plain(typed + " " + each->get_name()) + "\n" + Plain(each->get_description()) +
            ".\n" + Options(*each);
  }
  return text + Footer(command) + ".SH SEE ALSO\n.BR sicli (1)\n";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> ManPages(CLI::App& app) {
  std::string main = Title("sicli") + ".SH NAME\nsicli \\- talks to a SisyphusDB cluster\n" +
                     ".SH SYNOPSIS\n" + Plain("sicli [OPTIONS] COMMAND ...") + "\n.SH OPTIONS\n" +
                     Options(app) + ".SH COMMANDS\n";
  std::vector<std::pair<std::string, std::string>> pages;
  for (CLI::App* command : CommandsOf(app)) {
    const std::string name = "sicli-" + command->get_name();
    main += Item(name + "(1)", command->get_description());
    pages.emplace_back(name + ".1", CommandPage(name, *command));
  }
  pages.emplace_back("sicli.1", main + Footer(app));
  return pages;
}

}  // namespace sisyphus::sicli
