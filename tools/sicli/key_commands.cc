// sicli put, get, delete.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "base/status.h"
#include "tools/sicli/command.h"

namespace sisyphus::sicli {
namespace {

struct KeyArguments {
  std::string key;
  std::string value;
  WriteCondition condition;
  ReadConsistency consistency = ReadConsistency::kLinearizable;
  bool detail = false;
};

// "-" is standard input, "@PATH" a file, "@@TEXT" is "@TEXT".
StatusOr<std::string> ValueOf(const std::string& argument) {
  if (argument == "-") return ReadIn();
  if (argument.starts_with("@@")) return argument.substr(1);
  if (argument.starts_with("@")) return ReadFile(argument.substr(1));
  return argument;
}

absl::Status Put(const Context& context, const KeyArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const std::string value, ValueOf(arguments.value));
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const PutResult result,
                       client->Put(arguments.key, value, arguments.condition));
  return WriteOut("revision " + std::to_string(result.revision) + "\n");
}

absl::Status Get(const Context& context, const KeyArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(GetResult result, client->Get(arguments.key, arguments.consistency));
  if (arguments.detail) {
    return WriteOut("revision         " + std::to_string(result.revision) + "\ncreate revision  " +
                    std::to_string(result.create_revision) + "\nversion          " +
                    std::to_string(result.version) + "\nsize             " +
                    std::to_string(result.value.size()) + "\n");
  }
  // A pipe or a file gets the value's bytes and nothing else.
  if (isatty(STDOUT_FILENO) == 1) result.value.push_back('\n');
  return WriteOut(result.value);
}

absl::Status Delete(const Context& context, const KeyArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const DeleteResult result,
                       client->Delete(arguments.key, arguments.condition));
  return WriteOut("deleted " + std::to_string(result.deleted ? 1 : 0) + "\n");
}

CLI::App* AddCommand(CLI::App& app, Invocation& invocation, const char* name, const char* help,
                     const std::shared_ptr<KeyArguments>& arguments,
                     absl::Status (*run)(const Context&, const KeyArguments&)) {
  CLI::App* command = app.add_subcommand(name, help);
  command->fallthrough();  // --addr and --timeout may stand behind the command, too.
  command->add_option("KEY", arguments->key, "the key")->required();
  command->callback([&invocation, arguments, run] {
    invocation.compares = true;
    invocation.run = [arguments, run](const Context& context) { return run(context, *arguments); };
  });
  return command;
}

CLI::Option* AddIfRevision(CLI::App* command, const std::shared_ptr<KeyArguments>& arguments) {
  return command
      ->add_option("--if-revision", arguments->condition.if_revision,
                   "only if the value was written at this revision (exit code 4)")
      ->check(CLI::PositiveNumber);
}

}  // namespace

void AddKeyCommands(CLI::App& app, Invocation& invocation) {
  const auto put = std::make_shared<KeyArguments>();
  CLI::App* put_command =
      AddCommand(app, invocation, "put", "Write a value, and print its revision", put, Put);
  put_command
      ->add_option("VALUE", put->value,
                   "the value; - reads it from standard input, @FILE from a file (@@x is \"@x\")")
      ->required();
  CLI::Option* absent = put_command->add_flag("--if-absent", put->condition.if_absent,
                                              "only if the key has no value (exit code 4)");
  AddIfRevision(put_command, put)->excludes(absent);

  const auto get = std::make_shared<KeyArguments>();
  CLI::App* get_command =
      AddCommand(app, invocation, "get", "Print a value; exit code 3 if there is none", get, Get);
  get_command
      ->add_option("--consistency", get->consistency,
                   "linearizable (the default), lease, or stale: what the asked node has")
      ->transform(CLI::Transformer(
          std::map<std::string, ReadConsistency>{{"linearizable", ReadConsistency::kLinearizable},
                                                 {"lease", ReadConsistency::kLease},
                                                 {"stale", ReadConsistency::kStale}}))
      ->type_name("NAME");
  get_command->add_flag("--detail", get->detail, "print what is known of the value instead of it");

  const auto removed = std::make_shared<KeyArguments>();
  AddIfRevision(AddCommand(app, invocation, "delete", "Delete a key, and print how many there were",
                           removed, Delete),
                removed);
}

}  // namespace sisyphus::sicli
