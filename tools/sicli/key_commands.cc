// sicli put, get, delete.

#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

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
StatusOr<std::string> ValueOf(const Context& context, const std::string& argument) {
  if (argument.starts_with("@@")) return argument.substr(1);
  const bool file = argument.starts_with("@");
  if (argument != "-" && !file) return argument;
  context.body_source = file ? argument : "@-";
  if (context.curl) return std::string();  // It is curl that reads it.
  return file ? ReadFile(argument.substr(1)) : ReadIn();
}

// People and pipes are told the one thing that they ask for, programs everything.
bool WantsLess(const Context& context) {
  return context.output.format() != Format::kJson && context.output.format() != Format::kYaml;
}

absl::Status Put(const Context& context, const KeyArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const std::string value, ValueOf(context, arguments.value));
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const PutResult result,
                       client->Put(arguments.key, value, arguments.condition));
  if (WantsLess(context))
    return context.output.Record(Json::object({{"revision", result.revision}}), "revision");
  return context.output.Record(
      {{"revision", result.revision}, {"version", result.version}, {"created", result.created}});
}

absl::Status Get(const Context& context, const KeyArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(GetResult result, client->Get(arguments.key, arguments.consistency));
  Json record;
  SetBytes(&record, "key", arguments.key);
  if (!WantsLess(context)) SetBytes(&record, "value", result.value);
  record["create_revision"] = result.create_revision;
  record["mod_revision"] = result.revision;
  record["version"] = result.version;
  record["size"] = result.value.size();
  if (arguments.detail || !WantsLess(context)) return context.output.Record(record);
  // A pipe or a file gets the value's bytes and nothing else. A terminal gets no bytes that it
  // would obey, unless it was asked to.
  const bool raw = context.output.format() == Format::kRaw;
  if (context.output.terminal() && !raw) return WriteOut(EscapedLines(result.value) + "\n");
  return WriteOut(result.value);
}

absl::Status Delete(const Context& context, const KeyArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const DeleteResult result,
                       client->Delete(arguments.key, arguments.condition));
  const Json deleted = Json::object({{"deleted", result.deleted ? 1 : 0}});
  if (WantsLess(context)) return context.output.Record(deleted, "deleted");
  return context.output.Record({{"deleted", deleted["deleted"]}, {"revision", result.revision}});
}

CLI::App* AddCommand(CLI::App& app, Invocation& invocation, const char* name, const char* help,
                     const std::shared_ptr<KeyArguments>& arguments,
                     absl::Status (*run)(const Context&, const KeyArguments&)) {
  CLI::App* command = app.add_subcommand(name, help);
  command->group(kDataGroup);
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
      ->check(CLI::PositiveNumber)
      ->type_name("REVISION");
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
