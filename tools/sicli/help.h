// How help looks: CLI11's, with lines that fit a terminal and without what only a parser knows.
#ifndef SISYPHUS_TOOLS_SICLI_HELP_H_
#define SISYPHUS_TOOLS_SICLI_HELP_H_

#include <CLI/CLI.hpp>
#include <string>

namespace sisyphus::sicli {

class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_option_opts(const CLI::Option* option) const override;
  std::string make_subcommand(const CLI::App* command) const override;
};

// "--addr,--server-url ADDRESS...": how `option` stands in help and man pages.
std::string OptionSynopsis(const CLI::Option& option);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_HELP_H_
