// A replica whose content differs by one bit: it is named, serves nothing, does not lead, and
// heals, whatever crashes in the middle. Whole nodes; clients' keys are never the flipped one.

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "tests/sim/sim_server.h"
#include "tests/sim/state_history.h"
#include "tests/support/raft_invariants.h"
#include "tests/support/sim_executor.h"
#include "tests/support/sim_network.h"

namespace sisyphus::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = node::ContentFinding::Kind;

constexpr char kMarker[] = "marker";

struct Heard {
  NodeId who;
  node::ContentFinding finding;
};

class ContentWorld {
 public:
  ContentWorld(uint64_t seed, uint64_t nodes)
      : rng_(seed), executor_({.seed = rng_.Next()}), network_(&executor_, rng_.Next()) {
    network_.SetTap([this](NodeId from, NodeId, const node::PeerMessage& message) {
      if (const auto* raft = std::get_if<raft::Message>(&message)) {
        invariants_.OnSend(server(from).incarnation(), *raft);
      }
    });
    SimServerOptions options;
    for (uint64_t i = 1; i <= nodes; ++i) {
      options.membership.voters.push_back(NodeId(i));
      options.membership.addresses.push_back({NodeId(i), "node" + std::to_string(i)});
    }
    options.executor = &executor_;
    options.network = &network_;
    options.invariants = &invariants_;
    options.history = &history_;
    options.content_range = rng_.Between(16, 100);
    options.engine.memtable_bytes = size_t{1} << rng_.Between(12, 15);
    options.engine.block_cache_bytes = 1 << 16;
    options.node.log_segment_bytes = 1 << 14;
    options.node.log_keep_bytes = uint64_t{1} << rng_.Between(12, 16);
    options.node.log_max_bytes = 1 << 17;
    options.on_content = [this](NodeId who, const node::ContentFinding& finding) {
      findings_.push_back({who, finding});
    };
    for (uint64_t i = 1; i <= nodes; ++i) {
      options.id = NodeId(i);
      options.seed = rng_.Next();
      servers_.push_back(std::make_unique<SimServer>(options));
      Boot(servers_.back().get());
    }
    executor_.After(milliseconds(1), [this] { KeepWriting(); });
  }

  // Steps until `done`; false when `limit` has passed or something is wrong.
  bool RunUntil(Duration limit, const std::function<bool()>& done) {
    const MonotonicTime end = executor_.now() + limit;
    while (!done()) {
      if (!Step(end)) return false;
    }
    return true;
  }
  void RunFor(Duration time) {
    RunUntil(time, [] { return false; });
  }

  SimServer& server(NodeId id) { return *servers_.at(id.value() - 1); }
  SimServer* leader() {
    for (const auto& each : servers_) {
      if (each->up() && each->node() != nullptr &&
          each->node()->View().role == raft::Role::kLeader) {
        return each.get();
      }
    }
    return nullptr;
  }
  bool Said(NodeId who, Kind kind, NodeId about = kNoNode) const {
    return std::any_of(findings_.begin(), findings_.end(), [&](const Heard& heard) {
      return heard.who == who && heard.finding.kind == kind &&
             (about == kNoNode || heard.finding.peer == about);
    });
  }
  const std::vector<Heard>& findings() const { return findings_; }

