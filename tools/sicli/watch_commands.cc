// sicli watch, history.

#include <spawn.h>
#include <sys/wait.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/status.h"
#include "tools/sicli/command.h"
#include "tools/sicli/kv_output.h"

extern char** environ;

namespace sisyphus::sicli {
namespace {

struct WatchArguments {
  WatchOptions options;
  uint64_t count = 0;  // 0: without end.
  std::vector<std::string> command;
};

const char* TypeName(WatchEvent::Type type) {
  return type == WatchEvent::Type::kPut ? "put" : "delete";
}

Colour TypeColour(const Json& row) { return row["type"] == "put" ? Colour::kGreen : Colour::kRed; }

// The order of fields is that of the API's events.
Json EventJson(const WatchEvent& event) {
  Json row = {{"revision", event.revision}, {"type", TypeName(event.type)}};
  if (event.type == WatchEvent::Type::kPut) {
    row.update(KeyValueJson(event.kv, false));
  } else {
    SetBytes(&row, "key", event.kv.key);
  }
  if (event.previous) {
    Json previous;
    SetBytes(&previous, "value", event.previous->value);
    previous["create_revision"] = event.previous->create_revision;
    previous["mod_revision"] = event.previous->mod_revision;
    previous["version"] = event.previous->version;
    row["prev"] = std::move(previous);
  }
  return row;
}

std::vector<Column> EventColumns() {
  return {{.field = "revision", .right = true},
          {.field = "type", .colour = TypeColour},
          {.field = "key"},
          {.field = "value", .shrinks = true}};
}

// The bytes up to the first NUL: no variable can hold that one. The whole is in SICLI_EVENT.
std::string Variable(const std::string& name, std::string_view bytes) {
  return name + "=" + std::string(bytes.substr(0, bytes.find('\0')));
}

// Runs `command` with the event in its environment, and waits for its end.
Status RunFor(const WatchEvent& event, const std::vector<std::string>& command) {
  std::vector<std::string> variables = {
      Variable("SICLI_EVENT",
               EventJson(event).dump(-1, ' ', false, Json::error_handler_t::replace)),
      Variable("SICLI_TYPE", TypeName(event.type)), Variable("SICLI_KEY", event.kv.key),
      Variable("SICLI_VALUE", event.kv.value),
      Variable("SICLI_REVISION", std::to_string(event.revision))};
  std::vector<char*> environment;
  for (char** each = environ; *each != nullptr; ++each) environment.push_back(*each);
  for (std::string& each : variables) environment.push_back(each.data());
  environment.push_back(nullptr);
  std::vector<std::string> words = command;
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = -1;
  const int error =
      posix_spawnp(&child, argv[0], nullptr, nullptr, argv.data(), environment.data());
  if (error != 0) {
    return MakeStatus(StatusCode::kInternal,
                      std::string(MessageOf(ErrnoStatus(error, command.front()))));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (status == 0) return OkStatus();
  return MakeStatus(StatusCode::kInternal,
                    command.front() + " failed at revision " + std::to_string(event.revision));
}

Status Watch(const Context& context, const KeyArguments& keys, const WatchArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const KeyRange range, keys.Range(/*all_by_default=*/false));
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  const auto out = context.output.Stream(EventColumns(), "value");
  uint64_t told = 0;
  Status done;
  const Status status = client->Watch(range, arguments.options, [&](const WatchEvent& event) {
    if (event.type == WatchEvent::Type::kProgress) return true;
    done = arguments.command.empty() ? out->Add(EventJson(event), /*flush=*/true)
                                     : RunFor(event, arguments.command);
    return done.ok() && (arguments.count == 0 || ++told < arguments.count);
  });
  return done.ok() ? status : done;
}

void AddWatch(CLI::App& app, Invocation& invocation) {
  const auto arguments = std::make_shared<WatchArguments>();
  const auto keys = std::make_shared<KeyArguments>();
  CLI::App* command = app.add_subcommand("watch", "Tell of every change, as it happens");
  command->group(kDataGroup);
  command->footer(
      "  sicli watch --prefix config/ -- sh -c 'echo \"$SICLI_KEY is now $SICLI_VALUE\"'\n\n"
      "COMMAND runs for one event after the other, with SICLI_TYPE (put or delete), SICLI_KEY,\n"
      "SICLI_VALUE, SICLI_REVISION and, as JSON, SICLI_EVENT in its environment. When it fails,\n"
      "the watch ends. A watch goes on at another node when one fails; nothing is told twice.");
  AddRangeOptions(command, keys);
  command
      ->add_option("--from", arguments->options.from,
                   "the first revision to tell of; left out: what happens from now on")
      ->check(CLI::PositiveNumber)
      ->type_name("REVISION");
  command->add_flag("--prev", arguments->options.previous, "tell also what was there before");
  command->add_option("--count", arguments->count, "end after so many events")->type_name("N");
  const auto words = std::make_shared<std::vector<std::string>>();
  const auto key = std::make_shared<std::string>();
  command->add_option("KEY", *key, "the key; left out with --prefix, --start or --end");
  command->add_option("COMMAND", *words, "what to run for each event, behind --");
  command->callback([&invocation, command, arguments, keys, key, words] {
    arguments->command = *words;
    if (command->count("KEY") != 0 && !keys->has_prefix && !keys->has_start_or_end) {
      keys->key = *key;
      keys->has_key = true;
    } else if (command->count("KEY") != 0) {
      arguments->command.insert(arguments->command.begin(), *key);
    }
    invocation.run = [arguments, keys](const Context& context) {
      return Watch(context, *keys, *arguments);
    };
  });
}

// --- history ---

// The changes of one key that history holds, oldest first.
Status History(const Context& context, const std::string& key) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  if (key.empty()) return MakeStatus(StatusCode::kInvalidArgument, "a key must not be empty");
  const auto out = context.output.Stream(EventColumns(), "value");
  const KeyRange range = KeyRange::Key(key);
  uint64_t from = 1;
  bool any = false;
  Status written;
  const auto tell = [&](const WatchEvent& event) {
    // The past has been told whole.
    if (event.type == WatchEvent::Type::kProgress) return false;
    any = true;
    written = out->Add(EventJson(event), /*flush=*/false);
    return written.ok();
  };
  Status status = client->Watch(range, {.from = from}, tell);
  while (const auto floor = CompactRevisionOf(status)) {
    if (*floor + 1 <= from) break;  // It does not move on: that is no way to go on.
    from = *floor + 1;
    // What stood at the floor is the first that is known.
    const auto page = client->Range(range, {.limit = 1, .read = {.revision = *floor}});
    if (page.ok() && !page->kvs.empty() && !any) {
      any = true;
      const KeyValue& first = page->kvs.front();
      SIS_RETURN_IF_ERROR(out->Add(
          EventJson({.type = WatchEvent::Type::kPut, .revision = first.mod_revision, .kv = first}),
          /*flush=*/false));
    }
    status = client->Watch(range, {.from = from}, tell);
  }
  SIS_RETURN_IF_ERROR(written);
  SIS_RETURN_IF_ERROR(status);
  if (any) return out->Finish();
  return MakeStatus(StatusCode::kNotFound, "history knows nothing of this key");
}

void AddHistory(CLI::App& app, Invocation& invocation) {
  const auto key = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("history", "Print the changes of a key that history still holds");
  command->group(kDataGroup);
  command->add_option("KEY", *key, "the key")->required();
  command->callback([&invocation, key] {
    invocation.run = [key](const Context& context) { return History(context, *key); };
  });
}

}  // namespace

void AddWatchCommands(CLI::App& app, Invocation& invocation) {
  AddWatch(app, invocation);
  AddHistory(app, invocation);
}

}  // namespace sisyphus::sicli
