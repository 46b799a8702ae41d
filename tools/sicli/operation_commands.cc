// sicli health, compact.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/status.h"
#include "tools/sicli/command.h"

namespace sisyphus::sicli {
namespace {

// A member that does not answer must not use up the time of the others.
constexpr std::chrono::milliseconds kMemberTimeout{1'000};

Colour OkColour(const Json& row) { return row["ok"] == true ? Colour::kGreen : Colour::kRed; }

// What the node at `address` says of itself, a row each check.
Json ChecksOf(const Context& context, uint64_t id, const std::string& address) {
  Json rows = Json::array();
  const auto add = [&](const std::string& check, bool ok, const std::string& detail) {
    rows.push_back({{"node", id}, {"check", check}, {"ok", ok}, {"detail", detail}});
  };
  ClientOptions options = context.Options();
  options.endpoints = {address};
  options.timeout = std::min(options.timeout, kMemberTimeout);
  options.attempt_timeout = options.timeout;
  auto client = Client::Create(std::move(options));
  const auto checks = client.ok() ? (*client)->ReadyChecks() : client.status();
  if (!checks.ok()) {
    add("reachable", false, std::string(MessageOf(checks.status())));
    return rows;
  }
  for (const ReadyCheck& check : *checks) add(check.name, check.ok, check.detail);
  return rows;
}

Status Health(const Context& context) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const ClusterStatus cluster, client->Cluster());
  Json rows = Json::array();
  for (const MemberStatus& member : cluster.members) {
    if (member.http_address.empty()) {
      rows.push_back({{"node", member.id},
                      {"check", "reachable"},
                      {"ok", false},
                      {"detail", "nobody knows its address"}});
      continue;
    }
    for (Json& row : ChecksOf(context, member.id, member.http_address)) {
      rows.push_back(std::move(row));
    }
  }
  const bool healthy =
      std::all_of(rows.begin(), rows.end(), [](const Json& row) { return row["ok"] == true; });
  const std::vector<Column> columns = {{.field = "node", .right = true},
                                       {.field = "check"},
                                       {.field = "ok", .colour = OkColour},
                                       {.field = "detail", .shrinks = true}};
  SIS_RETURN_IF_ERROR(context.output.Rows(columns, rows, {{"healthy", healthy}, {"checks", rows}}));
  return healthy ? OkStatus() : ExitWith(kExitCheckFailed, "not every node is well");
}

Status Compact(const Context& context, uint64_t revision) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const CompactResult result, client->Compact(revision));
  return context.output.Record(
      {{"compact_revision", result.compact_revision}, {"revision", result.revision}},
      "compact_revision");
}

}  // namespace

void AddOperationCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* health =
      app.add_subcommand("health", "Ask every member how it is; exit code 9 if one is not well");
  health->group(kClusterGroup);
  health->callback([&invocation] { invocation.run = Health; });

  const auto revision = std::make_shared<uint64_t>(0);
  CLI::App* compact =
      app.add_subcommand("compact", "Give up the history before a revision, for good");
  compact->group(kClusterGroup);
  compact->add_option("REVISION", *revision, "the oldest one to be read from now on")
      ->required()
      ->check(CLI::PositiveNumber);
  compact->callback([&invocation, revision] {
    invocation.run = [revision](const Context& context) { return Compact(context, *revision); };
  });
}

}  // namespace sisyphus::sicli
