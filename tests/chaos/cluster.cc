#include "tests/chaos/cluster.h"

#include <gtest/gtest.h>
#include <signal.h>

#include "base/check.h"

namespace sisyphus::chaos {
namespace {

constexpr size_t kShownLogBytes = 4000;

}  // namespace

Cluster::Cluster(int size) {
  for (int i = 1; i <= size; ++i) {
    const auto id = static_cast<uint64_t>(i);
    nodes_[id];
  }
  const std::string founders = AddressesOf(ids());
  for (auto& [id, node] : nodes_) node.membership_flags = {"--cluster", founders};
}

Cluster::~Cluster() {
  KillAll();
  if (!testing::Test::HasFailure()) return;
  for (const uint64_t id : ids()) {
    const std::string log = ReadFile(data_dir(id) + ".log");
    const size_t from = log.size() > kShownLogBytes ? log.size() - kShownLogBytes : 0;
    std::fprintf(stderr, "--- node %s, the end of its log\n%s\n", std::to_string(id).c_str(),
                 log.c_str() + from);
  }
}

void Cluster::AddFlags(const std::vector<std::string>& flags) {
  flags_.insert(flags_.end(), flags.begin(), flags.end());
}

void Cluster::AddJoining(uint64_t id, const std::vector<uint64_t>& contacts,
                         const std::string& cluster_id) {
  nodes_[id].membership_flags = {"--join", "--cluster", AddressesOf(contacts)};
  if (cluster_id.empty()) return;
  nodes_[id].membership_flags.insert(nodes_[id].membership_flags.end(),
                                     {"--cluster-id", cluster_id});
}

std::string Cluster::AddressesOf(const std::vector<uint64_t>& ids) const {
  std::string addresses;
  for (const uint64_t id : ids) {
    if (!addresses.empty()) addresses += ",";
    addresses += std::to_string(id) + "=" + peer_address(id);
  }
  return addresses;
}

std::vector<uint64_t> Cluster::ids() const {
  std::vector<uint64_t> ids;
  for (const auto& [id, node] : nodes_) ids.push_back(id);
  return ids;
}

std::vector<uint64_t> Cluster::Others(uint64_t id) const {
  std::vector<uint64_t> others = ids();
  std::erase(others, id);
  return others;
}

std::string Cluster::http_address(uint64_t id) const { return nodes_.at(id).http.address(); }
std::string Cluster::peer_address(uint64_t id) const { return nodes_.at(id).peer.address(); }
int Cluster::http_port(uint64_t id) const { return nodes_.at(id).http.number(); }
std::string Cluster::data_dir(uint64_t id) const {
  return scratch_.path() + "/node" + std::to_string(id);
}

std::vector<std::string> Cluster::argv(uint64_t id) const {
  const Node& node = nodes_.at(id);
  std::vector<std::string> argv = {SISYPHUSD_PATH,      "--id",       std::to_string(id),
                                   "--data-dir",        data_dir(id), "--http",
                                   node.http.address(), "--peer",     node.peer.address()};
  argv.insert(argv.end(), node.membership_flags.begin(), node.membership_flags.end());
  argv.insert(argv.end(), flags_.begin(), flags_.end());
  return argv;
}

void Cluster::Start(uint64_t id) {
  const std::string log = data_dir(id) + ".log";
  nodes_.at(id).process =
      std::make_unique<Process>(ProcessOptions{.argv = argv(id),
                                               .environment = {},
                                               .stdout_path = log,
                                               .stderr_path = log,
                                               .working_directory = scratch_.path()});
}

void Cluster::StartAll() {
  for (const uint64_t id : ids()) Start(id);
}

Process& Cluster::process(uint64_t id) {
  SIS_CHECK(nodes_.at(id).process != nullptr, "the node was not started");
  return *nodes_.at(id).process;
}

void Cluster::Kill(uint64_t id) { nodes_.at(id).process.reset(); }

void Cluster::KillAll() {
  for (auto& [id, node] : nodes_) {
    if (node.process != nullptr) node.process->Signal(SIGKILL);
  }
  for (auto& [id, node] : nodes_) node.process.reset();
}

void Cluster::Freeze(uint64_t id) { process(id).Signal(SIGSTOP); }
void Cluster::Thaw(uint64_t id) { process(id).Signal(SIGCONT); }

std::unique_ptr<Client> Cluster::MakeClient(const std::vector<uint64_t>& ids,
                                            std::chrono::milliseconds timeout) const {
  ClientOptions options{.endpoints = {}, .timeout = timeout};
  for (const uint64_t id : ids) options.endpoints.push_back(http_address(id));
  auto client = Client::Create(std::move(options));
  SIS_CHECK(client.ok(), client.status().ToString());
  return std::move(client).value();
}

bool Cluster::WaitReady(const std::vector<uint64_t>& ids) {
  for (const uint64_t id : ids) {
    const auto client = MakeClient({id}, std::chrono::seconds(2));
    std::optional<int> exit_code;
    const bool ready = Eventually(kPatience, [&] {
      exit_code = process(id).WaitExit(Duration::zero());
      return exit_code.has_value() || client->Ready().ok();
    });
    if (!ready || exit_code.has_value()) return false;
  }
  return true;
}

uint64_t Cluster::WaitLeader(const std::vector<uint64_t>& ids) {
  uint64_t leader = 0;
  const auto agree = [&] {
    leader = 0;
    bool confirmed = false;
    for (const uint64_t id : ids) {
      const auto cluster = MakeClient({id}, std::chrono::seconds(2))->Cluster();
      if (!cluster.ok() || cluster->leader == 0) return false;
      if (leader != 0 && leader != cluster->leader) return false;
      leader = cluster->leader;
      for (const MemberStatus& member : cluster->members) {
        confirmed |= member.id == id && id == leader && member.role == "leader";
      }
    }
    return confirmed;
  };
  return Eventually(kPatience, agree) ? leader : 0;
}

absl::Status PutForSure(Client& client, const std::string& key, const std::string& value) {
  const MonotonicTime deadline = Now() + kPatience;
  while (true) {
    const absl::Status status = client.Put(key, value).status();
    const bool again = status.code() == absl::StatusCode::kDeadlineExceeded ||
                       status.code() == absl::StatusCode::kUnavailable;
    if (!again || Now() >= deadline) return status;
  }
}

}  // namespace sisyphus::chaos
