// sicli put, get, delete.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "tools/sicli/command.h"
#include "tools/sicli/kv_output.h"

namespace sisyphus::sicli {
namespace {

// --- put ---

struct PutArguments {
  std::string key;
  std::string value;
  PutOptions options;
  std::string ttl;
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

Status Put(const Context& context, const PutArguments& arguments) {
  PutOptions options = arguments.options;
  if (!arguments.ttl.empty()) {
    SIS_ASSIGN_OR_RETURN(options.ttl, ParseTime("--ttl", arguments.ttl));
  }
  SIS_ASSIGN_OR_RETURN(const std::string value, ValueOf(context, arguments.value));
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const PutResult result, client->Put(arguments.key, value, options));
  Json record = Json::object({{"revision", result.revision}});
  if (TellsAll(context.output)) {
    record["version"] = result.version;
    record["created"] = result.created;
  }
  return context.output.Record(record, "revision");
}

void AddPut(CLI::App& app, Invocation& invocation) {
  const auto arguments = std::make_shared<PutArguments>();
  CLI::App* command = app.add_subcommand("put", "Write a value, and print its revision");
  command->group(kDataGroup);
  command->add_option("KEY", arguments->key, "the key")->required();
  command
      ->add_option("VALUE", arguments->value,
                   "the value; - reads it from standard input, @FILE from a file (@@x is \"@x\")")
      ->required();
  CLI::Option* absent = command->add_flag("--if-absent", arguments->options.if_absent,
                                          "only if the key has no value (exit code 4)");
  command
      ->add_option("--if-revision", arguments->options.if_revision,
                   "only if the value was written at this revision (exit code 4)")
      ->check(CLI::PositiveNumber)
      ->type_name("REVISION")
      ->excludes(absent);
  CLI::Option* ttl = command->add_option("--ttl", arguments->ttl,
                                         "the key ends after this time, e.g. 30s, 5m, 2h or 7d");
  ttl->type_name("TIME");
  command->add_option("--lease", arguments->options.lease, "the key ends with this lease")
      ->check(CLI::PositiveNumber)
      ->type_name("ID")
      ->excludes(ttl);
  command->callback([&invocation, arguments] {
    invocation.compares = true;
    invocation.run = [arguments](const Context& context) { return Put(context, *arguments); };
  });
}

// --- get ---

struct GetArguments {
  std::string key;
  bool detail = false;
};

Status Get(const Context& context, const GetArguments& arguments, const ReadArguments& read) {
  SIS_ASSIGN_OR_RETURN(const ReadOptions options, read.Checked());
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(GetResult result, client->Get(arguments.key, options));
  if (arguments.detail || TellsAll(context.output)) {
    const size_t size = result.value.size();
    Json record = KeyValueJson({.key = arguments.key,
                                .value = std::move(result.value),
                                .create_revision = result.create_revision,
                                .mod_revision = result.revision,
                                .version = result.version,
                                .lease = result.lease},
                               !TellsAll(context.output));
    record["size"] = size;
    return context.output.Record(record);
  }
  // A pipe or a file gets the value's bytes and nothing else. A terminal gets no bytes that it
  // would obey, unless it was asked to.
  const bool raw = context.output.format() == Format::kRaw;
  if (context.output.terminal() && !raw) return WriteOut(EscapedLines(result.value) + "\n");
  return WriteOut(result.value);
}

void AddGet(CLI::App& app, Invocation& invocation) {
  const auto arguments = std::make_shared<GetArguments>();
  const auto read = std::make_shared<ReadArguments>();
  CLI::App* command = app.add_subcommand("get", "Print a value; exit code 3 if there is none");
  command->group(kDataGroup);
  command->add_option("KEY", arguments->key, "the key")->required();
  command->add_flag("--detail", arguments->detail,
                    "print what is known of the value instead of it");
  AddReadOptions(command, read);
  command->callback([&invocation, arguments, read] {
    invocation.run = [arguments, read](const Context& context) {
      return Get(context, *arguments, *read);
    };
  });
}

// --- delete ---

struct DeleteArguments {
  WriteCondition condition;
  bool yes = false;
};

// The answer to a question on standard error. Nobody is there to ask: kInvalidArgument.
Status AskFirst(const std::string& question) {
  if (isatty(STDIN_FILENO) != 1) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "a range is deleted without being asked only with --yes");
  }
  std::fprintf(stderr, "%s [y/N] ", question.c_str());
  std::string answer;
  char c = 0;
  while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n') answer.push_back(c);
  if (answer == "y" || answer == "Y" || answer == "yes") return OkStatus();
  return ExitWith(kExitOther, "nothing was deleted");
}

Status DeleteRange(const Context& context, const KeyArguments& keys, bool yes) {
  SIS_ASSIGN_OR_RETURN(const KeyRange range, keys.Range(/*all_by_default=*/false));
  ClientOptions options = context.Options();
  options.safe_retries =
      !context.curl;  // A large range may take longer than a server waits for it.
  SIS_ASSIGN_OR_RETURN(const auto client, Client::Create(options));
  if (!yes && !context.curl) {
    SIS_ASSIGN_OR_RETURN(const CountResult there, client->Count(range));
    SIS_RETURN_IF_ERROR(
        AskFirst("delete the " + std::to_string(there.count) + " keys " + keys.Words() + "?"));
  }
  SIS_ASSIGN_OR_RETURN(const DeleteRangeResult result, client->DeleteRange(range));
  Json record = Json::object({{"deleted", result.deleted}});
  if (TellsAll(context.output)) record["revision"] = result.revision;
  return context.output.Record(record, "deleted");
}

Status DeleteKey(const Context& context, const std::string& key, const WriteCondition& condition) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const DeleteResult result, client->Delete(key, condition));
  Json record = Json::object({{"deleted", result.deleted ? 1 : 0}});
  if (TellsAll(context.output)) record["revision"] = result.revision;
  return context.output.Record(record, "deleted");
}

void AddDelete(CLI::App& app, Invocation& invocation) {
  const auto arguments = std::make_shared<DeleteArguments>();
  const auto keys = std::make_shared<KeyArguments>();
  CLI::App* command =
      app.add_subcommand("delete", "Delete a key or a range, and print how many there were");
  command->group(kDataGroup);
  command->add_option_function<std::string>(
      "KEY",
      [keys](const std::string& key) {
        keys->key = key;
        keys->has_key = true;
      },
      "the key");
  AddRangeOptions(command, keys);
  command->add_flag("-y,--yes", arguments->yes, "delete a range without asking first");
  command
      ->add_option("--if-revision", arguments->condition.if_revision,
                   "only if the value was written at this revision (exit code 4)")
      ->check(CLI::PositiveNumber)
      ->type_name("REVISION");
  command->callback([&invocation, arguments, keys] {
    invocation.compares = true;
    invocation.run = [arguments, keys](const Context& context) -> Status {
      SIS_RETURN_IF_ERROR(keys->Range(/*all_by_default=*/false).status());
      if (keys->has_key) return DeleteKey(context, keys->key, arguments->condition);
      if (!arguments->condition.if_revision) return DeleteRange(context, *keys, arguments->yes);
      return MakeStatus(StatusCode::kInvalidArgument,
                        "--if-revision is for one key; a transaction has conditions for ranges");
    };
  });
}

}  // namespace

void AddKeyCommands(CLI::App& app, Invocation& invocation) {
  AddPut(app, invocation);
  AddGet(app, invocation);
  AddDelete(app, invocation);
}

}  // namespace sisyphus::sicli
