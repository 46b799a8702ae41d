// Keys and ranges: how commands take them, and how they show them.
#ifndef SISYPHUS_TOOLS_SICLI_KV_OUTPUT_H_
#define SISYPHUS_TOOLS_SICLI_KV_OUTPUT_H_

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tools/sicli/command.h"

namespace sisyphus::sicli {

// The fields of the HTTP API, in its order. Without a value if `keys_only`.
Json KeyValueJson(const KeyValue& kv, bool keys_only);
// Key and value; with `detail` also what is known of them.
std::vector<Column> KeyValueColumns(bool keys_only, bool detail);

// Which keys a command is about: one, a prefix, or from a start to an end.
struct KeyArguments {
  std::string key;
  std::string prefix;
  std::string start;
  std::string end;
  bool has_key = false;
  bool has_prefix = false;
  bool has_start_or_end = false;

  // The arguments name a range, of which `all` is the one that needs no name.
  absl::StatusOr<KeyRange> Range(bool all_by_default) const;
  // "the keys that begin with user/", for people.
  std::string Words() const;
};

// --prefix, --start and --end; the arguments tell afterwards which of them were there.
void AddRangeOptions(CLI::App* command, const std::shared_ptr<KeyArguments>& arguments);

// --consistency, --max-stale, --min-revision and --rev of a command that reads.
struct ReadArguments {
  ReadOptions options;
  std::string max_stale;

  absl::StatusOr<ReadOptions> Checked() const;
};
void AddReadOptions(CLI::App* command, const std::shared_ptr<ReadArguments>& arguments);

// "30s", "1500ms", "5m", "2h" or "7d". kInvalidArgument names the flag.
absl::StatusOr<std::chrono::milliseconds> ParseTime(const std::string& flag,
                                                    const std::string& text);

// Programs (json, yaml) are told everything, people and pipes what they ask for.
bool TellsAll(const Output& output);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_KV_OUTPUT_H_
