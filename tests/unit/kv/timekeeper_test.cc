// Log time in a cluster, in simulated time: who makes it pass, and what a new leader makes of it.

#include "kv/timekeeper.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "kv/store.h"
#include "tests/support/sim_executor.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/sim_network.h"

namespace sisyphus::kv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct Server {
  NodeId id;
  testing::SimFileSystem disk;
  std::unique_ptr<testing::SimProcess> process;
  std::unique_ptr<Machine> machine;
  std::unique_ptr<node::Transport> transport;
  std::unique_ptr<node::Node> node;
  std::unique_ptr<Store> store;
};

class TimekeeperTest : public ::testing::Test {
 protected:
  void Found(size_t size) {
    for (size_t id = 1; id <= size; ++id) {
      membership_.voters.push_back(NodeId(id));
      membership_.addresses.push_back({NodeId(id), "node" + std::to_string(id)});
      servers_.push_back(std::make_unique<Server>());
      servers_.back()->id = NodeId(id);
    }
    for (const auto& server : servers_) Start(*server);
    AwaitLeader();
  }
  ~TimekeeperTest() override {
    for (const auto& server : servers_) Stop(*server);
  }

  void Start(Server& server) {
    SIS_CHECK(server.disk.CreateDirectory("data").ok(), "data");
    server.process = executor_.CreateProcess("node" + ToString(server.id));
    Machine::MachineOptions machine;
    machine.directory = "data/db";
    machine.engine.block_cache_bytes = 1 << 20;
    machine.engine.file_system = &server.disk;
    machine.engine.executor = server.process.get();
    server.machine = *Machine::Open(std::move(machine));
    server.transport = network_.CreateTransport(server.id, server.process.get());
    node::NodeOptions options;
    options.id = server.id;
    options.log_directory = "data/log";
    options.incoming_directory = "data/incoming";
    options.snapshot_directory = "data/snapshots";
    options.state_directory = "data/db";
    options.initial_membership = membership_;
    options.seed = ++seed_;
    options.log_segment_bytes = 1 << 20;
    options.file_system = &server.disk;
    options.executor = server.process.get();
    options.transport = server.transport.get();
    options.state_machine = server.machine.get();
    options.on_fatal = [](const Status& status) { SIS_CHECK(false, status.ToString()); };
    server.node = *node::Node::Start(std::move(options));
    server.store = std::make_unique<Store>(server.node.get(), server.machine.get());
  }

  void Stop(Server& server) {
    if (server.process == nullptr) return;
    server.process->Kill();
    network_.Disconnect(server.id);
    server.store.reset();
    server.node.reset();
    server.transport.reset();
    server.machine.reset();
    server.process.reset();
  }

  // The one that leads and has applied that it does.
  Server& AwaitLeader() {
    Server* leader = nullptr;
    const bool found = executor_.RunUntil(seconds(30), [&] {
      for (const auto& server : servers_) {
        if (server->process == nullptr || server->process->paused()) continue;
        const node::NodeView view = server->node->View();
        if (view.role != raft::Role::kLeader || view.term != server->machine->applied_term())
          continue;
        leader = server.get();
        return true;
      }
      return false;
    });
    SIS_CHECK(found, "no leader");
    return *leader;
  }

  uint64_t Grant(Server& server, uint64_t ttl_ms) {
    std::optional<uint64_t> id;
    server.store->GrantLease(ttl_ms, {}, executor_.now() + seconds(5),
                             [&](const StatusOr<LeaseOutcome>& outcome) {
                               SIS_CHECK(outcome.ok(), outcome.status().ToString());
                               id = outcome->result.id;
                             });
    SIS_CHECK(executor_.RunUntil(seconds(10), [&] { return id.has_value(); }), "no answer");
    return *id;
  }

  static bool Has(Server& server, uint64_t lease) {
    const StatusOr<std::optional<Lease>> found = server.store->FindLease(lease);
    SIS_CHECK(found.ok(), found.status().ToString());
    return found->has_value();
  }

  testing::SimExecutor executor_{{.seed = 3}};
  testing::SimNetwork network_{&executor_, 5};
  raft::Membership membership_;
  uint64_t seed_ = 100;
  std::vector<std::unique_ptr<Server>> servers_;
};

