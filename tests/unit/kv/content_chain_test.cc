// The hash that replicas compare: the same after restarts and snapshots, another after any
// difference of content.

#include "kv/content_chain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "kv/machine.h"
#include "node/snapshot_files.h"
#include "tests/support/sim_executor.h"
#include "tests/support/sim_file_system.h"

namespace sisyphus::kv {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::IsSubsetOf;
using ::testing::Not;

constexpr uint64_t kRange = 16;

LogPosition At(uint64_t index, uint64_t term = 1) { return {Index(index), Term(term)}; }

WriteBatch Put(std::string_view key, std::string_view value) {
  WriteBatch batch;
  batch.Put(key, value);
  return batch;
}

TEST(ContentChainTest, EverythingThatAnEntryDoesCounts) {
  const auto fold = [](LogPosition position, const WriteBatch& batch, std::string_view result) {
    return ContentChain(kRange).Fold(position, batch, result);
  };
  const uint64_t reference = fold(At(1), Put("key", "value"), "result");
  EXPECT_EQ(fold(At(1), Put("key", "value"), "result"), reference);
  WriteBatch deletes;
  deletes.Delete("key");
  WriteBatch twice = Put("key", "value");
  twice.Put("key", "value");
  EXPECT_NE(fold(At(2), Put("key", "value"), "result"), reference);
  EXPECT_NE(fold(At(1, 2), Put("key", "value"), "result"), reference);
  EXPECT_NE(fold(At(1), Put("kez", "value"), "result"), reference);
  EXPECT_NE(fold(At(1), Put("key", "valuf"), "result"), reference);
  EXPECT_NE(fold(At(1), Put("keyv", "alue"), "result"), reference);
  EXPECT_NE(fold(At(1), Put("key", "value"), "resulu"), reference);
  EXPECT_NE(fold(At(1), deletes, "result"), reference);
  EXPECT_NE(fold(At(1), twice, "result"), reference);
  EXPECT_NE(fold(At(1), {}, {}), fold(At(2), {}, {}));
}

TEST(ContentChainTest, OrderCountsAndDifferencesStay) {
  ContentChain one(kRange);
  ContentChain other(kRange);
  WriteBatch forward = Put("a", "1");
  forward.Put("b", "2");
  WriteBatch backward = Put("b", "2");
  backward.Put("a", "1");
  one.Fold(At(1), forward, {});
  other.Fold(At(1), backward, {});
  for (uint64_t i = 2; i <= 10; ++i) {
    EXPECT_NE(one.Fold(At(i), Put("k", "v"), {}), other.Fold(At(i), Put("k", "v"), {}));
  }
}

TEST(ContentChainTest, KeepsTheLastFewValuesAtMultiplesOfTheRange) {
  ContentChain chain(kRange);
  std::vector<node::ContentHash> expected;
  for (uint64_t i = 1; i <= 50 * kRange + 3; ++i) {
    const uint64_t value = chain.Fold(At(i), {}, {});
    if (i % kRange == 0) expected.push_back({Index(i), value});
  }
  expected.erase(expected.begin(), expected.end() - ContentChain::kRecent);
  EXPECT_THAT(chain.recent(), ElementsAreArray(expected));

  chain.Restart(Index(7), 123);
  EXPECT_THAT(chain.recent(), IsEmpty());
  chain.Restart(Index(2 * kRange), 123);
  EXPECT_THAT(chain.recent(), ElementsAre(node::ContentHash{Index(2 * kRange), 123}));
}

// A state machine on a simulated disk, and the log that it is fed with.
class Replica {
 public:
  explicit Replica(uint64_t seed)
      : executor_({.seed = seed}), process_(executor_.CreateProcess("node")) {
    EXPECT_TRUE(fs_.CreateDirectory("data").ok());
    Open();
  }
  void Open() {
    machine_ = nullptr;
    Machine::MachineOptions options;
    options.directory = "data/db";
    options.content_range = kRange;
    options.engine.memtable_bytes = 4096;
    options.engine.max_immutable_memtables = 1000;
    options.engine.file_system = &fs_;
    options.engine.executor = process_.get();
    StatusOr<std::unique_ptr<Machine>> machine = Machine::Open(std::move(options));
    ASSERT_TRUE(machine.ok()) << machine.status();
    machine_ = *std::move(machine);
  }
  void ApplyUpTo(const std::vector<std::string>& log, uint64_t last) {
    for (uint64_t i = machine_->revision().value() + 1; i <= last; ++i) {
      std::vector<std::string> results;
      const node::Command command{At(i), log[i - 1]};
      const Status status = machine_->Apply({&command, 1}, &results);
      ASSERT_TRUE(status.ok()) << status;
    }
  }
  void Settle() {
    while (executor_.Step()) {
    }
  }
  void InstallFrom(Replica& other) {
    const StatusOr<LogPosition> at = other.machine_->Checkpoint("data/checkpoint");
    ASSERT_TRUE(at.ok()) << at.status();
    ASSERT_TRUE(fs_.CreateDirectory("data/incoming").ok());
    ASSERT_TRUE(fs_.CreateDirectory("data/incoming/db").ok());
    const StatusOr<std::vector<std::string>> names = other.fs_.List("data/checkpoint");
    ASSERT_TRUE(names.ok()) << names.status();
    for (const std::string& name : *names) {
      const auto bytes = ReadWholeFile(other.fs_, "data/checkpoint/" + name);
      ASSERT_TRUE(WriteFileAtomically(fs_, "data/incoming/db/" + name, *bytes).ok());
    }
    const Status status =
        machine_->Install([&] { return node::SwapIn(fs_, "data/incoming", "data/db"); });
    ASSERT_TRUE(status.ok()) << status;
  }
  uint64_t chain() const { return machine_->db()->last_written().digest; }
  Machine& machine() { return *machine_; }

