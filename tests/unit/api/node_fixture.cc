#include "tests/unit/api/node_fixture.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "base/posix_file_system.h"

namespace sisyphus::api {
namespace {

constexpr Duration kPatience = std::chrono::seconds(30);

void Fatal(const Status& status) { SIS_CHECK(false, status.ToString()); }

}  // namespace

TestNode::TestNode(TestOptions options) {
  std::string pattern = ::testing::TempDir() + "/sisyphus_api_XXXXXX";
  SIS_CHECK(::mkdtemp(pattern.data()) != nullptr, pattern);
  directory_ = pattern;

  kv::Machine::MachineOptions machine;
  machine.directory = directory_ + "/db";
  machine.engine.memtable_bytes = 32 << 20;
  machine.engine.block_cache_bytes = 1 << 20;
  machine.engine.file_system = &PosixFileSystem();
  machine.engine.executor = &executor_;
  machine.watches = options.watches;
  machine.on_fatal = Fatal;
  StatusOr<std::unique_ptr<kv::Machine>> opened = kv::Machine::Open(std::move(machine));
  SIS_CHECK(opened.ok(), opened.status().ToString());
  machine_ = *std::move(opened);

  node::NodeOptions node;
  node.id = NodeId(1);
  node.log_directory = directory_ + "/log";
  node.incoming_directory = directory_ + "/incoming";
  node.snapshot_directory = directory_ + "/snapshots";
  node.state_directory = directory_ + "/db";
  for (size_t id = 1; id <= options.voters; ++id) {
    node.initial_membership.voters.push_back(NodeId(id));
    node.initial_membership.addresses.push_back({NodeId(id), "peer" + std::to_string(id) + ":1"});
  }
  node.seed = 1;
  node.tick = std::chrono::milliseconds(5);
  // In company nobody is to tire of waiting for a leader during a test.
  if (options.voters > 1) node.election_ticks = 1'000'000;
  node.log_segment_bytes = 1 << 20;
  node.max_pending_proposals = options.max_pending_proposals;
  node.min_free_bytes = options.min_free_bytes;
  node.file_system = &PosixFileSystem();
  node.executor = &executor_;
  node.transport = &transport_;
  node.state_machine = machine_.get();
  node.on_fatal = Fatal;
  node.on_change = [this](const node::NodeView& view) {
    MutexLock lock(mu_);
    view_ = view;
    changed_.SignalAll();
  };
  StatusOr<std::unique_ptr<node::Node>> started = node::Node::Start(std::move(node));
  SIS_CHECK(started.ok(), started.status().ToString());
  node_ = *std::move(started);
  store_ = std::make_unique<kv::Store>(node_.get(), machine_.get());

  options.server.address = "127.0.0.1:0";
  options.server.clock = &RealClock();
  options.server.executor = &executor_;
  if (!options.server.render_metrics) {
    options.server.render_metrics = [] { return std::string("sisyphus_up 1\n"); };
  }
  if (options.server.version.empty()) options.server.version = "test";
  StatusOr<std::unique_ptr<Server>> server = Server::Bind(std::move(options.server));
  SIS_CHECK(server.ok(), server.status().ToString());
  server_ = *std::move(server);
  server_->Serve(store_.get(), node_.get());
  if (options.voters == 1) {
    AwaitView([](const node::NodeView& view) { return view.role == raft::Role::kLeader; });
  }
}

TestNode::~TestNode() {
  server_->Stop(Duration::zero());
  node_->Stop();
  server_.reset();
  store_.reset();
  node_.reset();
  machine_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void TestNode::FollowNode2(const std::string& http_address) {
  node_->OnPeerConnected({.id = NodeId(2), .http_address = http_address, .version = "test"});
  std::vector<node::PeerMessage> messages;
  messages.emplace_back(raft::Message{
      .from = NodeId(2), .to = NodeId(1), .term = Term(5), .body = raft::HeartbeatRequest{}});
  node_->OnMessages(NodeId(2), std::move(messages));
  AwaitView([](const node::NodeView& view) { return view.leader == NodeId(2); });
}

void TestNode::AwaitView(const std::function<bool(const node::NodeView&)>& wanted) {
  const MonotonicTime deadline = RealClock().Now() + kPatience;
  MutexLock lock(mu_);
  while (!wanted(view_)) {
    SIS_CHECK(RealClock().Now() < deadline, "the node does not come to the state that is wanted");
    changed_.WaitUntil(mu_, deadline);
  }
}

}  // namespace sisyphus::api
