#include "kv/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "kv/interval_index.h"
#include "kv/range_reader.h"
#include "tests/unit/kv/log_machine.h"

namespace sisyphus::kv {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Strings = std::vector<std::string>;

// "key=value" of the whole range, in steps of `step`.
Strings ReadAll(Machine& machine, Index revision, KeyRange range = {}, bool reverse = false,
                size_t step = 1) {
  RangeReader reader(&machine, std::move(range), revision, reverse);
  Strings all;
  while (!reader.done()) {
    size_t left = step;
    const Status status = reader.Read([&](const RangeReader::Entry& entry) {
      all.push_back(std::string(entry.key) + "=" +
                    DecodeTreeValue(entry.tree_value, entry.mod_revision)->value);
      return --left > 0;
    });
    if (!status.ok()) {
      all.push_back(IsCompacted(status) ? "compacted" : status.ToString());
      break;
    }
  }
  return all;
}

uint64_t Records(Machine& machine) {
  uint64_t records = 0;
  const auto it = machine.db()->NewIterator({});
  for (it->Seek(ChangeRecordKey(Index(), 0)); it->Valid(); it->Next()) ++records;
  return records;
}

TEST(HistoryTest, TheFloorOnlyGrowsAndStaysInThePast) {
  LogMachine machine;
  machine.Put("a", "1");
  machine.Put("a", "2");
  EXPECT_EQ(machine.Compact(Index(2)), Index(2));
  EXPECT_EQ(machine.Compact(Index(1)), Index(2));
  EXPECT_EQ(machine.Compact(Index(5)), Index(2)) << "that is the entry itself";
  EXPECT_EQ(machine.Compact(Index(100)), Index(2));
  EXPECT_EQ(machine.Compact(Index(6)), Index(6));
  EXPECT_EQ(machine->history_floor(), Index(6));
}

TEST(HistoryTest, MalformedCommandsStopTheReplica) {
  EXPECT_EQ(DecodeCompactCommand(std::string(1, 32)).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(DecodeCompactCommand(EncodeCompactCommand(Index(300)) + "x").status().code(),
            StatusCode::kDataLoss);
  EXPECT_EQ(*DecodeCompactCommand(EncodeCompactCommand(Index(300))), Index(300));
  EXPECT_FALSE(DecodeCompactResult("\1").ok());
}

TEST(HistoryTest, TheFloorComesBackWithTheTables) {
  LogMachine machine;
  machine.Put("a", "1");
  machine.Put("b", "1");
  machine.Compact(Index(2));
  machine.Flush();
  machine.Restart();
  EXPECT_EQ(machine->history_floor(), Index(2));
  // Moved, but in no table yet: it comes back with the log.
  machine.Put("a", "2");
  machine.Compact(Index(4));
  machine.Restart();
  EXPECT_EQ(machine->history_floor(), Index(2));
  machine.Replay();
  EXPECT_EQ(machine->history_floor(), Index(4));
}

TEST(HistoryTest, CompactionDropsWhatLiesBelowAndNothingElse) {
  LogMachine machine;
  for (int i = 0; i < 5; ++i) machine.Put("a", std::to_string(i));
  machine.Delete("a");
  machine.Put("b", "1");
  machine.Flush();
  EXPECT_THAT(ReadAll(*machine, Index(3)), ElementsAre("a=2"));
  EXPECT_EQ(Records(*machine), 7U);
  machine.Compact(Index(4));
  // The floor counts at once; the tables follow when they hold it themselves.
  EXPECT_THAT(ReadAll(*machine, Index(3)), ElementsAre("compacted"));
  EXPECT_THAT(ReadAll(*machine, Index(4)), ElementsAre("a=3"));
  machine.Flush();
  machine.Put("c", "1");
  machine.Flush();
  machine.Put("d", "1");
  machine.Flush();
  EXPECT_EQ(Records(*machine), 5U) << "revisions 5, 6, 7, 9, 10";
  EXPECT_THAT(ReadAll(*machine, Index(4)), ElementsAre("a=3"));
  EXPECT_THAT(ReadAll(*machine, Index(6)), IsEmpty());
  EXPECT_THAT(ReadAll(*machine, Index(10)), ElementsAre("b=1", "c=1", "d=1"));
}

TEST(HistoryTest, ACrashBeforeTheFloorIsInTheTablesLosesNoHistory) {
  LogMachine machine;
  for (int i = 0; i < 5; ++i) machine.Put("a", std::to_string(i));
  machine.Flush();
  machine.Compact(Index(5));
  // A compaction now must keep what the floor in the tables (0) promises.
  machine.Settle(std::chrono::seconds(1));
  machine.Restart();
  EXPECT_EQ(machine->history_floor(), Index());
  for (uint64_t i = 1; i <= 5; ++i) {
    EXPECT_THAT(ReadAll(*machine, Index(i)), ElementsAre("a=" + std::to_string(i - 1)));
  }
}

TEST(HistoryTest, RangesAreHalfOpenAndGoBothWays) {
  LogMachine machine;
  for (const char* key : {"a", "b", "ba", "c", "\xff\xff"}) machine.Put(key, "1");
  const Index now = machine.index();
  EXPECT_THAT(ReadAll(*machine, now, {"b", "c"}), ElementsAre("b=1", "ba=1"));
  EXPECT_THAT(ReadAll(*machine, now, {"b", "c"}, true), ElementsAre("ba=1", "b=1"));
  EXPECT_THAT(ReadAll(*machine, now, {"c", ""}), ElementsAre("c=1", "\xff\xff=1"));
  EXPECT_THAT(ReadAll(*machine, now, {"c", ""}, true), ElementsAre("\xff\xff=1", "c=1"));
  EXPECT_THAT(ReadAll(*machine, now, {"c", "b"}), IsEmpty());
  EXPECT_THAT(ReadAll(*machine, now, {"x", "y"}, true), IsEmpty());
  EXPECT_EQ(ReadAll(*machine, now).size(), 5U);
  EXPECT_EQ(ReadAll(*machine, now, {}, true, 2).size(), 5U);
}

TEST(HistoryTest, AReaderFindsItsPlaceAgainAfterItLetGo) {
  LogMachine machine;
  for (const char* key : {"a", "b", "c"}) machine.Put(key, "1");
  for (const bool reverse : {false, true}) {
    RangeReader reader(&*machine, {}, Index(3), reverse);
    std::string keys;
    const auto one = [&](const RangeReader::Entry& entry) {
      keys += entry.key;
      return false;
    };
    ASSERT_TRUE(reader.Read(one).ok());
    EXPECT_EQ(machine->readers().stats(machine->clock().Now()).readers, 1U);
    machine.Put("bb", "2");  // Not of this revision.
    machine.Settle(std::chrono::seconds(2));
    reader.ReleaseOlderThan(std::chrono::seconds(3), machine->clock().Now());
    EXPECT_EQ(machine->readers().stats(machine->clock().Now()).readers, 1U);
    EXPECT_GE(machine->readers().stats(machine->clock().Now()).oldest, std::chrono::seconds(2));
    reader.ReleaseOlderThan(std::chrono::seconds(1), machine->clock().Now());
    EXPECT_EQ(machine->readers().stats(machine->clock().Now()).readers, 0U);
    while (!reader.done()) ASSERT_TRUE(reader.Read(one).ok());
    EXPECT_EQ(keys, reverse ? "cba" : "abc");
  }
  RangeReader late(&*machine, {}, Index(3), false);
  ASSERT_TRUE(late.Read([](const auto&) { return false; }).ok());
  machine.Compact(Index(4));
  EXPECT_TRUE(late.Read([](const auto&) { return false; }).ok()) << "it is pinned";
  late.ReleaseOlderThan(Duration::zero(), machine->clock().Now());
  EXPECT_TRUE(IsCompacted(late.Read([](const auto&) { return false; })));
}

TEST(HistoryTest, ChangeRecordsComeInPartsAndNameEachKeyOnce) {
  WriteBatch batch;
  batch.Put(TreeKey("b"), "x");
  batch.Put("meta", "x");
  batch.Delete(TreeKey("a"));
  batch.Put(TreeKey("b"), "y");
  AppendChangeRecord(Index(7), &batch);
  ASSERT_EQ(batch.count(), 5U);
  EXPECT_EQ(batch.at(4).key, ChangeRecordKey(Index(7), 0));
  EXPECT_EQ(batch.at(4).value, "\1a\1b");
  WriteBatch none;
  none.Put("meta", "x");
  AppendChangeRecord(Index(8), &none);
  EXPECT_EQ(none.count(), 1U);
  WriteBatch large;
  for (int i = 0; i < 10'000; ++i) large.Delete(TreeKey("key" + std::to_string(100'000 + i)));
  AppendChangeRecord(Index(9), &large);
  EXPECT_GT(large.count(), 10'002U);
  for (size_t i = 10'000; i < large.count(); ++i) {
    EXPECT_LT(large.at(i).value.size(), 40'000U);
    EXPECT_EQ(ParseChangeRecordKey(large.at(i).key)->part, i - 10'000);
  }
}

TEST(IntervalIndexTest, FindsWhatAPlainSearchFinds) {
  std::vector<KeyRange> ranges;
  for (int i = 0; i < 200; ++i) {
    const std::string start = std::to_string(i * 7919 % 1000);
    const std::string end = std::to_string(i * 104'729 % 1000);
    ranges.push_back({start, i % 10 == 0 ? "" : end});
  }
  IntervalIndex<const KeyRange> index;
  index.Find("1", [](const KeyRange*) { FAIL(); });
  std::vector<IntervalIndex<const KeyRange>::Element> elements;
  for (const KeyRange& range : ranges) elements.push_back({&range, &range});
  index.Build(std::move(elements));
  for (int i = 0; i < 1000; ++i) {
    const std::string key = std::to_string(i);
    std::set<const KeyRange*> expected;
    for (const KeyRange& range : ranges) {
      if (range.Contains(key)) expected.insert(&range);
    }
    std::set<const KeyRange*> found;
    index.Find(key, [&](const KeyRange* range) { EXPECT_TRUE(found.insert(range).second); });
    EXPECT_EQ(found, expected) << key;
  }
}

}  // namespace
}  // namespace sisyphus::kv
