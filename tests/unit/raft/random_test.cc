// Random runs: a network that loses, repeats and reorders, replicas that crash and come back with
// what was on their disks, changes of membership, transfers, leases, snapshots. Cluster checks the
// safety properties after every step; at the end the faults stop and the cluster must work.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <utility>

#include "tests/unit/raft/cluster.h"

namespace sisyphus::raft::testing {
namespace {

struct Totals {
  uint64_t elections = 0;
  uint64_t committed = 0;
  uint64_t reads = 0;
  uint64_t snapshots = 0;
  uint64_t reseeds = 0;
  uint64_t disk_reads = 0;
  uint64_t leases = 0;
  uint64_t changes = 0;
  uint64_t transfers = 0;
};

Cluster::Options DrawOptions(uint64_t seed, Rng* rng) {
  Cluster::Options options;
  options.seed = seed;
  options.config.election_ticks = static_cast<uint32_t>(rng->Between(4, 10));
  options.config.pre_vote = !rng->Chance(1, 4);
  options.config.check_quorum = !rng->Chance(1, 4);
  options.config.max_append_bytes = rng->Between(40, 400);
  options.config.max_inflight_messages = rng->Between(1, 6);
  options.config.max_inflight_bytes = rng->Between(100, 2000);
  options.config.max_log_memory_bytes = rng->Between(0, 1000);
  options.config.max_uncommitted_bytes = 2000;
  const uint64_t voters = rng->Between(1, 5);
  for (uint64_t id = 1; id <= 5; ++id) {
    (id <= voters ? options.voters : options.blank).push_back(id);
  }
  return options;
}

// One run, whose faults are drawn once so that runs differ in kind, not only in order.
class Scenario {
 public:
  explicit Scenario(uint64_t seed)
      : rng_(seed), cluster_(DrawOptions(seed, &rng_)), leases_(rng_.Chance(1, 2)) {
    loss_ = rng_.Chance(1, 3) ? 0 : rng_.Below(15);
    repeat_ = rng_.Below(10);
    reorder_ = rng_.Chance(1, 2) ? 1 : rng_.Between(1, 8);
    crash_ = rng_.Chance(1, 3) ? 0 : rng_.Below(8);
    change_ = rng_.Chance(1, 3) ? 0 : rng_.Below(30);
    transfer_ = rng_.Chance(1, 2) ? 0 : rng_.Below(8);
    compact_ = rng_.Chance(1, 3) ? 0 : rng_.Below(20);
    tick_ = rng_.Between(20, 70);
    distrust_ = rng_.Chance(1, 2) ? 0 : rng_.Below(20);
  }

  void Go(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) OneStep();
    Recover();
  }

  void AddTo(Totals* totals) {
    totals->elections += cluster_.elections();
    totals->committed += cluster_.committed_count();
    totals->reads += cluster_.reads_confirmed();
    totals->snapshots += cluster_.snapshots();
    totals->disk_reads += cluster_.disk_reads();
    totals->reseeds += cluster_.reseeds();
    totals->leases += cluster_.leases_seen();
    totals->changes += changes_;
    totals->transfers += transfers_;
  }

 private:
  uint64_t AnyId() { return rng_.Between(1, 5); }

  void OneStep() {
    const uint64_t id = AnyId();
    const uint64_t dice = rng_.Below(1000);
    if (dice < 350) {
      MoveMessage();
    } else if (dice < 600) {
      cluster_.Collect(id);
    } else if (dice < 720) {
      cluster_.FinishWrite(id);
    } else if (dice < 780) {
      cluster_.FinishApply(id);
    } else if (dice < 780 + tick_) {
      cluster_.TickAll();
    } else if (dice < 900) {
      AskSomething();
    } else {
      Disturb(id);
    }
  }

  void MoveMessage() {
    if (cluster_.network().empty()) return;
    const size_t position = rng_.Below(std::min<size_t>(reorder_, cluster_.network().size()));
    if (rng_.Chance(cut_.contains(Pair(cluster_.network()[position])) ? 95 : loss_, 100)) {
      cluster_.Drop(position);
      return;
    }
    if (rng_.Chance(repeat_, 100)) cluster_.network().push_back(cluster_.network()[position]);
    cluster_.Deliver(position);
  }

  static std::pair<uint64_t, uint64_t> Pair(const Message& m) {
    return std::minmax(m.from.value(), m.to.value());
  }

  void AskSomething() {
    const std::optional<uint64_t> leader = cluster_.leader();
    if (!leader) return;
    Core& core = cluster_.core(*leader);
    if (rng_.Chance(1, 3)) {
      (void)cluster_.ReadIndex(*leader);
    } else {
      std::vector<Payload> batch;
      for (uint64_t n = rng_.Between(1, 4); n > 0; --n) {
        batch.push_back(MakePayload(std::string(rng_.Below(60), 'x') + std::to_string(++value_)));
      }
      (void)core.Propose(batch);
    }
    if (leases_) core.WantLease(true);
  }

