// Elections with clients on all sides: at most one write wins a key, and no two answers disagree.
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "tests/chaos/cluster.h"
#include "tests/chaos/load.h"

namespace sisyphus::chaos {
namespace {

using absl::StatusCode;

constexpr int kKeys = 40;
constexpr std::chrono::seconds kRequestTimeout{3};

std::string KeyName(int key) { return "race-" + std::to_string(key); }

// What one thread, bound to one node, saw of the race for the keys.
struct Attempt {
  int key = 0;
  bool read = false;
  MonotonicTime begin;
  MonotonicTime end;
  StatusCode code = StatusCode::kOk;
  std::string value;  // Of a good read, or the one that was to be written.
};

// One writer and one reader a node. Each writes its own value under every key, if it has none yet.
class Race {
 public:
  Race(const Cluster& cluster, const std::string& round) {
    attempts_.resize(2 * cluster.ids().size());
    size_t slot = 0;
    for (const uint64_t id : cluster.ids()) {
      Spawn(cluster, id, slot++, round, /*read=*/false);
      Spawn(cluster, id, slot++, round, /*read=*/true);
    }
  }
  ~Race() { Finish(); }

  std::vector<Attempt> Finish() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    std::vector<Attempt> all;
    for (const auto& attempts : attempts_) all.insert(all.end(), attempts.begin(), attempts.end());
    return all;
  }

 private:
  void Spawn(const Cluster& cluster, uint64_t id, size_t slot, const std::string& round,
             bool read) {
    clients_.push_back(cluster.MakeClient({id}, kRequestTimeout));
    Client* client = clients_.back().get();
    const std::string value = round + " of node " + std::to_string(id);
    threads_.emplace_back([this, client, slot, round, read, value] {
      for (int key = 0; key < kKeys; ++key) {
        Attempt attempt{.key = key, .read = read, .begin = Now(), .end = {}, .value = value};
        if (read) {
          const auto result = client->Get(round + KeyName(key));
          attempt.code = result.status().code();
          attempt.value = result.ok() ? result->value : "";
        } else {
          const PutOptions absent{.if_absent = true};
          attempt.code = client->Put(round + KeyName(key), value, absent).status().code();
        }
        attempt.end = Now();
        attempts_[slot].push_back(attempt);
      }
    });
  }

  std::vector<std::vector<Attempt>> attempts_;  // One a thread.
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::thread> threads_;
};

// A key is written at most once, so whoever sees a value sees the same one, and from the first
// moment at which anybody knew of it nobody may miss it.
void CheckAttempts(const std::vector<Attempt>& attempts,
                   const std::vector<std::string>& final_values) {
  for (int key = 0; key < kKeys; ++key) {
    int accepted = 0;
    MonotonicTime known = MonotonicTime::max();
    for (const Attempt& attempt : attempts) {
      if (attempt.key != key || attempt.code != StatusCode::kOk) continue;
      accepted += attempt.read ? 0 : 1;
      known = std::min(known, attempt.end);
      EXPECT_EQ(attempt.value, final_values[key])
          << KeyName(key) << ": a " << (attempt.read ? "read" : "write") << " disagrees";
    }
    EXPECT_LE(accepted, 1) << KeyName(key) << " was accepted twice";
    for (const Attempt& attempt : attempts) {
      if (attempt.key != key || attempt.begin <= known) continue;
      EXPECT_FALSE(attempt.read && attempt.code == StatusCode::kNotFound)
          << KeyName(key) << ": a later read does not see it";
      EXPECT_FALSE(!attempt.read && attempt.code == StatusCode::kOk)
          << KeyName(key) << ": a later write found it absent";
    }
  }
}

// Runs a race while `disturb` takes the leader away and `heal` brings it back.
void RunRace(Cluster& cluster, const std::string& round,
             const std::function<void(uint64_t leader)>& disturb,
             const std::function<void(uint64_t leader)>& heal) {
  const uint64_t leader = cluster.WaitLeader(cluster.ids());
  ASSERT_NE(leader, 0u);
  disturb(leader);
  std::vector<Attempt> attempts;
  {
    Race race(cluster, round);
    const uint64_t next = cluster.WaitLeader(cluster.Others(leader));
    EXPECT_NE(next, 0u) << "no new leader";
    EXPECT_NE(next, leader);
    heal(leader);
    attempts = race.Finish();
  }
  ASSERT_TRUE(cluster.WaitReady(cluster.ids()));
  std::vector<std::string> final_values(kKeys);
  for (int key = 0; key < kKeys; ++key) {
    for (const uint64_t id : cluster.ids()) {
      const auto result = cluster.MakeClient({id})->Get(round + KeyName(key));
      ASSERT_TRUE(result.ok() || result.status().code() == StatusCode::kNotFound)
          << result.status();
      const std::string value = result.ok() ? result->value : "";
      if (id == 1) final_values[key] = value;
      EXPECT_EQ(value, final_values[key]) << KeyName(key) << ": node " << id << " disagrees";
    }
  }
  CheckAttempts(attempts, final_values);
}

TEST(ChaosTest, SplitBrainWithAFrozenLeader) {
  Cluster cluster;
  cluster.StartAll();
  ASSERT_TRUE(cluster.WaitReady(cluster.ids()));
  for (int round = 0; round < 2; ++round) {
    RunRace(
        cluster, "frozen-" + std::to_string(round) + "/",
        [&](uint64_t leader) { cluster.Freeze(leader); },
        [&](uint64_t leader) { cluster.Thaw(leader); });
    if (HasFatalFailure()) return;
  }
}

TEST(ChaosTest, SplitBrainWithAKilledLeader) {
  Cluster cluster;
  cluster.StartAll();
  ASSERT_TRUE(cluster.WaitReady(cluster.ids()));
  for (int round = 0; round < 2; ++round) {
    RunRace(
        cluster, "killed-" + std::to_string(round) + "/",
        [&](uint64_t leader) { cluster.Kill(leader); },
        [&](uint64_t leader) { cluster.Start(leader); });
    if (HasFatalFailure()) return;
  }
}

TEST(ChaosTest, AMinorityAcceptsAndAnswersNothing) {
  Cluster cluster;
  cluster.StartAll();
  ASSERT_TRUE(cluster.WaitReady(cluster.ids()));
  ASSERT_OK(cluster.MakeClient(cluster.ids())->Put("k", "before").status());
  const uint64_t leader = cluster.WaitLeader(cluster.ids());
  ASSERT_NE(leader, 0u);
  for (const uint64_t id : cluster.Others(leader)) cluster.Kill(id);
  const auto client = cluster.MakeClient({leader}, std::chrono::seconds(2));
  const StatusCode write = client->Put("k", "alone").status().code();
  EXPECT_TRUE(write == StatusCode::kUnavailable || write == StatusCode::kDeadlineExceeded) << write;
  EXPECT_EQ(client->Get("k").status().code(), StatusCode::kUnavailable);
  const auto stale = client->Get("k", ReadConsistency::kStale);
  ASSERT_OK(stale.status());
  EXPECT_EQ(stale->value, "before");
  // It lives, and says that it does not serve once it has noticed.
  EXPECT_TRUE(
      Eventually(kPatience, [&] { return client->Ready().code() == StatusCode::kUnavailable; }));
  for (const uint64_t id : cluster.Others(leader)) cluster.Start(id);
  ASSERT_TRUE(cluster.WaitReady(cluster.ids()));
  ASSERT_OK(PutForSure(*cluster.MakeClient(cluster.ids()), "k", "after"));
}

}  // namespace
}  // namespace sisyphus::chaos
