// TestNode: the real server on a real node, machine and engine in a temporary directory. Its peers,
// if it has any, do not exist: the test speaks for them.
#ifndef SISYPHUS_TESTS_UNIT_API_NODE_FIXTURE_H_
#define SISYPHUS_TESTS_UNIT_API_NODE_FIXTURE_H_

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "api/server.h"
#include "base/mutex.h"
#include "base/thread_executor.h"
#include "kv/machine.h"
#include "kv/store.h"
#include "node/node.h"
#include "node/transport.h"

namespace sisyphus::api {

// Delivers nothing to anyone.
class SilentTransport final : public node::Transport {
 public:
  Status Start(node::TransportHandler*) override { return OkStatus(); }
  void SetPeers(std::vector<raft::Membership::Address>) override {}
  void Send(NodeId, std::vector<node::PeerMessage>) override {}
  void Stop() override {}
};

class TestNode {
 public:
  struct TestOptions {
    size_t voters = 1;  // Alone it leads; in company nobody does, until the test says so.
    size_t max_pending_proposals = 1'024;
    uint64_t min_free_bytes = 0;
    kv::WatchFeedOptions watches;
    ServerOptions server;
  };
  explicit TestNode(TestOptions options);
  TestNode() : TestNode(TestOptions{}) {}
  ~TestNode();

  // Node 2 says that it leads, and that its clients reach it at `http_address`.
  void FollowNode2(const std::string& http_address);

  std::string address() const { return server_->bound_address(); }
  Server& server() { return *server_; }
  node::Node& node() { return *node_; }
  kv::Machine& machine() { return *machine_; }

 private:
  void AwaitView(const std::function<bool(const node::NodeView&)>& wanted);

  std::string directory_;
  ThreadExecutor executor_;
  SilentTransport transport_;
  std::unique_ptr<kv::Machine> machine_;
  std::unique_ptr<node::Node> node_;
  std::unique_ptr<kv::Store> store_;
  std::unique_ptr<Server> server_;

  Mutex mu_;
  CondVar changed_;
  node::NodeView view_ SIS_GUARDED_BY(mu_);
};

}  // namespace sisyphus::api

#endif  // SISYPHUS_TESTS_UNIT_API_NODE_FIXTURE_H_