  // From now on `id` differs, once this is applied.
  void Diverge(NodeId id) {
    server(id).FlipBitOfNextPut(kMarker);
    for (int i = 0; i < 10 && !server(id).differs(); ++i) {
      Put(kMarker);
      RunUntil(seconds(2), [&] { return server(id).differs(); });
    }
    ASSERT_TRUE(server(id).differs()) << problem_;
  }
  // Its reads of every kind, from the door.
  void ExpectServesNothing(NodeId id) {
    for (const auto consistency :
         {kv::Consistency::kLinearizable, kv::Consistency::kLease, kv::Consistency::kStale}) {
      const auto read = server(id).store()->Read({.key = kMarker, .terms = {consistency}});
      EXPECT_EQ(read.status().code(), StatusCode::kPermissionDenied);
      Status waited = OkStatus();
      server(id).store()->WaitReadable({consistency}, executor_.now() + seconds(1),
                                       [&](Status status) { waited = std::move(status); });
      EXPECT_EQ(waited.code(), StatusCode::kPermissionDenied);
    }
  }
  // Everybody has applied everything, and holds it.
  void ExpectAllEqual() {
    writing_ = false;
    ASSERT_TRUE(RunUntil(seconds(60), [&] {
      return std::all_of(servers_.begin(), servers_.end(), [&](const auto& each) {
        return each->up() && each->node() != nullptr &&
               each->machine()->revision() == invariants_.chosen();
      });
    })) << problem_;
    for (const auto& each : servers_) {
      EXPECT_FALSE(each->differs());
      EXPECT_TRUE(each->node()->ContentTrusted());
      EXPECT_TRUE(history_.CheckTree("node " + ToString(each->id()), *each->machine()->db()).ok());
    }
    EXPECT_EQ(history_.violation(), "");
  }
  void Kill(NodeId id, Death death) {
    server(id).Die(death);
    if (server(id).needs_burial()) Bury(&server(id));
  }
  const std::string& problem() const { return problem_; }
  Rng& rng() { return rng_; }

 private:
  void Boot(SimServer* server) {
    const Status status = server->Boot();
    if (!status.ok() && server->up()) Fail("refuses to start: " + std::string(MessageOf(status)));
  }
  void Bury(SimServer* server) {
    if (!server->fatal().ok()) Fail("stops: " + std::string(MessageOf(server->fatal())));
    server->Bury();
    executor_.After(milliseconds(static_cast<int64_t>(rng_.Between(10, 2000))),
                    [this, server] { Boot(server); });
  }
  void Fail(const std::string& what) {
    if (problem_.empty()) problem_ = what;
  }
  bool Step(MonotonicTime end) {
    if (!problem_.empty() || !executor_.Step(end)) return false;
    for (const auto& each : servers_) {
      if (each->up() && each->process() == executor_.last() && each->node() != nullptr) {
        invariants_.OnView(each->incarnation(), each->node()->View());
        Watch(each.get());
      }
      if (each->needs_burial()) Bury(each.get());
    }
    if (!invariants_.ok()) Fail(invariants_.violation());
    if (!history_.ok()) Fail(history_.violation());
    return problem_.empty();
  }
  // Who must not be trusted does not propose: what it decides would be wrong.
  void Watch(SimServer* server) {
    if (server->node()->ContentTrusted() || !server->node()->LeaseIndex()) return;
    Fail("node " + ToString(server->id()) + " is not to be trusted and holds a lease");
  }
  void Put(const std::string& key) {
    SimServer* server = servers_[rng_.Below(servers_.size())].get();
    if (!server->up() || server->door() == nullptr) return;
    const std::string value = std::to_string(++value_) + std::string(rng_.Below(100), 'v');
    server->door()->TryPost([this, server, key, value] {
      server->store()->Put({.key = key, .value = value, .condition = {}},
                           executor_.now() + seconds(2), [](StatusOr<kv::PutResult>) {});
    });
  }
  void KeepWriting() {
    if (writing_) Put("key" + std::to_string(rng_.Below(20)));
    executor_.After(milliseconds(static_cast<int64_t>(rng_.Between(1, 10))),
                    [this] { KeepWriting(); });
  }

  Rng rng_;
  SimExecutor executor_;
  SimNetwork network_;
  RaftInvariants invariants_;
  StateHistory history_;
  std::vector<Heard> findings_;
  std::vector<std::unique_ptr<SimServer>> servers_;
  uint64_t value_ = 0;
  bool writing_ = true;
  std::string problem_;
};

