// Range deletes and transactions, applied by the machine.

#include "kv/txn.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "tests/unit/kv/machine_fixture.h"

namespace sisyphus::kv {
namespace {

using Kind = TxnOperation::Kind;
using Relation = Comparison::Relation;
using Target = Comparison::Target;

std::string DeleteRange(std::string_view start, std::string_view end) {
  Command command;
  command.kind = Command::Kind::kDeleteRange;
  command.key = start;
  command.end = end;
  return EncodeCommand(command);
}

TxnOperation Operation(Kind kind, std::string key) {
  TxnOperation operation;
  operation.kind = kind;
  operation.key = std::move(key);
  return operation;
}
TxnOperation OnRange(Kind kind, std::string start, std::string end) {
  TxnOperation operation = Operation(kind, std::move(start));
  operation.range = true;
  operation.end = std::move(end);
  return operation;
}
TxnOperation Put(std::string key, std::string value) {
  TxnOperation operation = Operation(Kind::kPut, std::move(key));
  operation.value = std::move(value);
  return operation;
}
TxnOperation Get(std::string key) { return Operation(Kind::kGet, std::move(key)); }
TxnOperation Delete(std::string key) { return Operation(Kind::kDelete, std::move(key)); }
TxnOperation GetRange(std::string start, std::string end) {
  return OnRange(Kind::kGet, std::move(start), std::move(end));
}
TxnOperation DropRange(std::string start, std::string end) {
  return OnRange(Kind::kDelete, std::move(start), std::move(end));
}
Txn Always(std::vector<TxnOperation> operations) { return {{}, std::move(operations), {}}; }

class TxnTest : public ::testing::Test {
 protected:
  TxnResult Apply(const Txn& txn) {
    StatusOr<TxnResult> result = DecodeTxnResult(machine_.Apply(EncodeTxn(txn)));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *std::move(result) : TxnResult();
  }
  bool Holds(const Comparison& comparison) { return Apply({{comparison}, {}, {}}).succeeded; }
  // "key=value ..." of a get.
  static std::string Shown(const TxnOperationResult& result) {
    std::string text;
    for (const auto& [key, value] : result.found) text += key + "=" + value.value + " ";
    return text;
  }

