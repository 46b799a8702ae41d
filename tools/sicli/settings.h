// Settings of sicli: where the cluster is and how long to wait, and where each of these came from.
//
// A flag counts more than the environment, that more than the context, that more than the default.
// Contexts are named sets of settings in one file:
//
//   {"current": "prod", "contexts": {"prod": {"addr": "10.0.0.1:8001,10.0.0.2:8001", "timeout":
//   "5s"}}}
//
// It is $XDG_CONFIG_HOME/sicli/config.json, or ~/.config/sicli/config.json. While there is none,
// ~/.sicli-config.json of the first SisyphusDB is read: {"server_url": "...", "timeout": seconds}.
// The file is replaced as a whole, so that it is never seen half-written; of two sicli that change
// it at the same time one wins.
#ifndef SISYPHUS_TOOLS_SICLI_SETTINGS_H_
#define SISYPHUS_TOOLS_SICLI_SETTINGS_H_

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sisyphus::sicli {

// By name: "addr", "timeout". As the user wrote them.
using SettingValues = std::map<std::string, std::string>;

struct ContextFile {
  std::string path;
  std::string source;   // The file that was read; empty: none.
  std::string current;  // Empty: none was chosen.
  std::map<std::string, SettingValues> contexts;

  // No file is no error. kInvalidArgument: it is there and makes no sense.
  static absl::StatusOr<ContextFile> Load();
  absl::Status Save() const;
};

struct Setting {
  std::string name;
  std::string value;
  std::string origin;  // "flag --addr", "environment SICLI_ADDR", "context prod (PATH)", "default".
};

// Every setting, ascending by name. `flags` has those that the command line gave; "context" among
// them, or SICLI_CONTEXT, names the context. kInvalidArgument: there is no such context.
absl::StatusOr<std::vector<Setting>> ResolveSettings(const SettingValues& flags,
                                                     const ContextFile& file);

// kInvalidArgument, in words: no setting of that name, or no value that it can have.
absl::Status CheckSetting(std::string_view name, std::string_view value);

// "a,b" is two addresses.
std::vector<std::string> SplitAddresses(std::string_view text);

// "2", "2s", "2.5s", "500ms", "1m" or "1h". Empty when it is none of these, or not above zero.
std::optional<std::chrono::milliseconds> ParseTimeout(std::string_view text);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_SETTINGS_H_