TEST(ContentTest, ReplicasThatAgreeSayNothing) {
  ContentWorld world(1, 3);
  world.RunFor(seconds(20));
  EXPECT_EQ(world.problem(), "");
  EXPECT_TRUE(world.findings().empty());
  ASSERT_NE(world.leader(), nullptr);
  const node::ContentStatus content = world.leader()->node()->Status().content;
  EXPECT_GT(content.checks, 10u);
  EXPECT_EQ(content.mismatches, 0u);
  EXPECT_GT(content.last_agreed, Index(500));
}

void ExpectNamedSilencedAndHealed(uint64_t seed, bool the_leader, bool crashes) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  ContentWorld world(seed, seed % 3 == 0 ? 5 : 3);
  ASSERT_TRUE(world.RunUntil(seconds(30), [&] { return world.leader() != nullptr; }));
  world.RunFor(seconds(2));
  ASSERT_NE(world.leader(), nullptr);
  NodeId bad = world.leader()->id();
  if (!the_leader) bad = NodeId(bad.value() % 3 + 1);
  world.Diverge(bad);

  ASSERT_TRUE(world.RunUntil(seconds(60), [&] { return world.Said(bad, Kind::kSelfDiffers); }))
      << world.problem();
  world.ExpectServesNothing(bad);
  EXPECT_NE(world.server(bad).node()->Status().content.distrust, "");
  if (crashes) {
    for (int i = 0; i < 4; ++i) {
      world.RunFor(milliseconds(static_cast<int64_t>(world.rng().Between(1, 2500))));
      if (!world.server(bad).up()) continue;
      world.Kill(bad, world.rng().Chance(1, 2) ? Death::kPowerLoss : Death::kKilled);
    }
  }
  ASSERT_TRUE(world.RunUntil(seconds(120), [&] {
    const SimServer& server = world.server(bad);
    return server.up() && server.node() != nullptr && !server.differs() &&
           server.node()->ContentTrusted();
  })) << world.problem();
  EXPECT_TRUE(crashes || world.Said(bad, Kind::kReseeded));
  world.RunFor(seconds(10));
  world.ExpectAllEqual();
  for (uint64_t other = 1; other <= 3; ++other) {
    if (NodeId(other) == bad) continue;
    // A crash may undo the difference before everybody has compared.
    EXPECT_TRUE(crashes || world.Said(NodeId(other), Kind::kPeerDiffers, bad)) << other;
    EXPECT_FALSE(world.Said(NodeId(other), Kind::kSelfDiffers)) << other;
  }
  EXPECT_EQ(world.problem(), "");
}

TEST(ContentTest, AFollowerThatDiffersIsNamedAndHeals) {
  for (uint64_t seed = 1; seed <= 10; ++seed) ExpectNamedSilencedAndHealed(seed, false, false);
}

TEST(ContentTest, ALeaderThatDiffersHandsOverAndHeals) {
  for (uint64_t seed = 11; seed <= 20; ++seed) ExpectNamedSilencedAndHealed(seed, true, false);
}

TEST(ContentTest, HealsThoughItCrashesAgainAndAgain) {
  for (uint64_t seed = 21; seed <= 40; ++seed) {
    ExpectNamedSilencedAndHealed(seed, seed % 2 == 0, true);
  }
}

TEST(ContentTest, OfTwoNobodyKnowsWhoIsRight) {
  ContentWorld world(5, 2);
  ASSERT_TRUE(world.RunUntil(seconds(30), [&] { return world.leader() != nullptr; }));
  world.Diverge(NodeId(2));
  world.RunFor(seconds(20));
  EXPECT_EQ(world.problem(), "");
  for (const uint64_t id : {1, 2}) {
    EXPECT_TRUE(world.Said(NodeId(id), Kind::kUndecided, NodeId(3 - id)));
    EXPECT_TRUE(world.server(NodeId(id)).node()->ContentTrusted());
    EXPECT_GT(world.server(NodeId(id)).node()->Status().content.mismatches, 0u);
  }
  EXPECT_EQ(world.findings().size(), 2u) << "each says it once";
}

}  // namespace
}  // namespace sisyphus::testing