  void Disturb(uint64_t id) {
    if (!cluster_.alive(id)) {
      cluster_.Restart(id);
      return;
    }
    if (rng_.Chance(crash_, 60)) {
      cluster_.Crash(id);
    } else if (rng_.Chance(change_, 40)) {
      ChangeMembership();
    } else if (rng_.Chance(transfer_, 40)) {
      if (auto leader = cluster_.leader()) {
        transfers_ += cluster_.core(*leader).TransferLeadership(NodeId(rng_.Below(6))).ok();
      }
    } else if (rng_.Chance(compact_, 40)) {
      cluster_.Flush(id);
      const Index limit =
          std::min(cluster_.disk(id).machine.index, cluster_.core(id).status().applied);
      cluster_.Compact(id, limit);
    } else if (rng_.Chance(distrust_, 40)) {
      Distrust(id);
    } else if (rng_.Chance(1, 6)) {
      cluster_.core(id).Campaign();
    } else if (rng_.Chance(1, 6)) {
      cluster_.core(id).ForgetLeader();
    } else if (rng_.Chance(1, 6)) {
      cluster_.core(id).PeerUnreachable(NodeId(AnyId()));
    } else if (rng_.Chance(1, 6)) {
      cut_.clear();
    } else if (rng_.Chance(1, 8)) {
      for (uint64_t other = 1; other <= 5; ++other) cut_.insert(std::minmax(id, other));
    }
  }

  // One at a time, so that there is always somebody to take a snapshot from.
  void Distrust(uint64_t id) {
    if (cluster_.distrusted() == 0) cluster_.TrustState(id, false);
    const std::optional<uint64_t> leader = cluster_.leader();
    if (leader && cluster_.distrusted() == id) {
      cluster_.core(*leader).SendSnapshotTo(NodeId(id));
    }
  }

  void ChangeMembership() {
    const std::optional<uint64_t> leader = cluster_.leader();
    if (!leader) return;
    MembershipChange change;
    change.transition = static_cast<MembershipChange::Transition>(rng_.Below(3));
    for (uint64_t n = rng_.Below(4); n > 0; --n) {
      const auto op = static_cast<MembershipChange::Op>(rng_.Chance(1, 2) ? 0 : rng_.Below(3));
      change.operations.push_back({op, NodeId(AnyId()), ""});
    }
    changes_ += cluster_.core(*leader).ProposeMembership(change).ok();
  }

  // No more faults: whatever the state, a leader comes up, and everything spreads.
  void Recover() {
    cluster_.TrustState(cluster_.distrusted(), true);
    for (uint64_t id = 1; id <= 5; ++id) {
      if (!cluster_.alive(id)) cluster_.Restart(id);
    }
    // Without pre-votes and quorum checks a removed replica that does not know it goes on deposing
    // leaders (thesis 4.2.3). The longest wait is for a delivered snapshot that nobody answers for.
    for (int i = 0; i < 600 && !::testing::Test::HasFailure(); ++i) {
      cluster_.TickAll();
      cluster_.Settle();
      if (i >= 130 && cluster_.leader()) break;
    }
    if (::testing::Test::HasFailure()) return;
    const std::optional<uint64_t> leader = cluster_.leader();
    ASSERT_TRUE(leader.has_value()) << "nobody leads after the faults have stopped";
    const LogPosition last = cluster_.Propose(*leader, "the last word");
    cluster_.Settle();
    EXPECT_EQ(cluster_.core(*leader).commit(), last.index);
    EXPECT_EQ(cluster_.core(*leader).leader(), NodeId(*leader));
    ASSERT_TRUE(cluster_.ReadIndex(*leader).ok());
    const uint64_t reads = cluster_.reads_confirmed();
    cluster_.Settle();
    EXPECT_EQ(cluster_.reads_confirmed(), reads + 1);
    const Membership members = cluster_.core(*leader).status().membership;
    // Those whose answers were lost are reached with the next heartbeats.
    for (int i = 0; i < 130; ++i) {
      cluster_.TickAll();
      cluster_.Settle();
    }
    for (NodeId member : MembersOf(members)) {
      EXPECT_GE(cluster_.machine(member.value()), last.index) << "replica " << member;
    }
  }

  Rng rng_;
  Cluster cluster_;
  bool leases_;
  uint64_t loss_, repeat_, reorder_, crash_, change_, transfer_, compact_, tick_, distrust_;
  std::set<std::pair<uint64_t, uint64_t>> cut_;
  uint64_t value_ = 0;
  uint64_t changes_ = 0;
  uint64_t transfers_ = 0;
};

TEST(RandomTest, SafetyInEveryStepAndWorkWhenFaultsStop) {
  uint64_t first = 1;
  uint64_t count = 400;
  if (const char* seed = std::getenv("SISYPHUS_RAFT_SEED")) {
    first = std::stoull(seed);
    count = 1;
  }
  if (const char* seeds = std::getenv("SISYPHUS_RAFT_SEEDS")) count = std::stoull(seeds);
  Totals totals;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Scenario run(seed);
    run.Go(2500);
    run.AddTo(&totals);
    if (HasFailure()) {
      FAIL() << "seed " << seed << "; again with SISYPHUS_RAFT_SEED=" << seed;
    }
  }
  RecordProperty("elections", std::to_string(totals.elections));
  std::printf(
      "elections %lu committed %lu reads %lu snapshots %lu reseeds %lu disk reads %lu leases %lu "
      "changes %lu "
      "transfers %lu\n",
      totals.elections, totals.committed, totals.reads, totals.snapshots, totals.reseeds,
      totals.disk_reads, totals.leases, totals.changes, totals.transfers);
  if (count < 100) return;
  // The runs must have been about something.
  EXPECT_GT(totals.elections, count);
  EXPECT_GT(totals.committed, 10 * count);
  EXPECT_GT(totals.reads, count);
  EXPECT_GT(totals.snapshots, count / 10);
  EXPECT_GT(totals.reseeds, count / 10);
  EXPECT_GT(totals.disk_reads, count / 10);
  EXPECT_GT(totals.leases, count);
  EXPECT_GT(totals.changes, count / 4);
  EXPECT_GT(totals.transfers, count / 4);
}

}  // namespace
}  // namespace sisyphus::raft::testing
