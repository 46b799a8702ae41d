#include "tools/sicli/kv_output.h"

#include <CLI/CLI.hpp>
#include <map>
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "client/target.h"

namespace sisyphus::sicli {

Json KeyValueJson(const KeyValue& kv, bool keys_only) {
  Json object;
  SetBytes(&object, "key", kv.key);
  if (!keys_only) SetBytes(&object, "value", kv.value);
  object["create_revision"] = kv.create_revision;
  object["mod_revision"] = kv.mod_revision;
  object["version"] = kv.version;
  if (kv.lease != 0) object["lease"] = kv.lease;
  return object;
}

std::vector<Column> KeyValueColumns(bool keys_only, bool detail) {
  std::vector<Column> columns = {{.field = "key"}};
  if (detail) {
    columns.push_back({.field = "create_revision", .header = "CREATED", .right = true});
    columns.push_back({.field = "mod_revision", .header = "MODIFIED", .right = true});
    columns.push_back({.field = "version", .right = true});
    columns.push_back({.field = "lease", .right = true});
  }
  if (!keys_only) columns.push_back({.field = "value", .shrinks = true});
  return columns;
}

absl::StatusOr<KeyRange> KeyArguments::Range(bool all_by_default) const {
  const int kinds = (has_key ? 1 : 0) + (has_prefix ? 1 : 0) + (has_start_or_end ? 1 : 0);
  if (kinds > 1 || (kinds == 0 && !all_by_default)) {
    return MakeStatus(StatusCode::kInvalidArgument, "name one key, --prefix, or --start and --end");
  }
  if (has_key) {
    if (!key.empty()) return KeyRange::Key(key);
    return MakeStatus(StatusCode::kInvalidArgument, "a key must not be empty");
  }
  if (has_prefix) return KeyRange::Prefix(prefix);
  return KeyRange{start, end};
}

std::string KeyArguments::Words() const {
  if (has_key) return "key " + Escaped(key);
  if (has_prefix) return "that begin with \"" + Escaped(prefix) + "\"";
  std::string words = start.empty() ? "" : "from \"" + Escaped(start) + "\"";
  if (!end.empty()) words += (words.empty() ? "up to \"" : " up to \"") + Escaped(end) + "\"";
  return words.empty() ? "in the store" : words;
}

void AddRangeOptions(CLI::App* command, const std::shared_ptr<KeyArguments>& arguments) {
  command
      ->add_option_function<std::string>(
          "--prefix",
          [arguments](const std::string& text) {
            arguments->prefix = text;
            arguments->has_prefix = true;
          },
          "the keys that begin with this; \"\" is all keys")
      ->type_name("PREFIX");
  command
      ->add_option_function<std::string>(
          "--start",
          [arguments](const std::string& text) {
            arguments->start = text;
            arguments->has_start_or_end = true;
          },
          "the keys from this one on")
      ->type_name("KEY");
  command
      ->add_option_function<std::string>(
          "--end",
          [arguments](const std::string& text) {
            arguments->end = text;
            arguments->has_start_or_end = true;
          },
          "the keys before this one")
      ->type_name("KEY");
}

absl::StatusOr<ReadOptions> ReadArguments::Checked() const {
  ReadOptions checked = options;
  if (!max_stale.empty()) {
    SIS_ASSIGN_OR_RETURN(checked.max_stale, ParseTime("--max-stale", max_stale));
  }
  return checked;
}

void AddReadOptions(CLI::App* command, const std::shared_ptr<ReadArguments>& arguments) {
  command
      ->add_option("--consistency", arguments->options.consistency,
                   "linearizable (the default), lease, or stale: what the asked node has")
      ->transform(CLI::Transformer(
          std::map<std::string, ReadConsistency>{{"linearizable", ReadConsistency::kLinearizable},
                                                 {"lease", ReadConsistency::kLease},
                                                 {"stale", ReadConsistency::kStale}}))
      ->type_name("NAME");
  command
      ->add_option("--max-stale", arguments->max_stale,
                   "with --consistency stale: a state at most this old, e.g. 500ms")
      ->type_name("TIME");
  command
      ->add_option("--min-revision", arguments->options.min_revision,
                   "wait for a state that holds this revision")
      ->check(CLI::PositiveNumber)
      ->type_name("REVISION");
  command->add_option("--rev", arguments->options.revision, "as it was at this revision")
      ->check(CLI::PositiveNumber)
      ->type_name("REVISION");
}

absl::StatusOr<std::chrono::milliseconds> ParseTime(const std::string& flag,
                                                    const std::string& text) {
  const auto time = client::ParseDurationText(text);
  if (time && time->count() > 0) return *time;
  return MakeStatus(StatusCode::kInvalidArgument,
                    flag + " " + text + ": expected a time like 500ms, 30s, 5m, 2h or 7d");
}

bool TellsAll(const Output& output) {
  return output.format() == Format::kJson || output.format() == Format::kYaml;
}

}  // namespace sisyphus::sicli
