// sicli scan, count.

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/status.h"
#include "tools/sicli/command.h"
#include "tools/sicli/kv_output.h"

namespace sisyphus::sicli {
namespace {

struct ScanArguments {
  RangeOptions options;
  bool detail = false;
};

Status Scan(const Context& context, const KeyArguments& keys, const ReadArguments& read,
            const ScanArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const KeyRange range, keys.Range(/*all_by_default=*/true));
  RangeOptions options = arguments.options;
  SIS_ASSIGN_OR_RETURN(options.read, read.Checked());
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  const bool keys_only = options.keys_only;
  const auto out = context.output.Stream(KeyValueColumns(keys_only, arguments.detail),
                                         keys_only ? "key" : "value");
  Status written;
  const auto revision = client->Scan(range, options, [&](const KeyValue& kv) {
    written = out->Add(KeyValueJson(kv, keys_only), /*flush=*/false);
    return written.ok();
  });
  SIS_RETURN_IF_ERROR(written);
  // What has come is shown, also when the rest does not.
  if (revision.ok() || revision.status().code() != StatusCode::kCancelled) written = out->Finish();
  return revision.ok() ? written : revision.status();
}

Status Count(const Context& context, const KeyArguments& keys, const ReadArguments& read) {
  SIS_ASSIGN_OR_RETURN(const KeyRange range, keys.Range(/*all_by_default=*/true));
  SIS_ASSIGN_OR_RETURN(const ReadOptions options, read.Checked());
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const CountResult result, client->Count(range, options));
  if (!TellsAll(context.output)) return WriteOut(std::to_string(result.count) + "\n");
  return context.output.Record({{"count", result.count}, {"revision", result.revision}});
}

// Both take their prefix also as a word.
CLI::App* AddRangeCommand(CLI::App& app, const char* name, const char* help,
                          const std::shared_ptr<KeyArguments>& keys,
                          const std::shared_ptr<ReadArguments>& read) {
  CLI::App* command = app.add_subcommand(name, help);
  command->group(kDataGroup);
  AddRangeOptions(command, keys);
  command
      ->add_option_function<std::string>(
          "PREFIX",
          [keys](const std::string& prefix) {
            keys->prefix = prefix;
            keys->has_prefix = true;
          },
          "the keys that begin with this; left out: all keys")
      ->excludes(command->get_option("--prefix"));
  AddReadOptions(command, read);
  return command;
}

}  // namespace

void AddRangeCommands(CLI::App& app, Invocation& invocation) {
  const auto keys = std::make_shared<KeyArguments>();
  const auto read = std::make_shared<ReadArguments>();
  const auto arguments = std::make_shared<ScanArguments>();
  CLI::App* scan = AddRangeCommand(app, "scan", "Print keys and values, in order", keys, read);
  scan->add_option("--limit", arguments->options.limit, "at most so many")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  scan->add_flag("--keys-only", arguments->options.keys_only, "print no values");
  scan->add_flag("--reverse", arguments->options.reverse, "the last key first");
  scan->add_flag("--detail", arguments->detail, "print also revisions, version and lease");
  scan->callback([&invocation, keys, read, arguments] {
    invocation.run = [keys, read, arguments](const Context& context) {
      return Scan(context, *keys, *read, *arguments);
    };
  });

  CLI::App* count = AddRangeCommand(app, "count", "Count keys", keys, read);
  count->callback([&invocation, keys, read] {
    invocation.run = [keys, read](const Context& context) { return Count(context, *keys, *read); };
  });
}

}  // namespace sisyphus::sicli
