// sicli status, member, leader.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/status.h"
#include "tools/sicli/command.h"
#include "tools/sicli/kv_output.h"
#include "tools/sicli/pause.h"

namespace sisyphus::sicli {
namespace {

// A member that does not answer must not use up the time of the others.
constexpr std::chrono::milliseconds kMemberTimeout{1'000};

Colour RoleColour(const Json& row) {
  return row["role"] == "leader" ? Colour::kGreen : Colour::kNone;
}

Colour HealthColour(const Json& row) {
  const Json& health = row["health"];
  if (health == "healthy") return Colour::kGreen;
  return health == "unreachable" ? Colour::kRed : Colour::kYellow;
}

const std::vector<Column>& MemberColumns() {
  static const auto* const columns = new std::vector<Column>{
      {.field = "id", .right = true},
      {.field = "role", .colour = RoleColour},
      {.field = "term", .right = true},
      {.field = "applied", .right = true},
      {.field = "lag", .right = true},
      {.field = "http_address", .header = "HTTP"},
      {.field = "peer_address", .header = "PEER"},
      {.field = "version"},
      {.field = "health", .colour = HealthColour},
  };
  return *columns;
}

Json NumberOrNull(const std::optional<uint64_t>& number) { return number ? Json(*number) : Json(); }

Json RowOf(const MemberStatus& member) {
  return {{"id", member.id},
          {"role", member.role},
          {"term", NumberOrNull(member.term)},
          {"applied", NumberOrNull(member.applied)},
          {"lag", NumberOrNull(member.lag)},
          {"http_address", member.http_address},
          {"peer_address", member.peer_address},
          {"version", member.version},
          {"health", member.health}};
}

Json DocumentOf(const ClusterStatus& cluster, const Json& rows) {
  return {{"cluster_id", cluster.cluster_id}, {"leader", cluster.leader}, {"members", rows}};
}

Json RowsOf(const std::vector<MemberStatus>& members) {
  Json rows = Json::array();
  for (const MemberStatus& member : members) rows.push_back(RowOf(member));
  return rows;
}

absl::Status PrintMembers(const Context& context, const ClusterStatus& cluster,
                          const std::vector<MemberStatus>& members) {
  const Json rows = RowsOf(members);
  return context.output.Rows(MemberColumns(), rows, DocumentOf(cluster, rows));
}

// What `member` says of itself: nobody else knows its term and how far it has applied.
void AskItself(const Context& context, MemberStatus* member) {
  if (member->http_address.empty()) return;
  const auto timeout = std::min(context.timeout, kMemberTimeout);
  auto client = Client::Create(
      {.endpoints = {member->http_address}, .timeout = timeout, .attempt_timeout = timeout});
  if (!client.ok()) return;
  const auto cluster = (*client)->Cluster();
  if (!cluster.ok()) {
    member->health = "unreachable";
    return;
  }
  for (const MemberStatus& told : cluster->members) {
    if (told.id != member->id || told.id != cluster->answered_by) continue;
    const std::optional<uint64_t> lag = member->lag;  // The leader's word counts for more.
    *member = told;
    if (lag) member->lag = lag;
  }
}

absl::StatusOr<ClusterStatus> AskEveryone(const Context& context) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(ClusterStatus cluster, client->Cluster());
  for (MemberStatus& member : cluster.members) {
    if (member.id != cluster.answered_by) AskItself(context, &member);
  }
  return cluster;
}

struct StatusArguments {
  bool watch = false;
  std::string interval = "2s";
};

// Again and again, in place on a terminal; Ctrl-C ends it. What nobody can be asked just now
// is shown as such: a cluster is watched while it is in trouble.
absl::Status WatchStatus(const Context& context, const std::string& interval) {
  SIS_ASSIGN_OR_RETURN(const auto pause, ParseTime("--interval", interval));
  const bool redraw = context.output.terminal() && context.output.format() == Format::kTable;
  while (true) {
    const auto cluster = AskEveryone(context);
    std::string text;
    if (cluster.ok()) {
      const Json rows = RowsOf(cluster->members);
      text = context.output.RowsText(MemberColumns(), rows, DocumentOf(*cluster, rows));
    } else if (cluster.status().code() == StatusCode::kCancelled) {
      return cluster.status();
    } else {
      text = std::string(MessageOf(cluster.status())) + "\n";
    }
    // Home, the new picture, and nothing of the old one below it.
    if (redraw) text = "\x1b[H\x1b[2J" + text + "every " + interval + "; Ctrl-C ends it\n";
    SIS_RETURN_IF_ERROR(WriteOut(text));
    Pause(pause);
  }
}

absl::Status PrintStatus(const Context& context, const StatusArguments& arguments) {
  if (arguments.watch) return WatchStatus(context, arguments.interval);
  SIS_ASSIGN_OR_RETURN(const ClusterStatus cluster, AskEveryone(context));
  return PrintMembers(context, cluster, cluster.members);
}

absl::Status ShowLeader(const Context& context) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(const ClusterStatus cluster, client->Cluster());
  for (const MemberStatus& member : cluster.members) {
    if (member.id == cluster.leader) return context.output.Record(RowOf(member), "id");
  }
  return MakeStatus(StatusCode::kUnavailable, "no leader is known");
}

// Who is in the cluster, as the leader (or who was asked) knows it.
absl::Status PrintMembership(const Context& context, const ClusterStatus& cluster) {
  std::vector<MemberStatus> members;
  for (const MemberStatus& member : cluster.members) {
    if (member.role != "none") members.push_back(member);
  }
  return PrintMembers(context, cluster, members);
}

struct MemberArguments {
  uint64_t id = 0;
  std::string peer;
};

using Change = std::function<absl::StatusOr<ClusterStatus>(Client&, const MemberArguments&)>;

CLI::App* AddChange(CLI::App* group, Invocation& invocation, const char* name, const char* help,
                    const std::shared_ptr<MemberArguments>& arguments, Change change) {
  CLI::App* command = group->add_subcommand(name, help);
  command->callback([&invocation, arguments, change = std::move(change)] {
    invocation.run = [arguments, change](const Context& context) -> absl::Status {
      SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
      SIS_ASSIGN_OR_RETURN(const ClusterStatus cluster, change(*client, *arguments));
      return PrintMembership(context, cluster);
    };
  });
  return command;
}

void AddMemberCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = app.add_subcommand("member", "Show and change who is in the cluster");
  group->require_subcommand(1);
  group->group(kClusterGroup);
  const auto arguments = std::make_shared<MemberArguments>();
  const auto id_of = [&](CLI::App* command) {
    command->add_option("ID", arguments->id, "the node's id")
        ->required()
        ->check(CLI::PositiveNumber);
    return command;
  };
  AddChange(group, invocation, "list", "Show the members and the id of the cluster", arguments,
            [](Client& client, const MemberArguments&) { return client.Cluster(); });
  id_of(AddChange(group, invocation, "add",
                  "Add a node that was started with --join; it votes once it has caught up",
                  arguments,
                  [](Client& client, const MemberArguments& member) {
                    return client.AddMember(member.id, member.peer);
                  }))
      ->add_option("PEER", arguments->peer, "its HOST:PORT for peers, as all members reach it")
      ->required();
  id_of(AddChange(group, invocation, "remove",
                  "Remove a node for good: its id cannot be used again", arguments,
                  [](Client& client, const MemberArguments& member) {
                    return client.RemoveMember(member.id);
                  }));
  id_of(AddChange(group, invocation, "promote", "Make a learner a voter now", arguments,
                  [](Client& client, const MemberArguments& member) {
                    return client.PromoteMember(member.id);
                  }));
}

void AddLeaderCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* group = app.add_subcommand("leader", "Show and choose who leads");
  group->require_subcommand(1);
  group->group(kClusterGroup);
  const auto arguments = std::make_shared<MemberArguments>();
  group->add_subcommand("show", "Show who leads")->callback([&invocation] {
    invocation.run = ShowLeader;
  });
  AddChange(group, invocation, "transfer", "Hand leadership over", arguments,
            [](Client& client, const MemberArguments& to) {
              return client.TransferLeadership(to.id == 0 ? std::nullopt
                                                          : std::optional<uint64_t>(to.id));
            })
      ->add_option("ID", arguments->id, "to this voter; default: to the one with most of the log")
      ->check(CLI::PositiveNumber);
}

}  // namespace

void AddClusterCommands(CLI::App& app, Invocation& invocation) {
  AddMemberCommands(app, invocation);
  AddLeaderCommands(app, invocation);
  CLI::App* status = app.add_subcommand("status", "Show every member of the cluster");
  status->group(kClusterGroup);
  const auto arguments = std::make_shared<StatusArguments>();
  status->add_flag("-w,--watch", arguments->watch, "again and again, until Ctrl-C");
  status->add_option("--interval", arguments->interval, "with --watch: how often (2s)")
      ->type_name("TIME");
  status->callback([&invocation, arguments] {
    invocation.run = [arguments](const Context& context) {
      return PrintStatus(context, *arguments);
    };
  });
}

}  // namespace sisyphus::sicli
