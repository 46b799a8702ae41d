#include "kv/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "tests/unit/kv/log_machine.h"

namespace sisyphus::kv {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Strings = std::vector<std::string>;

std::unique_ptr<Watch> Open(LogMachine& machine, KeyRange range, Index from,
                            bool previous = false) {
  auto watch = Watch::Open(&*machine, {std::move(range), from, previous});
  SIS_CHECK(watch.ok(), watch.status().ToString());
  return *std::move(watch);
}

// "7 put a=1 (was 0)!": "!" at the last event of a revision.
std::string Text(const WatchEvent& event, bool previous) {
  std::string text = ToString(event.revision) + (event.value ? " put " : " delete ") + event.key;
  if (event.value) text += "=" + event.value->value;
  if (previous) text += event.previous ? " (was " + event.previous->value + ")" : " (was nothing)";
  return text + (event.last_of_revision ? "!" : "");
}

// All there is now, in pieces of about `bytes`.
Strings ReadAll(Watch& watch, size_t bytes = 1, bool previous = false) {
  Strings all;
  for (;;) {
    const StatusOr<Watch::Piece> piece = watch.Read(bytes);
    if (!piece.ok()) {
      all.push_back(IsCompacted(piece.status()) ? "compacted" : piece.status().ToString());
      return all;
    }
    for (const WatchEvent& event : piece->events) all.push_back(Text(event, previous));
    if (piece->caught_up) return all;
  }
}

TEST(WatchTest, TellsThePastAndThenTheRing) {
  LogMachine machine;
  machine.Put("a", "1");
  machine.Put("b", "1");
  machine.Delete("a");
  machine.Delete("a");  // Changes nothing.
  const auto watch = Open(machine, {}, Index(1));
  EXPECT_THAT(ReadAll(*watch), ElementsAre("1 put a=1!", "2 put b=1!", "3 delete a!"));
  EXPECT_EQ(watch->told(), Index(4));
  EXPECT_EQ(machine->feed().stats().tree_reads, 3U);
  machine.Put("c", "1");  // The first one after a watch was opened is not in the ring.
  machine.Put("c", "2");
  EXPECT_THAT(ReadAll(*watch), ElementsAre("5 put c=1!", "6 put c=2!"));
  const uint64_t tree_reads = machine->feed().stats().tree_reads;
  machine.Put("c", "3");
  machine.Delete("c");
  EXPECT_THAT(ReadAll(*watch), ElementsAre("7 put c=3!", "8 delete c!"));
  EXPECT_EQ(machine->feed().stats().tree_reads, tree_reads);
}

TEST(WatchTest, LooksAtItsRangeAlone) {
  LogMachine machine;
  const auto key = Open(machine, {"b", std::string("b\0", 2)}, Index(1));
  const auto prefix = Open(machine, {"b", "c"}, Index(1));
  const auto rest = Open(machine, {"bb", ""}, Index(3), true);
  for (const char* k : {"a", "b", "bb", "c", "bb"}) machine.Put(k, "1");
  EXPECT_THAT(ReadAll(*key), ElementsAre("2 put b=1!"));
  EXPECT_THAT(ReadAll(*prefix), ElementsAre("2 put b=1!", "3 put bb=1!", "5 put bb=1!"));
  EXPECT_THAT(
      ReadAll(*rest, 1, true),
      ElementsAre("3 put bb=1 (was nothing)!", "4 put c=1 (was nothing)!", "5 put bb=1 (was 1)!"));
}

TEST(WatchTest, WaitsForARevisionInTheFuture) {
  LogMachine machine;
  const auto watch = Open(machine, {}, Index(3));
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(watch->told(), i < 2 ? Index() : Index(2));
    EXPECT_EQ(ReadAll(*watch).size(), i < 3 ? 0U : 1U);
    machine.Put("a", "1");
  }
  EXPECT_THAT(ReadAll(*watch), ElementsAre("4 put a=1!"));
}