TEST_F(TimekeeperTest, ALeaseEndsInTimeAndNotBefore) {
  Found(1);
  Server& server = *servers_[0];
  for (const int64_t ttl : {1'000, 2'500, 12'000}) {
    const uint64_t lease = Grant(server, static_cast<uint64_t>(ttl));
    executor_.RunFor(milliseconds(ttl - 50));
    EXPECT_TRUE(Has(server, lease)) << ttl;
    executor_.RunFor(milliseconds(150));
    EXPECT_FALSE(Has(server, lease)) << ttl;
  }
}

TEST_F(TimekeeperTest, NothingIsProposedWhileNothingWaits) {
  Found(1);
  Server& server = *servers_[0];
  const uint64_t lease = Grant(server, 1'000);
  executor_.RunFor(seconds(3));
  EXPECT_FALSE(Has(server, lease));
  const Index quiet = server.machine->revision();
  const uint64_t time = server.machine->deadlines().log_time();
  executor_.RunFor(seconds(3'600));
  EXPECT_EQ(server.machine->revision(), quiet);
  // An hour in which nobody waited does not count.
  const uint64_t next = Grant(server, 2'000);
  EXPECT_EQ(server.machine->deadlines().log_time(), time);
  executor_.RunFor(milliseconds(1'900));
  EXPECT_TRUE(Has(server, next));
  executor_.RunFor(milliseconds(300));
  EXPECT_FALSE(Has(server, next));
}

TEST_F(TimekeeperTest, KeepingAliveCountsFromTheRequest) {
  Found(1);
  Server& server = *servers_[0];
  const uint64_t lease = Grant(server, 3'000);
  for (int i = 0; i < 10; ++i) {
    executor_.RunFor(milliseconds(2'900));
    bool kept = false;
    server.store->KeepLeasesAlive({lease}, {}, executor_.now() + seconds(5),
                                  [&](const StatusOr<LeaseOutcome>& outcome) {
                                    kept = outcome.ok() && outcome->result.ttls_ms[0] == 3'000;
                                  });
    executor_.RunFor(milliseconds(50));
    ASSERT_TRUE(kept) << i;
  }
  executor_.RunFor(milliseconds(2'850));
  EXPECT_TRUE(Has(server, lease));
  executor_.RunFor(milliseconds(300));
  EXPECT_FALSE(Has(server, lease));
}

TEST_F(TimekeeperTest, APauseDoesNotCount) {
  Found(1);
  Server& server = *servers_[0];
  const uint64_t lease = Grant(server, 10'000);
  executor_.RunFor(seconds(3));
  server.process->SetPaused(true);
  executor_.RunFor(seconds(600));
  server.process->SetPaused(false);
  executor_.RunFor(seconds(4));
  EXPECT_TRUE(Has(server, lease));
  executor_.RunFor(seconds(4));
  EXPECT_FALSE(Has(server, lease));
}

TEST_F(TimekeeperTest, ARestartGoesOnWhereTheLogIs) {
  Found(1);
  Server& server = *servers_[0];
  const uint64_t lease = Grant(server, 20'000);
  executor_.RunFor(seconds(12));
  Stop(server);
  executor_.RunFor(seconds(600));
  Start(server);
  AwaitLeader();
  executor_.RunFor(seconds(7));
  EXPECT_TRUE(Has(server, lease));
  // At most five seconds of the twelve are forgotten.
  executor_.RunFor(milliseconds(1'000 + 5'000 + 500));
  EXPECT_FALSE(Has(server, lease));
}

// Ten runs, so that the leader is lost at different moments.
TEST_F(TimekeeperTest, DeadlinesSurviveTheLeader) {
  Found(3);
  for (int run = 0; run < 10; ++run) {
    Server& first = AwaitLeader();
    Server& follower = *servers_[first.id.value() % 3];
    const MonotonicTime granted = executor_.now();
    const uint64_t lease = Grant(follower, 15'000);
    executor_.RunFor(milliseconds(3'000 + run * 637));
    first.process->SetPaused(true);
    Server& second = AwaitLeader();
    executor_.RunFor(granted + milliseconds(14'900) - executor_.now());
    EXPECT_TRUE(Has(second, lease)) << run;
    // What no leader saw, and the last five seconds of the first, at the most.
    executor_.RunFor(seconds(9));
    EXPECT_FALSE(Has(second, lease)) << run;
    first.process->SetPaused(false);
    executor_.RunFor(seconds(5));
    for (const auto& server : servers_) {
      EXPECT_FALSE(Has(*server, lease)) << run;
      EXPECT_EQ(server->machine->deadlines().log_time(),
                AwaitLeader().machine->deadlines().log_time());
    }
  }
}

// Repeats that reach other nodes after the first had no answer.
TEST_F(TimekeeperTest, ARepeatedWriteSurvivesTheLeader) {
  Found(3);
  for (uint64_t run = 0; run < 20; ++run) {
    Server& first = AwaitLeader();
    const PutRequest request{.key = "k",
                             .value = std::to_string(run),
                             .condition = {},
                             .retry = SessionTag{"c", run + 1}};
    // It may have gone any way by the time the leader is lost.
    first.store->Put(request, executor_.now() + seconds(60), [](const StatusOr<PutResult>&) {});
    executor_.RunFor(std::chrono::microseconds(100 * run));
    first.process->SetPaused(true);
    std::vector<PutResult> answers;
    for (const auto& server : servers_) {
      if (server->id == first.id) continue;
      bool done = false;
      while (!done) {
        std::optional<StatusOr<PutResult>> answer;
        server->store->Put(request, executor_.now() + seconds(2),
                           [&](StatusOr<PutResult> result) { answer = std::move(result); });
        SIS_CHECK(executor_.RunUntil(seconds(30), [&] { return answer.has_value(); }), "no answer");
        if (!answer->ok()) executor_.RunFor(milliseconds(100));
        if (answer->ok()) answers.push_back(**answer);
        done = answer->ok();
      }
    }
    first.process->SetPaused(false);
    executor_.RunFor(seconds(5));
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_EQ(answers[0].revision, answers[1].revision);
    EXPECT_EQ(answers[0].version, run + 1);
    EXPECT_TRUE(answers[1].replayed);
    EXPECT_EQ(first.machine->Read("k")->found->version, run + 1);
  }
}

}  // namespace
}  // namespace sisyphus::kv
