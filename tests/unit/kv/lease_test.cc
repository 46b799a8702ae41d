// Leases and log time, applied by the machine.

#include "kv/lease.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/rng.h"
#include "kv/log_time.h"
#include "kv/txn.h"
#include "tests/unit/kv/machine_fixture.h"

namespace sisyphus::kv {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class LeaseTest : public ::testing::Test {
 protected:
  // Commands that a leader stamped at `now`.
  std::string ApplyAt(uint64_t now, std::string_view command) {
    return machine_.Apply(WithTime(EncodeTimed(command), now));
  }
  uint64_t Grant(uint64_t now, uint64_t ttl) {
    return DecodeLeaseResult(ApplyAt(now, EncodeLeaseGrant(ttl)))->id;
  }
  uint64_t KeepAlive(uint64_t now, uint64_t id) {
    return DecodeLeaseResult(ApplyAt(now, EncodeLeaseKeepAlive({id})))->ttls_ms.at(0);
  }
  std::string Put(const std::string& key, uint64_t lease) {
    Command command;
    command.key = key;
    command.value = "v";
    command.lease.id = lease;
    return machine_.Apply(EncodeCommand(command));
  }
  std::string PutFor(uint64_t now, const std::string& key, uint64_t ttl) {
    Command command;
    command.key = key;
    command.value = "v";
    command.lease.ttl_ms = ttl;
    return ApplyAt(now, EncodeCommand(command));
  }
  std::string Delete(const std::string& key) {
    Command command;
    command.kind = Command::Kind::kDelete;
    command.key = key;
    return machine_.Apply(EncodeCommand(command));
  }
  void PassTo(uint64_t ms) { machine_.Apply(EncodeTimePassed({machine_.term(), ms})); }
  std::optional<Lease> Find(uint64_t id) {
    StatusOr<std::optional<Lease>> lease = machine_->FindLease(id);
    SIS_CHECK(lease.ok(), lease.status().ToString());
    return *lease;
  }
  // Every key of the tree that is not a user's.
  std::vector<std::string> Internal() {
    std::vector<std::string> keys;
    const auto tree = machine_->db();
    const auto it = tree->NewIterator({});
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      if (it->key()[0] == 'a' || it->key()[0] == 'l') keys.emplace_back(it->key());
    }
    return keys;
  }

  TestMachine machine_;
};

