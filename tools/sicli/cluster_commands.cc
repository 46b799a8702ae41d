// sicli status.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>

#include "base/status.h"
#include "tools/sicli/command.h"

namespace sisyphus::sicli {
namespace {

// A member that does not answer must not use up the time of the others.
constexpr std::chrono::milliseconds kMemberTimeout{1'000};

using Row = std::array<std::string, 8>;

std::string OrDash(const std::string& text) { return text.empty() ? "-" : text; }
std::string OrDash(const std::optional<uint64_t>& number) {
  return number ? std::to_string(*number) : "-";
}

Row RowOf(const MemberStatus& member) {
  return {std::to_string(member.id),   OrDash(member.role),  OrDash(member.term),
          OrDash(member.applied),      OrDash(member.lag),   OrDash(member.http_address),
          OrDash(member.peer_address), OrDash(member.health)};
}

std::string TableOf(const std::vector<Row>& rows) {
  std::array<size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string table;
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      table += row[i];
      if (i + 1 < row.size()) table.append(widths[i] + 2 - row[i].size(), ' ');
    }
    table += '\n';
  }
  return table;
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

absl::Status PrintStatus(const Context& context) {
  SIS_ASSIGN_OR_RETURN(const auto client, context.Connect());
  SIS_ASSIGN_OR_RETURN(ClusterStatus cluster, client->Cluster());
  std::vector<Row> rows = {{"ID", "ROLE", "TERM", "APPLIED", "LAG", "HTTP", "PEER", "HEALTH"}};
  for (MemberStatus& member : cluster.members) {
    if (member.id != cluster.answered_by) AskItself(context, &member);
    rows.push_back(RowOf(member));
  }
  return WriteOut(TableOf(rows));
}

}  // namespace

void AddClusterCommands(CLI::App& app, Invocation& invocation) {
  CLI::App* status = app.add_subcommand("status", "Show every member of the cluster");
  status->fallthrough();
  status->callback([&invocation] { invocation.run = PrintStatus; });
}

}  // namespace sisyphus::sicli
