#include "node/raft_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "raft/membership.h"
#include "tests/support/sim_file_system.h"

namespace sisyphus::node {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

raft::Membership Founders() {
  raft::Membership membership;
  membership.voters = {NodeId(1), NodeId(2), NodeId(3)};
  membership.addresses = {{NodeId(1), "a:1"}, {NodeId(2), "b:2"}, {NodeId(3), "c:3"}};
  return membership;
}

raft::Entry MakeEntry(uint64_t index, uint64_t term, const std::string& payload) {
  return {Index(index), Term(term), raft::EntryType::kCommand,
          std::make_shared<const std::string>(payload)};
}

raft::DiskWrite Entries(std::vector<raft::Entry> entries) {
  raft::DiskWrite write;
  write.entries = std::move(entries);
  return write;
}

raft::DiskWrite State(uint64_t term, uint64_t vote, uint64_t commit) {
  raft::DiskWrite write;
  write.hard_state = raft::HardState{Term(term), NodeId(vote), Index(commit)};
  return write;
}

struct Opened {
  std::unique_ptr<RaftLog> log;
  raft::RestoredState state;

  std::vector<std::string> Payloads() const {
    std::vector<std::string> payloads;
    for (const raft::Entry& entry : state.entries) payloads.push_back(*entry.payload);
    return payloads;
  }
};

StatusOr<Opened> TryOpen(FileSystem& fs, LogPosition applied = {},
                         uint64_t segment_bytes = 1 << 16) {
  RaftLog::Options options;
  options.directory = "/log";
  options.segment_bytes = segment_bytes;
  options.applied = applied;
  options.initial_membership = Founders();
  Opened opened;
  SIS_ASSIGN_OR_RETURN(opened.log, RaftLog::Open(fs, options, &opened.state));
  return opened;
}

Opened Open(FileSystem& fs, LogPosition applied = {}, uint64_t segment_bytes = 1 << 16) {
  StatusOr<Opened> opened = TryOpen(fs, applied, segment_bytes);
  EXPECT_TRUE(opened.ok()) << opened.status();
  return *std::move(opened);
}

Status Write(Opened& opened, std::vector<raft::DiskWrite> writes) {
  return opened.log->Write(writes);
}

TEST(RaftLog, ANewLogHoldsTheFoundersOnly) {
  testing::SimFileSystem fs;
  for (int i = 0; i < 2; ++i) {
    const Opened opened = Open(fs);
    EXPECT_EQ(opened.state.base.membership, Founders());
    EXPECT_EQ(opened.state.base.last, LogPosition());
    EXPECT_THAT(opened.state.entries, SizeIs(0));
    EXPECT_EQ(opened.state.hard_state, raft::HardState());
  }
}

TEST(RaftLog, FindsEntriesAndHardStateAgain) {
  testing::SimFileSystem fs;
  {
    Opened opened = Open(fs);
    ASSERT_TRUE(
        Write(opened, {Entries({MakeEntry(1, 1, "a"), MakeEntry(2, 1, "b")}), State(1, 2, 1)})
            .ok());
  }
  const Opened opened = Open(fs);
  EXPECT_THAT(opened.Payloads(), ::testing::ElementsAre("a", "b"));
  EXPECT_EQ(opened.state.hard_state, (raft::HardState{Term(1), NodeId(2), Index(1)}));
}

TEST(RaftLog, AnEntryReplacesWhatStoodAtItsIndexAndBehind) {
  testing::SimFileSystem fs;
  {
    Opened opened = Open(fs);
    ASSERT_TRUE(
        Write(opened, {Entries({MakeEntry(1, 1, "a"), MakeEntry(2, 1, "b"), MakeEntry(3, 1, "c")})})
            .ok());
    ASSERT_TRUE(Write(opened, {Entries({MakeEntry(2, 2, "B")})}).ok());
    const auto where = opened.log->Locate(Index(2), Index(9), 1 << 20);
    ASSERT_TRUE(where.ok()) << where.status();
    const auto entries = opened.log->ReadEntries(*where);
    ASSERT_TRUE(entries.ok()) << entries.status();
    ASSERT_THAT(*entries, SizeIs(1));
    EXPECT_EQ(*entries->front().payload, "B");
  }
  EXPECT_THAT(Open(fs).Payloads(), ::testing::ElementsAre("a", "B"));
}

TEST(RaftLog, WhatIsAppliedStaysOnDiskButItsTermsAreKnown) {
  testing::SimFileSystem fs;
  raft::Membership grown = Founders();
  grown.learners = {NodeId(4)};
  raft::Entry change = MakeEntry(3, 2, raft::EncodeMembership(grown));
  change.type = raft::EntryType::kMembership;
  {
    Opened opened = Open(fs);
    ASSERT_TRUE(Write(opened, {Entries({MakeEntry(1, 1, "a"), MakeEntry(2, 2, "b"), change,
                                        MakeEntry(4, 3, "d")}),
                               State(3, 1, 4)})
                    .ok());
  }
  const Opened opened = Open(fs, {Index(3), Term(2)});
  EXPECT_THAT(opened.Payloads(), ::testing::ElementsAre("d"));
  EXPECT_THAT(opened.state.term_runs, ::testing::ElementsAre(LogPosition{Index(1), Term(1)},
                                                             LogPosition{Index(2), Term(2)}));
  ASSERT_THAT(opened.state.memberships, SizeIs(1));
  EXPECT_EQ(opened.state.memberships[0].index, Index(3));
  EXPECT_EQ(opened.state.memberships[0].membership, grown);
  EXPECT_EQ(opened.state.applied, Index(3));
}

TEST(RaftLog, RefusesALogThatEndsBeforeTheTables) {
  testing::SimFileSystem fs;
  {
    Opened opened = Open(fs);
    ASSERT_TRUE(Write(opened, {Entries({MakeEntry(1, 1, "a")})}).ok());
  }
  const auto opened = TryOpen(fs, {Index(2), Term(1)});
  EXPECT_EQ(opened.status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(std::string(MessageOf(opened.status())), HasSubstr("/log"));
}

TEST(RaftLog, RefusesTablesThatEndBeforeTheLogBegins) {
  testing::SimFileSystem fs;
  {
    Opened opened = Open(fs);
    raft::DiskWrite write;
    write.snapshot = raft::SnapshotMeta{{Index(7), Term(3)}, Founders()};
    ASSERT_TRUE(Write(opened, {write}).ok());
  }
  const auto opened = TryOpen(fs, {Index(6), Term(3)});
  EXPECT_EQ(opened.status().code(), StatusCode::kDataLoss);
  EXPECT_THAT(std::string(MessageOf(opened.status())), HasSubstr("/log"));
}

TEST(RaftLog, ASnapshotThatIsInstalledAlreadyIsTaken) {
  testing::SimFileSystem fs;
  {
    Opened opened = Open(fs);
    ASSERT_TRUE(
        Write(opened, {Entries({MakeEntry(1, 1, "a"), MakeEntry(2, 2, "b")}), State(2, 3, 1)})
            .ok());
  }
  const raft::SnapshotMeta installed{{Index(7), Term(3)}, Founders()};
  for (int i = 0; i < 2; ++i) {
    RaftLog::Options options;
    options.directory = "/log";
    options.applied = installed.last;
    options.installed = installed;
    raft::RestoredState state;
    const auto log = RaftLog::Open(fs, options, &state);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_EQ(state.base, installed);
    EXPECT_EQ(state.applied, Index(7));
    EXPECT_THAT(state.entries, SizeIs(0));
    EXPECT_GE(state.hard_state.term, Term(3));
  }
}

// Only the state was replaced, before or after the crash: what others count on is still there.
TEST(RaftLog, AnInstalledSnapshotThatTheLogHoldsLeavesTheLogAlone) {
  testing::SimFileSystem fs;
  const raft::SnapshotMeta installed{{Index(2), Term(2)}, Founders()};
  {
    Opened opened = Open(fs);
    raft::DiskWrite write;
    write.snapshot = installed;
    write.keep_log = true;
    ASSERT_TRUE(Write(opened, {Entries({MakeEntry(1, 1, "a"), MakeEntry(2, 2, "b"),
                                        MakeEntry(3, 2, "c"), MakeEntry(4, 3, "d")}),
                               State(3, 1, 3), write})
                    .ok());
  }
  for (const bool conflict : {false, true}) {
    RaftLog::Options options;
    options.directory = "/log";
    options.applied = installed.last;
    options.installed = installed;
    if (conflict) options.installed->last.term = Term(9);
    raft::RestoredState state;
    const auto log = RaftLog::Open(fs, options, &state);
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_EQ(state.applied, Index(2));
    EXPECT_EQ(state.base.last.index, Index(conflict ? 2 : 0));
    EXPECT_THAT(state.entries, SizeIs(conflict ? 0 : 2));
    EXPECT_EQ(state.hard_state.commit, Index(conflict ? 2 : 3));
  }
}

TEST(RaftLog, AHardStateWhoseCommitIsAheadIsCutToTheLog) {
  testing::SimFileSystem fs;
  {
    Opened opened = Open(fs);
    ASSERT_TRUE(Write(opened, {Entries({MakeEntry(1, 1, "a")}), State(4, 0, 9)}).ok());
  }
  EXPECT_EQ(Open(fs).state.hard_state.commit, Index(1));
}

TEST(RaftLog, CompactionDropsSegmentsAndKeepsTheRest) {
  testing::SimFileSystem fs;
  const std::string payload(1000, 'x');
  {
    Opened opened = Open(fs, {}, 8 << 10);
    for (uint64_t i = 1; i <= 50; ++i)
      ASSERT_TRUE(Write(opened, {Entries({MakeEntry(i, 1, payload)})}).ok());
    ASSERT_TRUE(Write(opened, {State(1, 1, 50)}).ok());
    const uint64_t before = opened.log->size_bytes();
    ASSERT_TRUE(opened.log->Compact({{Index(40), Term(1)}, Founders()}).ok());
    EXPECT_LT(opened.log->size_bytes(), before / 2);
    EXPECT_EQ(opened.log->Locate(Index(40), Index(41), 100).status().code(), StatusCode::kNotFound);
    ASSERT_TRUE(opened.log->Locate(Index(41), Index(50), 100).ok());
  }
  const Opened opened = Open(fs, {Index(40), Term(1)}, 8 << 10);
  EXPECT_EQ(opened.state.base.last, (LogPosition{Index(40), Term(1)}));
  EXPECT_THAT(opened.state.entries, SizeIs(10));
  EXPECT_EQ(opened.state.hard_state.term, Term(1));
  EXPECT_THAT(opened.state.term_runs, SizeIs(0));
}

// The oldest segment that is left begins with an entry behind the one that the log begins with.
TEST(RaftLog, CompactionUpToEntriesThatWereReplaced) {
  testing::SimFileSystem fs;
  LogPosition base;
  {
    Opened opened = Open(fs, {}, 4096);
    const std::string payload(300, 'x');
    uint64_t index = 0;
    uint64_t segment = 0;
    do {
      ++index;
      ASSERT_TRUE(Write(opened, {Entries({MakeEntry(index, 1, payload)})}).ok());
      segment = (*opened.log->Locate(Index(index), Index(index), 1))[0].segment;
    } while (segment < 3);
    const uint64_t replaced = index - 2;  // In the segment before.
    ASSERT_TRUE(Write(opened, {Entries({MakeEntry(replaced, 2, "new")})}).ok());
    ASSERT_EQ((*opened.log->Locate(Index(replaced), Index(replaced), 1))[0].segment, segment);
    ASSERT_TRUE(opened.log->Compact({{Index(replaced - 1), Term(1)}, Founders()}).ok());
    base = {Index(replaced - 1), Term(1)};
  }
  const Opened again = Open(fs, base, 4096);
  EXPECT_EQ(again.state.base.last, base);
  EXPECT_THAT(again.Payloads(), ::testing::ElementsAre("new"));
}

TEST(RaftLog, ASnapshotReplacesTheLog) {
  testing::SimFileSystem fs;
  {
    Opened opened = Open(fs);
    ASSERT_TRUE(Write(opened, {Entries({MakeEntry(1, 1, "a"), MakeEntry(2, 1, "b")})}).ok());
    raft::DiskWrite write;
    write.snapshot = raft::SnapshotMeta{{Index(7), Term(3)}, Founders()};
    write.entries = {MakeEntry(8, 3, "h")};
    ASSERT_TRUE(Write(opened, {write}).ok());
  }
  const Opened opened = Open(fs, {Index(7), Term(3)});
  EXPECT_EQ(opened.state.base.last, (LogPosition{Index(7), Term(3)}));
  EXPECT_THAT(opened.Payloads(), ::testing::ElementsAre("h"));
}

TEST(RaftLog, ReadsAtLeastOneEntryAndNoMoreThanAskedFor) {
  testing::SimFileSystem fs;
  Opened opened = Open(fs);
  std::vector<raft::Entry> entries;
  for (uint64_t i = 1; i <= 10; ++i) entries.push_back(MakeEntry(i, 1, std::string(100, 'p')));
  ASSERT_TRUE(Write(opened, {Entries(entries)}).ok());
  EXPECT_THAT(*opened.log->Locate(Index(1), Index(10), 1), SizeIs(1));
  EXPECT_THAT(*opened.log->Locate(Index(3), Index(4), 1 << 20), SizeIs(2));
  EXPECT_THAT(*opened.log->Locate(Index(9), Index(20), 1 << 20), SizeIs(2));
  EXPECT_FALSE(opened.log->Locate(Index(11), Index(12), 100).ok());
}

// Power is lost before every single operation of a run with overwrites, terms, compaction and
// segments that end: what was answered for is there again, in order, and nothing else than a prefix
// of what was under way.
TEST(RaftLog, SurvivesPowerLossAtEveryOperation) {
  struct Expected {
    std::vector<std::string> acknowledged;
    std::vector<std::string> attempted;
    Term term;
  };
  struct CrashState {
    std::unique_ptr<testing::SimFileSystem> disk;
    Expected expected;
  };
  testing::SimFileSystem fs;
  Rng rng(7);
  Expected now;
  std::vector<CrashState> crashes;
  fs.SetObserver([&](const testing::FileOperation& operation) {
    if (operation.mutates()) crashes.push_back({fs.CrashClone(rng), now});
  });
  {
    Opened opened = Open(fs, {}, 4 << 10);
    for (uint64_t i = 1; i <= 60; ++i) {
      const uint64_t term = 1 + i / 10;
      const bool overwrite = i % 10 == 0;
      const uint64_t index = now.acknowledged.size() + (overwrite ? 0 : 1);
      const std::string payload = std::to_string(i) + std::string(200, 'x');
      now.attempted = now.acknowledged;
      now.attempted.resize(index - 1);
      now.attempted.push_back(payload);
      ASSERT_TRUE(
          Write(opened, {Entries({MakeEntry(index, term, payload)}), State(term, 1, index - 1)})
              .ok());
      now.acknowledged = now.attempted;
      now.term = Term(term);
    }
  }
  fs.SetObserver(nullptr);
  ASSERT_GT(crashes.size(), 100u);
  for (size_t i = 0; i < crashes.size(); ++i) {
    const CrashState& crash = crashes[i];
    const StatusOr<Opened> opened = TryOpen(*crash.disk, {}, 4 << 10);
    ASSERT_TRUE(opened.ok()) << "crash " << i << ": " << opened.status();
    const std::vector<std::string> found = opened->Payloads();
    EXPECT_TRUE(found == crash.expected.acknowledged || found == crash.expected.attempted)
        << "crash " << i;
    EXPECT_GE(opened->state.hard_state.term, crash.expected.term) << "crash " << i;
    EXPECT_LE(opened->state.hard_state.commit, Index(found.size())) << "crash " << i;
  }
}

TEST(RaftLog, TakesNothingMoreAfterAFailedSync) {
  testing::SimFileSystem fs;
  Opened opened = Open(fs);
  testing::SimFileSystem::Fault fault;
  fault.status = MakeStatus(StatusCode::kInternal, "Input/output error");
  fault.only = testing::FileOperation::Kind::kSync;
  fs.AddFault(fault);
  EXPECT_FALSE(Write(opened, {Entries({MakeEntry(1, 1, "a")})}).ok());
  fs.ClearFaults();
  EXPECT_FALSE(Write(opened, {Entries({MakeEntry(1, 1, "a")})}).ok());
}

}  // namespace
}  // namespace sisyphus::node