TEST_F(LeaseTest, KeysGoWithTheirLeaseInOneChange) {
  const uint64_t lease = Grant(1'000, 5'000);
  for (const char* key : {"a", "b", "c"}) Put(key, lease);
  Put("free", 0);
  EXPECT_EQ(Find(lease)->keys, 3u);
  EXPECT_EQ(Find(lease)->deadline_ms, 6'000u);
  EXPECT_EQ(machine_.Find("a")->lease, lease);
  PassTo(5'999);
  EXPECT_EQ(machine_.Get("a"), "v");
  PassTo(6'000);
  EXPECT_EQ(machine_.Get("a") + machine_.Get("b") + machine_.Get("c"), "---");
  EXPECT_EQ(machine_.Get("free"), "v");
  EXPECT_EQ(Find(lease), std::nullopt);
  EXPECT_TRUE(Internal().empty());
  EXPECT_EQ(machine_->deadlines().leases(), 0u);
  EXPECT_EQ(RefusalIn(Put("late", lease)), Refusal::kNoLease);
  EXPECT_EQ(machine_.Get("late"), "-");
  EXPECT_EQ(KeepAlive(6'000, lease), 0u);
}

TEST_F(LeaseTest, IsKeptAliveAndRevoked) {
  const uint64_t lease = Grant(1'000, 5'000);
  const uint64_t other = Grant(1'000, 7'000);
  EXPECT_NE(lease, other);
  Put("a", lease);
  EXPECT_EQ(KeepAlive(5'000, lease), 5'000u);
  PassTo(9'999);
  EXPECT_EQ(Find(other), std::nullopt);
  EXPECT_EQ(machine_.Get("a"), "v");
  // Several at once, one of them twice and one that is gone.
  const LeaseResult kept =
      *DecodeLeaseResult(ApplyAt(9'999, EncodeLeaseKeepAlive({lease, other, lease})));
  EXPECT_EQ(kept.ttls_ms, (std::vector<uint64_t>{5'000, 0, 5'000}));
  EXPECT_EQ(machine_->deadlines().leases(), 1u);
  LeaseResult revoked = *DecodeLeaseResult(machine_.Apply(EncodeLeaseRevoke(lease)));
  EXPECT_TRUE(revoked.existed);
  EXPECT_EQ(revoked.deleted, 1u);
  EXPECT_EQ(machine_.Get("a"), "-");
  EXPECT_FALSE(DecodeLeaseResult(machine_.Apply(EncodeLeaseRevoke(lease)))->existed);
  EXPECT_TRUE(Internal().empty());
}

TEST_F(LeaseTest, APutMovesTheKeyToAnotherLeaseOrNone) {
  const uint64_t first = Grant(1'000, 5'000);
  const uint64_t second = Grant(1'000, 9'000);
  Put("a", first);
  Put("a", first);
  EXPECT_EQ(Find(first)->keys, 1u);
  Put("a", second);
  EXPECT_EQ(Find(first)->keys, 0u);
  EXPECT_EQ(Find(second)->keys, 1u);
  PassTo(6'000);
  EXPECT_EQ(machine_.Get("a"), "v");
  machine_.Apply(PutCommand("a", "for good"));
  PassTo(20'000);
  EXPECT_EQ(machine_.Get("a"), "for good");
  EXPECT_EQ(machine_.Find("a")->version, 4u);
}

TEST_F(LeaseTest, ALeaseOfATtlEndsWithItsKey) {
  PutFor(1'000, "a", 5'000);
  const uint64_t first = machine_.Find("a")->lease;
  EXPECT_TRUE(Find(first)->ends_with_keys);
  PutFor(2'000, "a", 5'000);
  EXPECT_EQ(Find(first), std::nullopt);
  EXPECT_EQ(machine_->deadlines().leases(), 1u);
  PassTo(6'000);
  EXPECT_EQ(machine_.Get("a"), "v");
  Delete("a");
  EXPECT_TRUE(Internal().empty());
  PutFor(6'000, "b", 1'000);
  machine_.Apply(PutCommand("b", "for good"));
  EXPECT_TRUE(Internal().empty());
  PutFor(6'000, "c", 1'000);
  PassTo(7'000);
  EXPECT_EQ(machine_.Get("b") + machine_.Get("c"), "for good-");
  EXPECT_TRUE(Internal().empty());
}

TEST_F(LeaseTest, RangesAndTransactionsKeepTheBooks) {
  const uint64_t lease = Grant(1'000, 5'000);
  for (const char* key : {"a", "b", "c"}) Put(key, lease);
  PutFor(1'000, "d", 9'000);
  Command range;
  range.kind = Command::Kind::kDeleteRange;
  range.key = "b";
  range.end = "e";
  EXPECT_EQ(DecodeResult(machine_.Apply(EncodeCommand(range)))->deleted, 3u);
  EXPECT_EQ(Find(lease)->keys, 1u);
  EXPECT_EQ(Internal().size(), 2u);

  Txn txn;
  const auto add = [&](TxnOperation::Kind kind, const std::string& key, LeaseChoice choice) {
    txn.then.emplace_back();
    txn.then.back().kind = kind;
    txn.then.back().key = key;
    txn.then.back().value = "v";
    txn.then.back().lease = choice;
  };
  add(TxnOperation::Kind::kPut, "x", {.id = 0, .ttl_ms = 9'000});
  add(TxnOperation::Kind::kPut, "y", {.id = 0, .ttl_ms = 9'000});
  add(TxnOperation::Kind::kPut, "y", {.id = lease, .ttl_ms = 0});
  add(TxnOperation::Kind::kPut, "z", {.id = lease, .ttl_ms = 0});
  add(TxnOperation::Kind::kDelete, "z", {});
  add(TxnOperation::Kind::kDelete, "a", {});
  ASSERT_TRUE(DecodeTxnResult(ApplyAt(1'000, EncodeTxn(txn))).ok());
  EXPECT_EQ(Find(lease)->keys, 1u);
  EXPECT_EQ(Internal().size(), 4u);
  EXPECT_EQ(machine_->deadlines().leases(), 2u);
  txn.then.resize(1);
  add(TxnOperation::Kind::kPut, "w", {.id = 99, .ttl_ms = 0});
  EXPECT_EQ(RefusalIn(ApplyAt(1'000, EncodeTxn(txn))), Refusal::kNoLease);
  EXPECT_EQ(machine_->deadlines().leases(), 2u);
  EXPECT_EQ(machine_.Find("x")->version, 1u);
  PassTo(6'000);
  EXPECT_EQ(machine_.Get("y") + machine_.Get("x"), "-v");
}

TEST_F(LeaseTest, TimeOfAnotherTermIsNothing) {
  const uint64_t lease = Grant(1'000, 5'000);
  const std::string stale = EncodeTimePassed({machine_.term(), 100'000});
  machine_.NextTerm();
  machine_.Apply(stale);
  EXPECT_TRUE(Find(lease).has_value());
  EXPECT_EQ(machine_->deadlines().log_time(), 1'000u);
  // It never goes back either.
  PassTo(3'000);
  PassTo(2'000);
  Grant(500, 5'000);
  EXPECT_EQ(machine_->deadlines().log_time(), 3'000u);
  EXPECT_EQ(machine_->deadlines().Earliest(), 6'000u);
}

// Whatever happens, what stands in memory is what the tree has, and what a key says of its lease is
// what the lease says of its keys.
TEST_F(LeaseTest, RandomCommandsKeepTheBooks) {
  Rng rng(11);
  uint64_t now = 1'000;
  std::vector<uint64_t> leases;
  for (int i = 0; i < 3'000; ++i) {
    now += rng.Below(200);
    const std::string key = "k" + std::to_string(rng.Below(30));
    const uint64_t lease = leases.empty() ? 0 : leases[rng.Below(leases.size())];
    switch (rng.Below(8)) {
      case 0:
        leases.push_back(Grant(now, 1'000 + rng.Below(5'000)));
        break;
      case 1:
        PutFor(now, key, 1'000 + rng.Below(3'000));
        break;
      case 2:
        Put(key, lease);
        break;
      case 3:
        Delete(key);
        break;
      case 4:
        if (lease != 0) KeepAlive(now, lease);
        break;
      case 5:
        machine_.Apply(EncodeLeaseRevoke(lease));
        break;
      case 6:
        PassTo(now);
        break;
      default:
        Put(key, 0);
    }
    if (i % 500 != 499) continue;
    machine_.Restart(/*flush_first=*/i % 1000 == 999);
    uint64_t keys = 0;
    const std::vector<Lease> all = *machine_->ListLeases(0, 10'000);
    EXPECT_EQ(all.size(), machine_->deadlines().leases());
    for (const Lease& each : all) keys += each.keys;
    EXPECT_EQ(Internal().size(), keys + all.size());
    uint64_t leased = 0;
    for (int k = 0; k < 30; ++k) {
      const auto found = machine_.Find("k" + std::to_string(k));
      if (!found || found->lease == 0) continue;
      ++leased;
      EXPECT_TRUE(Find(found->lease).has_value());
    }
    EXPECT_EQ(leased, keys);
  }
  PassTo(now + 1'000'000);
  EXPECT_TRUE(Internal().empty());
}

TEST(LogClock, GoesOnWhereTheLogIsAndCountsNoPauses) {
  LogClock clock;
  const MonotonicTime start = MonotonicTime(seconds(100));
  EXPECT_EQ(clock.Time(Term(3), start), 0u);
  EXPECT_EQ(clock.Run(Term(3), 5'000, start), 5'000u);
  EXPECT_EQ(clock.Time(Term(3), start + milliseconds(700)), 5'700u);
  EXPECT_EQ(clock.Time(Term(4), start + seconds(1)), 0u);
  // In the same term it goes on by itself.
  EXPECT_EQ(clock.Run(Term(3), 5'100, start + seconds(1)), 6'000u);
  EXPECT_EQ(clock.Time(Term(3), start + seconds(61)), 8'000u);  // A pause of a minute.
  EXPECT_EQ(clock.Time(Term(3), start + seconds(62)), 9'000u);
  EXPECT_EQ(clock.Time(Term(3), start + seconds(61)), 9'000u);
  EXPECT_EQ(clock.Run(Term(5), 6'500, start + seconds(63)), 6'500u);
  clock.Stop();
  EXPECT_EQ(clock.Time(Term(5), start + seconds(64)), 0u);
  EXPECT_EQ(clock.Run(Term(5), 6'500, start + seconds(90)), 6'500u);
}

}  // namespace
}  // namespace sisyphus::kv
