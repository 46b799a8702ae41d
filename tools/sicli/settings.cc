#include "tools/sicli/settings.h"

#include <charconv>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/posix_file_system.h"
#include "base/status.h"
#include "client/endpoint.h"

namespace sisyphus::sicli {
namespace {

using nlohmann::json;

struct Known {
  const char* name;
  const char* environment;
  const char* standard;
};
constexpr Known kKnown[] = {
    {"addr", "SICLI_ADDR", "http://127.0.0.1:8001"},
    {"timeout", "SICLI_TIMEOUT", "10s"},
};

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string ConfigPath() {
  const std::string base = Environment("XDG_CONFIG_HOME");
  const std::string home = Environment("HOME");
  if (!base.empty()) return base + "/sicli/config.json";
  return home.empty() ? "" : home + "/.config/sicli/config.json";
}

Status Malformed(const std::string& path, const std::string& what) {
  return MakeStatus(StatusCode::kInvalidArgument,
                    path + ": " + what + "; mend it or delete it (see sicli config --help)");
}

StatusOr<std::optional<json>> ReadJson(const std::string& path) {
  SIS_ASSIGN_OR_RETURN(const bool there, PosixFileSystem().Exists(path));
  if (!there) return std::optional<json>();
  SIS_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(PosixFileSystem(), path));
  json object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return Malformed(path, "not a JSON object");
  return std::optional<json>(std::move(object));
}

// {"server_url": "http://HOST:PORT", "timeout": seconds}, both optional.
Status ReadLegacy(const json& object, ContextFile* file) {
  SettingValues values;
  if (const auto url = object.find("server_url"); url != object.end()) {
    if (!url->is_string()) return Malformed(file->source, "server_url is no string");
    values["addr"] = url->get<std::string>();
  }
  if (const auto timeout = object.find("timeout"); timeout != object.end()) {
    if (timeout->is_string()) {
      values["timeout"] = timeout->get<std::string>();
    } else if (timeout->is_number()) {
      values["timeout"] = timeout->dump();
    } else {
      return Malformed(file->source, "timeout is no number of seconds");
    }
  }
  for (const auto& [name, value] : values) {
    const Status status = CheckSetting(name, value);
    if (!status.ok()) return Malformed(file->source, std::string(MessageOf(status)));
  }
  file->current = "default";
  file->contexts["default"] = std::move(values);
  return OkStatus();
}

Status ReadContexts(const json& object, ContextFile* file) {
  const json contexts = object.value("contexts", json::object());
  if (!contexts.is_object()) return Malformed(file->source, "\"contexts\" is no object");
  for (const auto& [name, settings] : contexts.items()) {
    if (!settings.is_object()) return Malformed(file->source, "context " + name + " is no object");
    SettingValues& values = file->contexts[name];
    for (const auto& [setting, value] : settings.items()) {
      if (!value.is_string()) return Malformed(file->source, setting + " is no string");
      const Status status = CheckSetting(setting, value.get<std::string>());
      if (!status.ok()) return Malformed(file->source, std::string(MessageOf(status)));
      values[setting] = value.get<std::string>();
    }
  }
  const json current = object.value("current", json(""));
  if (!current.is_string()) return Malformed(file->source, "\"current\" is no string");
  file->current = current.get<std::string>();
  return OkStatus();
}

}  // namespace

StatusOr<ContextFile> ContextFile::Load() {
  ContextFile file;
  file.path = ConfigPath();
  if (file.path.empty()) return file;
  SIS_ASSIGN_OR_RETURN(std::optional<json> object, ReadJson(file.path));
  if (object) {
    file.source = file.path;
    SIS_RETURN_IF_ERROR(ReadContexts(*object, &file));
    return file;
  }
  const std::string legacy = Environment("HOME") + "/.sicli-config.json";
  SIS_ASSIGN_OR_RETURN(object, ReadJson(legacy));
  if (!object) return file;
  file.source = legacy;
  SIS_RETURN_IF_ERROR(ReadLegacy(*object, &file));
  return file;
}

Status ContextFile::Save() const {
  if (path.empty()) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "no place for the configuration: neither HOME nor XDG_CONFIG_HOME is set");
  }
  json object = {{"current", current}, {"contexts", json::object()}};
  for (const auto& [name, values] : contexts) object["contexts"][name] = values;
  const std::string directory = DirectoryOf(path);
  SIS_RETURN_IF_ERROR(PosixFileSystem().CreateDirectory(DirectoryOf(directory)));
  SIS_RETURN_IF_ERROR(PosixFileSystem().CreateDirectory(directory));
  const std::string text = object.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
  return WriteFileAtomically(PosixFileSystem(), path, text);
}

StatusOr<std::vector<Setting>> ResolveSettings(const SettingValues& flags,
                                               const ContextFile& file) {
  std::string chosen = file.current;
  if (const std::string named = Environment("SICLI_CONTEXT"); !named.empty()) chosen = named;
  if (const auto flag = flags.find("context"); flag != flags.end()) chosen = flag->second;
  const auto context = file.contexts.find(chosen);
  if (!chosen.empty() && context == file.contexts.end()) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "there is no context \"" + chosen + "\" in " +
                          (file.source.empty() ? file.path : file.source) +
                          "; sicli config set addr ADDRESS --context NAME makes one");
  }
  std::vector<Setting> settings;
  for (const Known& known : kKnown) {
    Setting setting{.name = known.name, .value = known.standard, .origin = "default"};
    if (context != file.contexts.end()) {
      if (const auto value = context->second.find(known.name); value != context->second.end()) {
        setting.value = value->second;
        setting.origin = "context " + chosen + " (" + file.source + ")";
      }
    }
    if (std::string value = Environment(known.environment); !value.empty()) {
      setting.value = std::move(value);
      setting.origin = std::string("environment ") + known.environment;
    }
    if (const auto flag = flags.find(known.name); flag != flags.end()) {
      setting.value = flag->second;
      setting.origin = std::string("flag --") + known.name;
    }
    settings.push_back(std::move(setting));
  }
  return settings;
}

Status CheckSetting(std::string_view name, std::string_view value) {
  if (name == "timeout") {
    if (ParseTimeout(value)) return OkStatus();
    return MakeStatus(StatusCode::kInvalidArgument,
                      "timeout " + std::string(value) + ": expected a time like 2s, 500ms or 1m");
  }
  if (name == "addr") {
    for (const std::string& address : SplitAddresses(value)) {
      SIS_RETURN_IF_ERROR(client::ParseEndpoint(address).status());
    }
    return OkStatus();
  }
  return MakeStatus(StatusCode::kInvalidArgument,
                    "no setting \"" + std::string(name) + "\": there are addr and timeout");
}

std::vector<std::string> SplitAddresses(std::string_view text) {
  std::vector<std::string> addresses;
  while (true) {
    const size_t comma = text.find(',');
    addresses.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return addresses;
    text.remove_prefix(comma + 1);
  }
}

std::optional<std::chrono::milliseconds> ParseTimeout(std::string_view text) {
  double scale_ms = 1000;
  if (text.ends_with("ms")) {
    scale_ms = 1;
    text.remove_suffix(2);
  } else if (text.ends_with('s') || text.ends_with('m') || text.ends_with('h')) {
    scale_ms = text.back() == 's' ? 1000 : text.back() == 'm' ? 60'000 : 3'600'000;
    text.remove_suffix(1);
  }
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const double ms = number * scale_ms;
  if (!(ms >= 1) || ms > 86'400'000) return std::nullopt;
  return std::chrono::milliseconds(static_cast<int64_t>(ms));
}

}  // namespace sisyphus::sicli
