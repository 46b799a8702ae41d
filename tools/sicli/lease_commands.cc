// sicli lease.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "client/target.h"
#include "tools/sicli/command.h"
#include "tools/sicli/kv_output.h"
#include "tools/sicli/pause.h"

namespace sisyphus::sicli {
namespace {

constexpr uint64_t kPageSize = 1'000;

struct LeaseArguments {
  uint64_t id = 0;
  std::string ttl;
  bool forever = false;
};

Json LeaseJson(const Lease& lease, bool with_state) {
  Json record = {{"id", lease.id}, {"ttl", client::DurationText(lease.ttl)}};
  if (with_state) {
    record["remaining"] = client::DurationText(lease.remaining);
    record["keys"] = lease.keys;
  }
  return record;
}

Status Grant(const Context& context, const LeaseArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const auto ttl, ParseTime("the TTL", arguments.ttl));
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const Lease lease, client->GrantLease(ttl));
  return context.output.Record(LeaseJson(lease, false), "id");
}

Status KeepAlive(const Context& context, const LeaseArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  while (true) {
    SIS_ASSIGN_OR_RETURN(const Lease lease, client->KeepLeaseAlive(arguments.id));
    SIS_RETURN_IF_ERROR(context.output.Record(LeaseJson(lease, false), "id"));
    if (!arguments.forever) return OkStatus();
    // Early enough for a second attempt.
    Pause(lease.ttl / 3);
  }
}

Status Show(const Context& context, const LeaseArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const Lease lease, client->GetLease(arguments.id));
  return context.output.Record(LeaseJson(lease, true));
}

Status Revoke(const Context& context, const LeaseArguments& arguments) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const DeleteRangeResult result, client->RevokeLease(arguments.id));
  Json record = Json::object({{"deleted", result.deleted}});
  if (TellsAll(context.output)) record["revision"] = result.revision;
  return context.output.Record(record, "deleted");
}

Status List(const Context& context, const LeaseArguments&) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  const auto out = context.output.Stream({{.field = "id", .right = true},
                                          {.field = "ttl", .right = true},
                                          {.field = "remaining", .right = true},
                                          {.field = "keys", .right = true}},
                                         "id");
  uint64_t after = 0;
  while (true) {
    SIS_ASSIGN_OR_RETURN(const LeasePage page, client->ListLeases(after, kPageSize));
    for (const Lease& lease : page.leases) {
      SIS_RETURN_IF_ERROR(out->Add(LeaseJson(lease, true), /*flush=*/false));
      after = lease.id;
    }
    if (!page.more || page.leases.empty()) return out->Finish();
  }
}

CLI::App* AddCommand(CLI::App* group, Invocation& invocation, const char* name, const char* help,
                     const std::shared_ptr<LeaseArguments>& arguments,
                     Status (*run)(const Context&, const LeaseArguments&)) {
  CLI::App* command = group->add_subcommand(name, help);
  command->callback([&invocation, arguments, run] {
    invocation.run = [arguments, run](const Context& context) { return run(context, *arguments); };
  });
  return command;
}

void AddId(CLI::App* command, const std::shared_ptr<LeaseArguments>& arguments) {
  command->add_option("ID", arguments->id, "the lease's id")
      ->required()
      ->check(CLI::PositiveNumber);
}

}  // namespace

void AddLeaseCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = app.add_subcommand("lease", "Let keys end together, unless they are kept");
  group->require_subcommand(1);
  group->group(kDataGroup);
  group->footer(
      "  id=$(sicli lease grant 30s -o raw)\n"
      "  sicli put --lease $id service/a 10.0.0.1\n"
      "  sicli lease keepalive $id --forever");
  const auto arguments = std::make_shared<LeaseArguments>();
  AddCommand(group, invocation, "grant", "Make a lease, and print its id", arguments, Grant)
      ->add_option("TTL", arguments->ttl, "how long it lives unless it is kept: 30s, 5m, 2h, 7d")
      ->required();
  CLI::App* keep = AddCommand(group, invocation, "keepalive",
                              "Let a lease live for its TTL from now on", arguments, KeepAlive);
  AddId(keep, arguments);
  keep->add_flag("--forever", arguments->forever, "again and again, until interrupted");
  AddId(AddCommand(group, invocation, "show", "Show what is left of a lease", arguments, Show),
        arguments);
  AddId(
      AddCommand(group, invocation, "revoke", "End a lease now, with its keys", arguments, Revoke),
      arguments);
  AddCommand(group, invocation, "list", "Show all leases", arguments, List);
}

}  // namespace sisyphus::sicli