  TestMachine machine_;
};

TEST_F(TxnTest, ARangeIsDeletedAsOneChange) {
  for (const char* key : {"a", "b", "ba", "c"}) machine_.Apply(PutCommand(key, "x"));
  StatusOr<CommandResult> result = DecodeResult(machine_.Apply(DeleteRange("b", "c")));
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->deleted, 2u);
  EXPECT_EQ(machine_.Get("b") + machine_.Get("ba"), "--");
  EXPECT_EQ(machine_.Get("a") + machine_.Get("c"), "xx");
  EXPECT_EQ(DecodeResult(machine_.Apply(DeleteRange("c", "b")))->deleted, 0u);
  EXPECT_EQ(DecodeResult(machine_.Apply(DeleteRange("b", "")))->deleted, 1u);
  EXPECT_EQ(DecodeResult(machine_.Apply(DeleteRange("", "")))->deleted, 1u);
  machine_.Restart(/*flush_first=*/true);
  EXPECT_EQ(machine_.Get("a"), "-");
}

TEST_F(TxnTest, ComparesWhatStands) {
  machine_.Apply(PutCommand("k", "m"));  // Entry 1.
  machine_.Apply(PutCommand("k", "m"));  // Entry 2.
  const struct {
    Target target;
    uint64_t number;
  } numbers[] = {{Target::kVersion, 2}, {Target::kCreateRevision, 1}, {Target::kModRevision, 2}};
  for (const auto& [target, number] : numbers) {
    EXPECT_TRUE(Holds({target, Relation::kEqual, "k", "", number}));
    EXPECT_FALSE(Holds({target, Relation::kEqual, "k", "", number + 1}));
    EXPECT_TRUE(Holds({target, Relation::kDiffers, "k", "", number + 1}));
    EXPECT_FALSE(Holds({target, Relation::kDiffers, "k", "", number}));
    EXPECT_TRUE(Holds({target, Relation::kLess, "k", "", number + 1}));
    EXPECT_FALSE(Holds({target, Relation::kLess, "k", "", number}));
    EXPECT_TRUE(Holds({target, Relation::kGreater, "k", "", number - 1}));
    EXPECT_FALSE(Holds({target, Relation::kGreater, "k", "", number}));
    EXPECT_TRUE(Holds({target, Relation::kEqual, "none", "", 0}));
  }
  EXPECT_TRUE(Holds({Target::kLease, Relation::kEqual, "k", "", 0}));
  EXPECT_TRUE(Holds({Target::kValue, Relation::kEqual, "k", "m"}));
  EXPECT_TRUE(Holds({Target::kValue, Relation::kLess, "k", "n"}));
  EXPECT_TRUE(Holds({Target::kValue, Relation::kGreater, "k", "lzz"}));
  EXPECT_TRUE(Holds({Target::kValue, Relation::kLess, "k", "\xFF"}));
  for (const Relation relation : {Relation::kEqual, Relation::kLess, Relation::kGreater})
    EXPECT_FALSE(Holds({Target::kValue, relation, "none", ""}));
  EXPECT_TRUE(Holds({Target::kValue, Relation::kDiffers, "none", ""}));
  // One that fails is enough.
  EXPECT_FALSE(Apply({{{Target::kVersion, Relation::kEqual, "k", "", 2},
                       {Target::kVersion, Relation::kEqual, "k", "", 3}},
                      {},
                      {}})
                   .succeeded);
}

TEST_F(TxnTest, DoesThenOrElse) {
  const Txn txn{.compare = {{Target::kVersion, Relation::kEqual, "lock", "", 0}},
                .then = {Put("lock", "me")},
                .otherwise = {Get("lock")}};
  TxnResult result = Apply(txn);
  EXPECT_TRUE(result.succeeded);
  ASSERT_EQ(result.results.size(), 1u);
  EXPECT_TRUE(result.results[0].created);
  EXPECT_EQ(result.results[0].version, 1u);
  result = Apply(txn);
  EXPECT_FALSE(result.succeeded);
  ASSERT_EQ(result.results.size(), 1u);
  EXPECT_EQ(Shown(result.results[0]), "lock=me ");
  EXPECT_EQ(machine_.Find("lock")->mod_revision, Index(1));
}

TEST_F(TxnTest, LaterOperationsSeeEarlierOnes) {
  for (const char* key : {"a", "b", "c", "d"}) machine_.Apply(PutCommand(key, key));
  TxnOperation backward = GetRange("", "");
  backward.reverse = true;
  backward.limit = 3;
  TxnOperation count = GetRange("", "");
  count.count_only = true;
  const TxnResult result = Apply(
      Always({Put("b", "B"), Delete("c"), Put("bb", "new"), GetRange("a", "d"), backward, count,
              DropRange("b", "c"), GetRange("", ""), Put("b", "again"), Get("b"), Delete("none")}));
  ASSERT_EQ(result.results.size(), 11u);
  EXPECT_EQ(result.results[0].version, 2u);
  EXPECT_EQ(result.results[1].count, 1u);
  EXPECT_EQ(Shown(result.results[3]), "a=a b=B bb=new ");
  EXPECT_EQ(result.results[3].found[1].second.mod_revision, machine_.index());
  EXPECT_FALSE(result.results[3].more);
  EXPECT_EQ(Shown(result.results[4]), "d=d bb=new b=B ");
  EXPECT_TRUE(result.results[4].more);
  EXPECT_EQ(result.results[5].count, 4u);
  EXPECT_TRUE(result.results[5].found.empty());
  EXPECT_EQ(result.results[6].count, 2u);
  EXPECT_EQ(Shown(result.results[7]), "a=a d=d ");
  EXPECT_TRUE(result.results[8].created);
  EXPECT_EQ(Shown(result.results[9]), "b=again ");
  EXPECT_EQ(result.results[10].count, 0u);
  EXPECT_EQ(machine_.Get("b"), "again");
  EXPECT_EQ(machine_.Find("b")->create_revision, machine_.index());
  EXPECT_EQ(machine_.Get("bb"), "-");
  machine_.Restart(/*flush_first=*/false);
  EXPECT_EQ(machine_.Get("b"), "again");
}

// Against a map, in both directions, with whatever the transaction has already written.
TEST_F(TxnTest, ScansSeeTheSameAsAModel) {
  Rng rng(7);
  std::map<std::string, std::string> model;
  const auto key = [&] { return "k" + std::to_string(rng.Below(40)); };
  for (int round = 0; round < 200; ++round) {
    Txn txn;
    std::vector<std::string> expected;
    for (int i = 0; i < 12; ++i) {
      const std::string first = key();
      const std::string last = key();
      const auto begin = model.lower_bound(first);
      const auto end = first < last ? model.lower_bound(last) : begin;
      std::string shown;
      switch (rng.Below(4)) {
        case 0:
          txn.then.push_back(Put(first, std::to_string(round * 100 + i)));
          model[first] = txn.then.back().value;
          break;
        case 1:
          txn.then.push_back(DropRange(first, last));
          model.erase(begin, end);
          break;
        case 2:
          txn.then.push_back(Delete(first));
          model.erase(first);
          break;
        default:
          txn.then.push_back(GetRange(first, last));
          txn.then.back().reverse = rng.Chance(1, 2);
          for (auto it = begin; it != end; ++it) {
            const std::string one = it->first + "=" + it->second + " ";
            shown = txn.then.back().reverse ? one + shown : shown + one;
          }
      }
      expected.push_back(shown);
    }
    const TxnResult result = Apply(txn);
    ASSERT_EQ(result.results.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      if (txn.then[i].kind == Kind::kGet) {
        ASSERT_EQ(Shown(result.results[i]), expected[i]);
      }
    }
    if (round % 50 == 49) machine_.Restart(/*flush_first=*/round % 100 == 99);
  }
}

TEST_F(TxnTest, WhatIsRefusedChangesNothing) {
  machine_.Apply(PutCommand("big", std::string(6 << 20, 'x')));
  Txn txn = Always({Put("a", "1"), Get("big"), Get("big"), Get("big")});
  const std::string result = machine_.Apply(EncodeTxn(txn));
  EXPECT_EQ(RefusalIn(result), Refusal::kAnswerTooLarge);
  EXPECT_EQ(DecodeTxnResult(result).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(machine_.Get("a"), "-");
  txn.then.pop_back();
  EXPECT_EQ(Apply(txn).results.size(), 3u);
}

TEST_F(TxnTest, TooManyKeysAreRefused) {
  Txn txn;
  for (uint64_t i = 0; i < kMaxTxnOperations; ++i) txn.then.push_back(Put(std::to_string(i), ""));
  Apply(txn);
  Txn reads = Always({Put("x", "1")});
  for (uint64_t i = 0; i <= kMaxKeysTouchedByTxn / kMaxTxnOperations; ++i) {
    reads.then.push_back(GetRange("", ""));
    reads.then.back().count_only = true;
  }
  EXPECT_EQ(RefusalIn(machine_.Apply(EncodeTxn(reads))), Refusal::kTooManyKeys);
  EXPECT_EQ(machine_.Get("x"), "-");
  reads.then.pop_back();
  EXPECT_EQ(Apply(reads).results.back().count, kMaxTxnOperations + 1);
}

TEST(TxnFormat, RefusesEveryPrefixAndUnknownBytes) {
  const Txn txn{.compare = {{Target::kValue, Relation::kEqual, "k", "v"}},
                .then = {Put("a", "1"), GetRange("b", "c")},
                .otherwise = {Delete("d")}};
  const std::string bytes = EncodeTxn(txn);
  ASSERT_TRUE(DecodeTxn(bytes).ok());
  EXPECT_EQ(DecodeTxn(bytes)->then[1].end, "c");
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_EQ(DecodeTxn(std::string_view(bytes).substr(0, n)).status().code(),
              StatusCode::kDataLoss)
        << n;
  }
  EXPECT_FALSE(DecodeTxn(bytes + "x").ok());
  std::string newer = bytes;
  newer[1] = 2;
  EXPECT_FALSE(DecodeTxn(newer).ok());
  TestMachine machine;
  EXPECT_EQ(machine.TryApply(newer).status().code(), StatusCode::kDataLoss);
}

}  // namespace
}  // namespace sisyphus::kv