TEST(WatchTest, IsParkedUntilSomethingConcernsIt) {
  LogMachine machine;
  const auto watch = Open(machine, {"m", "n"}, Index(1));
  machine.Put("a", "1");
  EXPECT_THAT(ReadAll(*watch), IsEmpty());
  int woken = 0;
  bool progress = true;
  const auto park = [&] {
    return watch->Park([&](bool p) {
      ++woken;
      progress = p;
    });
  };
  ASSERT_TRUE(park());
  for (int i = 0; i < 100; ++i) machine.Put("a", "1");
  machine.Settle(std::chrono::seconds(1));
  EXPECT_EQ(woken, 0);
  EXPECT_EQ(machine->feed().stats().parked, 1U);
  machine.Put("m", "1");
  machine.Put("m", "2");
  machine.Settle(std::chrono::seconds(1));
  EXPECT_EQ(woken, 1);
  EXPECT_FALSE(progress);
  EXPECT_THAT(ReadAll(*watch), ElementsAre("102 put m=1!", "103 put m=2!"));
  // For a while nothing happens to it.
  ASSERT_TRUE(park());
  machine.Put("a", "1");
  machine.Settle(std::chrono::seconds(21));
  EXPECT_EQ(woken, 2);
  EXPECT_TRUE(progress);
  EXPECT_THAT(ReadAll(*watch), IsEmpty());
  EXPECT_EQ(watch->told(), Index(104));
  ASSERT_TRUE(park());
  watch->Cancel();
  machine.Put("m", "3");
  machine.Settle(std::chrono::seconds(30));
  EXPECT_EQ(woken, 2);
  EXPECT_EQ(machine->feed().stats().parked, 0U);
}

TEST(WatchTest, WhatHappensBetweenReadingAndParkingIsNotMissed) {
  LogMachine machine;
  const auto watch = Open(machine, {"m", "n"}, Index(1));
  EXPECT_THAT(ReadAll(*watch), IsEmpty());
  machine.Put("m", "1");
  bool woken = false;
  if (watch->Park([&](bool) { woken = true; })) {
    machine.Settle(std::chrono::seconds(1));
    EXPECT_TRUE(woken);
  }
  EXPECT_THAT(ReadAll(*watch), ElementsAre("1 put m=1!"));
}

