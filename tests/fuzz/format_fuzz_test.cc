// What lies on a disk or comes from a peer: records, blocks, manifests, commands, messages.
//
// Checksums turn most damage away before it comes this far; here the decoders are given what a
// checksum might let pass.

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kv/command.h"
#include "kv/history.h"
#include "kv/lease.h"
#include "kv/session.h"
#include "kv/txn.h"
#include "lsm/block.h"
#include "lsm/block_builder.h"
#include "lsm/bloom_filter.h"
#include "lsm/table_format.h"
#include "lsm/version_edit.h"
#include "proto/peer.pb.h"
#include "raft/membership.h"
#include "tests/fuzz/fuzz.h"
#include "transport/codec.h"
#include "wal/format.h"

namespace sisyphus {
namespace {

constexpr size_t kRuns = 200'000;

// --- The log ---

TEST(FormatFuzz, LogHeadersAndRecords) {
  std::string header;
  wal::AppendSegmentHeader(&header, {.segment = 7, .previous_end = 4'096, .preamble_bytes = 64});
  std::string record;
  const wal::RecordPlace place{.segment = 7, .offset = 40, .batch_begin = 40};
  wal::AppendRecord(&record, place, 3, "head", "and body");
  fuzz::Run({header, record, header + record}, kRuns, [&](std::string_view bytes) {
    const bool is_header = wal::DecodeSegmentHeader(bytes, place.segment, "p").ok();
    EXPECT_TRUE(!is_header || bytes.starts_with(header));
    if (bytes.size() < wal::kRecordHeaderBytes) return is_header;
    const auto found = wal::DecodeRecordHeader(bytes, place.segment, place.offset);
    if (!found) return is_header;
    EXPECT_EQ(found->length, 12u);
    const std::string_view rest = bytes.substr(wal::kRecordHeaderBytes);
    const std::string_view payload = rest.substr(0, found->length);
    const bool matches = payload.size() == found->length &&
                         wal::PayloadMatches(*found, payload, place.segment, place.offset);
    EXPECT_TRUE(!matches || payload == "headand body");
    return matches;
  });
}

// --- Tables ---

std::string SomeBlock(int entries, int restart_interval) {
  lsm::BlockBuilder builder(restart_interval);
  for (int i = 0; i < entries; ++i) {
    const std::string key = "key" + std::to_string(100 + i);
    builder.Add({key, lsm::PackTrailer(9, lsm::Kind::kPut)}, std::string(5, 'v'));
  }
  return builder.Finish();
}

// Iterators end, say what is wrong, and give out views into the block alone.
TEST(FormatFuzz, Blocks) {
  fuzz::Run({SomeBlock(1, 1), SomeBlock(20, 4), SomeBlock(40, 16)}, kRuns,
            [](std::string_view bytes) {
              const auto block = lsm::Block::Make(std::string(bytes));
              if (!block.ok()) return false;
              lsm::BlockIterator iterator(*block);
              size_t seen = 0;
              size_t sum = 0;
              const auto look = [&] {
                for (const char c : iterator.value()) sum += static_cast<uint8_t>(c);
                for (const char c : iterator.key().user_key) sum += static_cast<uint8_t>(c);
                return ++seen <= 2 * bytes.size();
              };
              for (iterator.SeekToFirst(); iterator.Valid() && look(); iterator.Next()) {
              }
              for (iterator.SeekToLast(); iterator.Valid() && look(); iterator.Prev()) {
              }
              iterator.Seek({"key110", lsm::PackTrailer(9, lsm::Kind::kPut)});
              if (iterator.Valid()) look();
              EXPECT_LE(seen, 2 * bytes.size() + 1) << "it does not come to an end, sum " << sum;
              return iterator.status().ok();
            });
}

lsm::TableProperties SomeProperties() {
  lsm::TableProperties properties{.number = 5,
                                  .entries = 100,
                                  .deletions = 3,
                                  .smallest_sequence = 1,
                                  .largest_sequence = 1ull << 40,
                                  .smallest = {},
                                  .largest = {}};
  lsm::AppendEncoded(&properties.smallest, {"a", lsm::PackTrailer(9, lsm::Kind::kPut)});
  lsm::AppendEncoded(&properties.largest, {"zz", lsm::PackTrailer(2, lsm::Kind::kPut)});
  return properties;
}

TEST(FormatFuzz, TableFooters) {
  const std::string footer = lsm::EncodeFooter({{0, 10}, {30, 40}, {90, 200}});
  fuzz::Run({footer}, kRuns, [&](std::string_view bytes) {
    const bool good = lsm::DecodeFooter(bytes, 1'000, "p").ok();
    EXPECT_TRUE(!good || bytes == footer);
    return good;
  });
}

TEST(FormatFuzz, TableProperties) {
  fuzz::Run({lsm::EncodeProperties(SomeProperties())}, kRuns, [](std::string_view bytes) {
    const StatusOr<lsm::TableProperties> read = lsm::DecodeProperties(bytes);
    if (!read.ok()) return false;
    EXPECT_GE(read->smallest.size(), lsm::kTrailerBytes);
    EXPECT_GE(read->largest.size(), lsm::kTrailerBytes);
    const StatusOr<lsm::TableProperties> again =
        lsm::DecodeProperties(lsm::EncodeProperties(*read));
    EXPECT_TRUE(again.ok() && again->largest == read->largest) << again.status();
    return true;
  });
}

TEST(FormatFuzz, BloomFilters) {
  lsm::BloomFilterBuilder builder(10);
  for (const char* key : {"a", "b", "c"}) builder.Add(key);
  fuzz::Run({builder.Finish()}, kRuns, [](std::string_view bytes) {
    EXPECT_TRUE(lsm::BloomMayContain("", bytes));
    return lsm::BloomMayContain(bytes, "a");
  });
}

TEST(FormatFuzz, ManifestEdits) {
  lsm::VersionEdit edit;
  edit.flushed = Position{.sequence = 100, .term = 3};
  edit.next_file_number = 9;
  edit.removed.push_back({2, 4});
  edit.added.push_back({1, {.size_bytes = 4'096, .properties = SomeProperties()}});
  fuzz::Run({edit.Encode(), lsm::VersionEdit().Encode()}, kRuns, [](std::string_view bytes) {
    const StatusOr<lsm::VersionEdit> read = lsm::VersionEdit::Decode(bytes);
    if (!read.ok()) return false;
    for (const auto& added : read->added) {
      EXPECT_GE(added.table.properties.smallest.size(), lsm::kTrailerBytes);
      (void)Compare(added.table.smallest(), added.table.largest());
    }
    const StatusOr<lsm::VersionEdit> again = lsm::VersionEdit::Decode(read->Encode());
    EXPECT_TRUE(again.ok() && again->Encode() == read->Encode()) << again.status();
    return true;
  });
}

// --- Commands and what they leave ---

TEST(FormatFuzz, Commands) {
  kv::Command put;
  put.key = "key";
  put.value = "value";
  kv::Command leased = put;
  leased.lease.ttl_ms = 30'000;
  kv::Command conditional;
  conditional.kind = kv::Command::Kind::kDelete;
  conditional.want_previous = true;
  conditional.key = "key";
  conditional.condition.if_revision = Index(1ull << 40);
  kv::Command range;
  range.kind = kv::Command::Kind::kDeleteRange;
  range.key = "a";
  range.end = "b";
  fuzz::Run({kv::EncodeCommand(put), kv::EncodeCommand(conditional), kv::EncodeCommand(leased),
             kv::EncodeCommand(range)},
            kRuns, [](std::string_view bytes) {
              const StatusOr<kv::Command> read = kv::DecodeCommand(bytes);
              if (!read.ok()) return false;
              const std::string encoded = kv::EncodeCommand(*read);
              const StatusOr<kv::Command> again = kv::DecodeCommand(encoded);
              EXPECT_TRUE(again.ok() && kv::EncodeCommand(*again) == encoded) << again.status();
              EXPECT_TRUE(again.ok() && again->key == read->key && again->value == read->value);
              return true;
            });
}

kv::Txn SomeTxn() {
  kv::Txn txn;
  kv::Comparison& version = txn.compare.emplace_back();
  version.target = kv::Comparison::Target::kVersion;
  version.key = "a";
  version.number = 1;
  kv::Comparison& value = txn.compare.emplace_back();
  value.key = "b";
  value.value = "x";
  kv::TxnOperation& put = txn.then.emplace_back();
  put.kind = kv::TxnOperation::Kind::kPut;
  put.key = "a";
  put.value = "1";
  kv::TxnOperation& get = txn.then.emplace_back();
  get.key = "a";
  get.range = true;
  get.end = "b";
  get.limit = 5;
  get.reverse = true;
  kv::TxnOperation& remove = txn.otherwise.emplace_back();
  remove.kind = kv::TxnOperation::Kind::kDelete;
  remove.key = "a";
  return txn;
}

TEST(FormatFuzz, Transactions) {
  const kv::Txn txn = SomeTxn();
  fuzz::Run({kv::EncodeTxn(txn), kv::EncodeTxn({})}, kRuns, [](std::string_view bytes) {
    const StatusOr<kv::Txn> read = kv::DecodeTxn(bytes);
    (void)kv::DecodeTxnResult(bytes);
    if (!read.ok()) return false;
    const std::string encoded = kv::EncodeTxn(*read);
    const StatusOr<kv::Txn> again = kv::DecodeTxn(encoded);
    EXPECT_TRUE(again.ok() && kv::EncodeTxn(*again) == encoded) << again.status();
    return true;
  });
}

TEST(FormatFuzz, ResultsLeasesSessionsValues) {
  kv::CommandResult done;
  done.done = true;
  done.create_revision = Index(3);
  done.version = 2;
  done.existed = true;
  done.previous.emplace().value = "old";
  kv::CommandResult failed;
  failed.current_revision = Index(9);
  fuzz::Run({kv::EncodeResult(done), kv::EncodeResult(failed), kv::EncodeRangeResult(7),
             kv::EncodeRefusal(kv::Refusal::kNoLease), kv::EncodeCompactResult(Index(5)),
             kv::EncodeCompactCommand(Index(5)), kv::EncodeFloor(Index(5)),
             kv::EncodeTreeValue(Index(3), 2, "value", 7), kv::ChangeRecordKey(Index(5), 2)},
            kRuns, [](std::string_view bytes) {
              // Each of them is given what is meant for the others, too.
              const bool meant[] = {kv::DecodeResult(bytes).ok(),
                                    kv::RefusalIn(bytes) != kv::Refusal::kNone,
                                    kv::DecodeCompactResult(bytes).ok(),
                                    kv::DecodeCompactCommand(bytes).ok(),
                                    kv::DecodeFloor(bytes).ok(),
                                    kv::DecodeLeaseResult(bytes).ok(),
                                    kv::DecodeLease(kv::LeaseKey(7), bytes).ok(),
                                    kv::DecodeSession(bytes).ok(),
                                    kv::DecodeTreeValue(bytes, Index(9)).ok(),
                                    kv::LeaseOfTreeValue(bytes).ok(),
                                    kv::ParseChangeRecordKey(bytes).has_value()};
              return std::find(std::begin(meant), std::end(meant), true) != std::end(meant);
            });
}

// --- Peers ---

TEST(FormatFuzz, Memberships) {
  raft::Membership membership;
  membership.voters = {NodeId(1), NodeId(2), NodeId(3)};
  membership.outgoing = {NodeId(1), NodeId(4)};
  membership.learners = {NodeId(5)};
  membership.addresses = {{NodeId(1), "a:1"}, {NodeId(5), "[::1]:5"}};
  fuzz::Run({raft::EncodeMembership(membership), raft::EncodeMembership({})}, kRuns,
            [](std::string_view bytes) {
              const StatusOr<raft::Membership> read = raft::DecodeMembership(bytes);
              if (!read.ok()) return false;
              const std::string encoded = raft::EncodeMembership(*read);
              const StatusOr<raft::Membership> again = raft::DecodeMembership(encoded);
              EXPECT_TRUE(again.ok() && raft::EncodeMembership(*again) == encoded);
              return true;
            });
}

raft::Payload MakePayload(const char* bytes) { return std::make_shared<const std::string>(bytes); }

std::string Frame(std::vector<node::PeerMessage> messages) {
  peer::Frame frame;
  for (const node::PeerMessage& message : messages) {
    transport::EncodeMessage(message, frame.add_messages());
  }
  return frame.SerializeAsString();
}

node::PeerMessage OfRaft(raft::MessageBody body) {
  return raft::Message{
      .from = NodeId(1), .to = NodeId(2), .term = Term(9), .body = std::move(body)};
}

// What a peer sends becomes messages that can be sent on, or nothing.
TEST(FormatFuzz, Frames) {
  raft::AppendRequest append;
  append.previous = {Index(10), Term(3)};
  append.commit = Index(8);
  append.entries.push_back({.index = Index(11),
                            .term = Term(4),
                            .type = raft::EntryType::kCommand,
                            .payload = MakePayload("command")});
  raft::VoteRequest vote;
  vote.pre = true;
  vote.last = {Index(5), Term(2)};
  node::ForwardedProposal proposal;
  proposal.id = 1;
  proposal.command = MakePayload("command");
  node::ProposalReply reply;
  reply.id = 1;
  reply.result = "result";
  node::SnapshotOffer offer;
  offer.request = std::get<raft::Message>(OfRaft(raft::SnapshotRequest{}));
  offer.files.push_back({"000001.sst", 4'096});
  node::SnapshotChunkRequest wanted;
  wanted.max_bytes = 100;
  node::SnapshotChunk chunk;
  chunk.data = MakePayload("data");
  node::ContentReport report;
  report.hashes.emplace_back();
  const std::vector<std::string> seeds = {
      Frame({OfRaft(append), OfRaft(raft::AppendReply{})}),
      Frame({OfRaft(vote), OfRaft(raft::VoteReply{}), OfRaft(raft::HeartbeatRequest{}),
             OfRaft(raft::HeartbeatReply{}), OfRaft(raft::TimeoutNow{})}),
      Frame({proposal, reply, node::ReadIndexRequest{}, node::ReadIndexReply{}}),
      Frame({offer, wanted, chunk, report, node::ReseedRequest{}}),
  };
  fuzz::Run(seeds, kRuns / 2, [](std::string_view bytes) {
    peer::Frame frame;
    if (!frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return false;
    auto messages = transport::DecodeFrame(&frame, NodeId(1), NodeId(2));
    if (!messages.ok()) return false;
    peer::Frame again;
    EXPECT_TRUE(again.ParseFromString(Frame(*std::move(messages))));
    const auto same = transport::DecodeFrame(&again, NodeId(1), NodeId(2));
    EXPECT_TRUE(same.ok()) << same.status();
    return true;
  });
}

}  // namespace
}  // namespace sisyphus
