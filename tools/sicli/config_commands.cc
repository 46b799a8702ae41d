// sicli config: contexts, the named sets of settings.

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "tools/sicli/command.h"

namespace sisyphus::sicli {
namespace {

struct ConfigArguments {
  std::string name;
  std::string value;
  bool origin = false;
};

// The context that a change is for: the one asked for, the current one, or the first ever.
std::string ContextToChange(const Context& context, const ContextFile& file) {
  if (const auto flag = context.flags.find("context"); flag != context.flags.end()) {
    return flag->second;
  }
  return file.current.empty() ? "default" : file.current;
}

Status Set(const Context& context, const ConfigArguments& arguments) {
  SIS_RETURN_IF_ERROR(CheckSetting(arguments.name, arguments.value));
  SIS_ASSIGN_OR_RETURN(ContextFile file, ContextFile::Load());
  const std::string name = ContextToChange(context, file);
  file.contexts[name][arguments.name] = arguments.value;
  if (file.current.empty()) file.current = name;
  return file.Save();
}

Status Unset(const Context& context, const ConfigArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(ContextFile file, ContextFile::Load());
  const std::string name = ContextToChange(context, file);
  const auto values = file.contexts.find(name);
  if (values == file.contexts.end() || values->second.erase(arguments.name) == 0) {
    return MakeStatus(StatusCode::kNotFound,
                      "context " + name + " has no setting \"" + arguments.name + "\"");
  }
  return file.Save();
}

Status UseContext(const Context&, const ConfigArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(ContextFile file, ContextFile::Load());
  if (!file.contexts.contains(arguments.name)) {
    return MakeStatus(StatusCode::kNotFound,
                      "there is no context \"" + arguments.name + "\" (see sicli config show)");
  }
  file.current = arguments.name;
  return file.Save();
}

Status Show(const Context& context, const ConfigArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const ContextFile file, ContextFile::Load());
  SIS_ASSIGN_OR_RETURN(const std::vector<Setting> settings, ResolveSettings(context.flags, file));
  Json rows = Json::array();
  for (const Setting& setting : settings) {
    Json row = {{"name", setting.name}, {"value", setting.value}};
    if (arguments.origin) row["origin"] = setting.origin;
    rows.push_back(std::move(row));
  }
  Json document = {{"settings", rows}, {"contexts", Json::array()}};
  for (const auto& [name, values] : file.contexts) {
    const bool current = name == file.current;
    document["contexts"].push_back({{"name", name}, {"current", current}});
    rows.push_back({{"name", "context"}, {"value", current ? name + " (current)" : name}});
  }
  std::vector<Column> columns = {{.field = "name"}, {.field = "value"}};
  if (arguments.origin) columns.push_back({.field = "origin"});
  return context.output.Rows(columns, rows, document);
}

CLI::App* AddCommand(CLI::App* group, Invocation& invocation, const char* name, const char* help,
                     const std::shared_ptr<ConfigArguments>& arguments,
                     Status (*run)(const Context&, const ConfigArguments&)) {
  CLI::App* command = group->add_subcommand(name, help);
  command->callback([&invocation, arguments, run] {
    invocation.about_settings = true;
    invocation.run = [arguments, run](const Context& context) { return run(context, *arguments); };
  });
  return command;
}

}  // namespace

void AddConfigCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group =
      app.add_subcommand("config", "Keep the settings of several clusters, each in a context");
  group->require_subcommand(1);
  group->group(kToolGroup);
  group->footer(
      "A flag counts more than the environment, that more than the context in use. Contexts are\n"
      "kept in $XDG_CONFIG_HOME/sicli/config.json, by default ~/.config/sicli/config.json; while\n"
      "there is none, ~/.sicli-config.json is read (server_url and timeout).");
  const auto arguments = std::make_shared<ConfigArguments>();
  CLI::App* set =
      AddCommand(group, invocation, "set", "Change a setting of a context", arguments, Set);
  set->add_option("NAME", arguments->name, "addr or timeout")->required();
  set->add_option("VALUE", arguments->value, "e.g. 10.0.0.1:8001,10.0.0.2:8001, or 5s")->required();
  AddCommand(group, invocation, "unset", "Remove a setting from a context", arguments, Unset)
      ->add_option("NAME", arguments->name, "addr or timeout")
      ->required();
  AddCommand(group, invocation, "use-context", "Choose the context that is used from now on",
             arguments, UseContext)
      ->add_option("CONTEXT", arguments->name, "its name")
      ->required();
  AddCommand(group, invocation, "show", "Show the settings in use, and the contexts", arguments,
             Show)
      ->add_flag("--origin", arguments->origin, "say where each setting comes from");
}

}  // namespace sisyphus::sicli