TEST(WatchTest, ASlowOneIsFedFromHistoryNotFromMemory) {
  LogMachine machine({.ring_bytes = 2'000});
  const auto slow = Open(machine, {"k", "l"}, Index(1));
  machine.Put("k", "0");
  Strings expected{"1 put k=0!"};
  for (int i = 1; i < 300; ++i) {
    machine.Put(i % 2 == 0 ? "k" : "a", std::to_string(i));
    if (i % 2 == 0) expected.push_back(std::to_string(i + 1) + " put k=" + std::to_string(i) + "!");
    EXPECT_LE(machine->feed().stats().ring_bytes, 2'000U);
  }
  machine.Flush();
  EXPECT_EQ(ReadAll(*slow), expected);
  EXPECT_GT(machine->feed().stats().tree_reads, 0U);
}

TEST(WatchTest, ARevisionIsToldWholeHoweverManyKeysItHas) {
  LogMachine machine;
  // As a range delete or a transaction would write it.
  WriteBatch batch;
  Strings expected;
  for (int i = 0; i < 9'000; ++i) {
    const std::string key = "key" + std::to_string(10'000 + i);
    batch.Put(TreeKey(key), EncodeTreeValue(Index(1), 1, "v"));
    if (i >= 3'000) expected.push_back("1 put " + key + "=v" + (i == 8'999 ? "!" : ""));
  }
  AppendChangeRecord(Index(1), &batch);
  ASSERT_TRUE(machine->db()->Write(batch, {1, 1}).ok());
  machine->feed().Publish(Index(1));
  for (const size_t bytes : {1U, 1'000U, 1'000'000U}) {
    const auto watch = Open(machine, {"key13000", ""}, Index(1));
    EXPECT_EQ(ReadAll(*watch, bytes), expected);
  }
  const auto some = Open(machine, {"key12999", "key13002"}, Index(1));
  EXPECT_THAT(ReadAll(*some),
              ElementsAre("1 put key12999=v", "1 put key13000=v", "1 put key13001=v!"));
  const auto none = Open(machine, {"x", ""}, Index(1));
  EXPECT_THAT(ReadAll(*none), IsEmpty());
}

TEST(WatchTest, BelowHistoryItDoesNotBeginAndCannotGoOn) {
  LogMachine machine;
  for (int i = 0; i < 10; ++i) machine.Put("a", "1");
  const auto watch = Open(machine, {}, Index(4));
  machine.Compact(Index(5));
  EXPECT_THAT(ReadAll(*watch), ElementsAre("compacted"));
  const auto refused = Watch::Open(&*machine, {{}, Index(5), false});
  EXPECT_TRUE(IsCompacted(refused.status())) << refused.status();
  const auto next = Open(machine, {}, Index(6), true);
  EXPECT_EQ(ReadAll(*next, 1, true).front(), "6 put a=1 (was 1)!");
}

TEST(WatchTest, TheirNumberIsBounded) {
  LogMachine machine({.max_watches = 2});
  const auto one = Open(machine, {}, Index(1));
  auto two = Open(machine, {}, Index(1));
  EXPECT_EQ(Watch::Open(&*machine, {{}, Index(1), false}).status().code(),
            StatusCode::kResourceExhausted);
  two.reset();
  two = Open(machine, {}, Index(1));
  EXPECT_EQ(machine->feed().stats().watches, 2U);
}

// Watches of all kinds, read at any time and in any pieces, over flushes and restarts: each hears
// of every change in its range once, in order.
TEST(WatchTest, EveryChangeOnceInOrder) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Rng rng(seed);
    LogMachine machine({.ring_bytes = 4'000});
    struct Client {
      KeyRange range;
      Index from;
      std::unique_ptr<Watch> watch;
      Strings heard;
      bool parked = false;
    };
    std::vector<Client> clients;
    std::vector<std::pair<std::string, std::string>> changes;  // Key and text.
    const auto read = [&](Client& client, bool all) {
      do {
        const auto piece = client.watch->Read(rng.Between(1, 500));
        ASSERT_TRUE(piece.ok()) << piece.status();
        for (const WatchEvent& event : piece->events) client.heard.push_back(Text(event, false));
        if (!piece->caught_up) continue;
        client.parked = client.watch->Park([&client](bool) { client.parked = false; });
        if (client.parked) return;
      } while (all);
    };
    for (int step = 0; step < 400; ++step) {
      if (clients.size() < 12 && rng.Chance(1, 20)) {
        std::string start(1, static_cast<char>('a' + rng.Below(6)));
        std::string end = rng.Chance(1, 3) ? "" : start + '\0';
        clients.reserve(12);
        Client& client = clients.emplace_back();
        client.range = {start, end};
        client.from = Index(rng.Between(1, machine.index().value() + 5));
        client.watch = Open(machine, client.range, client.from);
      }
      const std::string key(1, static_cast<char>('a' + rng.Below(8)));
      if (rng.Chance(1, 4)) {
        const bool there = machine->Read(key)->found.has_value();
        const Index at = machine.Delete(key);
        if (there) changes.emplace_back(key, ToString(at) + " delete " + key + "!");
      } else {
        const Index at = machine.Put(key, "v");
        changes.emplace_back(key, ToString(at) + " put " + key + "=v!");
      }
      if (rng.Chance(1, 50)) machine.Flush();
      if (rng.Chance(1, 3)) machine.Settle(std::chrono::milliseconds(1));
      for (Client& client : clients) {
        if (!client.parked && rng.Chance(1, 3)) read(client, false);
      }
    }
    machine.Settle(std::chrono::seconds(1));
    for (Client& client : clients) {
      if (!client.parked) read(client, true);
      Strings expected;
      for (const auto& [key, text] : changes) {
        const bool late = std::stoull(text) >= client.from.value();
        if (late && client.range.Contains(key)) expected.push_back(text);
      }
      EXPECT_EQ(client.heard, expected) << "seed " << seed;
      client.watch->Cancel();
    }
  }
}

}  // namespace
}  // namespace sisyphus::kv