 private:
  testing::SimFileSystem fs_;
  testing::SimExecutor executor_;
  std::unique_ptr<testing::SimProcess> process_;
  std::unique_ptr<Machine> machine_;
};

// Puts, deletes, conditions that hold and that do not, and entries that are no commands.
std::vector<std::string> RandomLog(uint64_t seed, size_t entries) {
  Rng rng(seed);
  std::vector<std::string> log;
  for (size_t i = 0; i < entries; ++i) {
    const std::string key = "key" + std::to_string(rng.Below(10));
    const std::string value(rng.Below(300), 'v');
    Command command;
    command.kind = rng.Chance(1, 4) ? Command::Kind::kDelete : Command::Kind::kPut;
    command.key = key;
    if (command.kind == Command::Kind::kPut) command.value = value;
    command.condition.if_absent = rng.Chance(1, 4);
    command.want_previous = rng.Chance(1, 4);
    log.push_back(rng.Chance(1, 10) ? std::string() : EncodeCommand(command));
  }
  return log;
}

TEST(ContentChainTest, SurvivesRestartsAndSnapshots) {
  const std::vector<std::string> log = RandomLog(7, 600);
  Replica steady(1);
  steady.ApplyUpTo(log, log.size());
  const std::vector<node::ContentHash> expected = steady.machine().ContentHashes();
  ASSERT_EQ(expected.size(), ContentChain::kRecent);

  Rng rng(3);
  Replica restarting(2);
  uint64_t lost = 0;
  for (uint64_t last = 0; last < log.size();) {
    last = std::min<uint64_t>(last + rng.Between(1, 60), log.size());
    restarting.ApplyUpTo(log, last);
    if (rng.Chance(1, 2)) restarting.machine().ScheduleFlush();
    if (rng.Chance(3, 4)) restarting.Settle();
    restarting.Open();
    lost += last - restarting.machine().revision().value();
    restarting.ApplyUpTo(log, last);
  }
  EXPECT_GT(lost, 50u) << "restarts forget what was not flushed";
  EXPECT_EQ(restarting.chain(), steady.chain());
  EXPECT_THAT(restarting.machine().ContentHashes(), Not(IsEmpty()));
  EXPECT_THAT(restarting.machine().ContentHashes(), IsSubsetOf(expected));

  Replica source(4);
  source.ApplyUpTo(log, 333);
  source.machine().ScheduleFlush();
  source.Settle();
  Replica installed(5);
  installed.ApplyUpTo(RandomLog(8, 200), 200);  // Another content before.
  installed.InstallFrom(source);
  EXPECT_EQ(installed.machine().revision(), Index(333));
  installed.ApplyUpTo(log, log.size());
  EXPECT_EQ(installed.chain(), steady.chain());
  EXPECT_THAT(installed.machine().ContentHashes(), IsSubsetOf(expected));
  EXPECT_EQ(installed.machine().ContentHashes().size(), log.size() / kRange - 333 / kRange);
}

TEST(ContentChainTest, OneDifferentBitShowsFromTheNextComparisonOn) {
  std::vector<std::string> log = RandomLog(9, 200);
  Replica one(1);
  one.ApplyUpTo(log, log.size());
  Command put;
  put.key = "key0";
  put.value = "value";
  const std::string good = EncodeCommand(put);
  put.value = "valuf";
  log[99] = good;
  Replica other(2);
  other.ApplyUpTo(log, log.size());
  log[99] = EncodeCommand(put);
  Replica third(3);
  third.ApplyUpTo(log, log.size());
  const auto a = other.machine().ContentHashes();
  const auto b = third.machine().ContentHashes();
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i] == b[i], a[i].index < Index(100));
}

}  // namespace
}  // namespace sisyphus::kv
