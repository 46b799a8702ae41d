// sicli put, get, delete.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "base/status.h"
#include "tools/sicli/command.h"

namespace sisyphus::sicli {
namespace {

struct KeyArguments {
  std::string key;
  std::string value;
};

absl::Status Put(const Context& context, const KeyArguments& arguments) {
  std::string value = arguments.value;
  if (value == "-") {
    SIS_ASSIGN_OR_RETURN(value, ReadIn());
  }
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const PutResult result, client->Put(arguments.key, value));
  return WriteOut("revision " + std::to_string(result.revision) + "\n");
}

absl::Status Get(const Context& context, const KeyArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(GetResult result, client->Get(arguments.key));
  // A pipe or a file gets the value's bytes and nothing else.
  if (isatty(STDOUT_FILENO) == 1) result.value.push_back('\n');
  return WriteOut(result.value);
}

absl::Status Delete(const Context& context, const KeyArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const DeleteResult result, client->Delete(arguments.key));
  return WriteOut("deleted " + std::to_string(result.deleted ? 1 : 0) + "\n");
}

CLI::App* AddCommand(CLI::App& app, Invocation& invocation, const char* name, const char* help,
                     const std::shared_ptr<KeyArguments>& arguments,
                     absl::Status (*run)(const Context&, const KeyArguments&)) {
  CLI::App* command = app.add_subcommand(name, help);
  command->fallthrough();  // --addr and --timeout may stand behind the command, too.
  command->add_option("KEY", arguments->key, "the key")->required();
  command->callback([&invocation, arguments, run] {
    invocation.run = [arguments, run](const Context& context) { return run(context, *arguments); };
  });
  return command;
}

}  // namespace

void AddKeyCommands(CLI::App& app, Invocation& invocation) {
  const auto put = std::make_shared<KeyArguments>();
  AddCommand(app, invocation, "put", "Write a value, and print its revision", put, Put)
      ->add_option("VALUE", put->value, "the value; - reads it from standard input")
      ->required();
  AddCommand(app, invocation, "get", "Print a value; exit code 3 if there is none",
             std::make_shared<KeyArguments>(), Get);
  AddCommand(app, invocation, "delete", "Delete a key, and print how many there were",
             std::make_shared<KeyArguments>(), Delete);
}

}  // namespace sisyphus::sicli
