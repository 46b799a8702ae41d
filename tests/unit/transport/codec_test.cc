#include "transport/codec.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "base/rng.h"
#include "proto/peer.pb.h"
#include "raft/membership.h"
#include "tests/unit/transport/harness.h"

namespace sisyphus::transport {
namespace {

constexpr NodeId kFrom(1);
constexpr NodeId kTo(2);

node::PeerMessage FromRaft(raft::MessageBody body) {
  return raft::Message{.from = kFrom, .to = kTo, .term = Term(9), .body = std::move(body)};
}

// Through bytes and back.
StatusOr<node::PeerMessage> RoundTrip(const node::PeerMessage& message) {
  peer::Message out;
  EncodeMessage(message, &out);
  peer::Message in;
  EXPECT_TRUE(in.ParseFromString(out.SerializeAsString()));
  return DecodeMessage(&in, kFrom, kTo);
}

template <typename Body>
Body RaftRoundTrip(Body body) {
  auto back = RoundTrip(FromRaft(std::move(body)));
  EXPECT_TRUE(back.ok()) << back.status();
  const auto& message = std::get<raft::Message>(*back);
  EXPECT_EQ(message.from, kFrom);
  EXPECT_EQ(message.to, kTo);
  EXPECT_EQ(message.term, Term(9));
  return std::get<Body>(message.body);
}

raft::Membership SomeMembership() {
  raft::Membership membership;
  membership.voters = {NodeId(1), NodeId(2), NodeId(3)};
  membership.outgoing = {NodeId(1), NodeId(4)};
  membership.learners = {NodeId(5)};
  membership.auto_leave = true;
  membership.addresses = {{NodeId(1), "a:1"}, {NodeId(5), "[::1]:5"}};
  return membership;
}

raft::AppendRequest SomeAppend() {
  raft::AppendRequest append;
  append.previous = {Index(10), Term(3)};
  append.commit = Index(8);
  append.entries.push_back({.index = Index(11),
                            .term = Term(4),
                            .type = raft::EntryType::kNoop,
                            .payload = MakePayload("")});
  append.entries.push_back({.index = Index(12),
                            .term = Term(4),
                            .type = raft::EntryType::kCommand,
                            .payload = MakePayload(std::string("bytes\0\xff\x80", 8))});
  append.entries.push_back({.index = Index(13),
                            .term = Term(5),
                            .type = raft::EntryType::kMembership,
                            .payload = MakePayload(raft::EncodeMembership(SomeMembership()))});
  return append;
}

TEST(CodecTest, Votes) {
  const auto request = RaftRoundTrip(raft::VoteRequest{
      .pre = true, .leader_transfer = true, .last = {Index(1ull << 40), Term(1ull << 50)}});
  EXPECT_TRUE(request.pre);
  EXPECT_TRUE(request.leader_transfer);
  EXPECT_EQ(request.last, (LogPosition{Index(1ull << 40), Term(1ull << 50)}));
  EXPECT_FALSE(RaftRoundTrip(raft::VoteRequest{}).pre);

  const auto reply = RaftRoundTrip(raft::VoteReply{.pre = false, .granted = true});
  EXPECT_FALSE(reply.pre);
  EXPECT_TRUE(reply.granted);
}

TEST(CodecTest, Appends) {
  const raft::AppendRequest sent = SomeAppend();
  const auto request = RaftRoundTrip(sent);
  EXPECT_EQ(request.previous, sent.previous);
  EXPECT_EQ(request.commit, sent.commit);
  ASSERT_EQ(request.entries.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(request.entries[i].index, sent.entries[i].index);
    EXPECT_EQ(request.entries[i].term, sent.entries[i].term);
    EXPECT_EQ(request.entries[i].type, sent.entries[i].type);
    EXPECT_EQ(*request.entries[i].payload, *sent.entries[i].payload);
  }

  raft::AppendReply rejection;
  rejection.rejected = true;
  rejection.match = Index(10);
  rejection.hint = {Index(4), Term(2)};
  const auto reply = RaftRoundTrip(rejection);
  EXPECT_TRUE(reply.rejected);
  EXPECT_EQ(reply.match, Index(10));
  EXPECT_EQ(reply.hint, (LogPosition{Index(4), Term(2)}));
}

TEST(CodecTest, HeartbeatsSnapshotsAndTimeoutNow) {
  const auto request =
      RaftRoundTrip(raft::HeartbeatRequest{.commit = Index(5), .round = 6, .lease = true});
  EXPECT_EQ(request.commit, Index(5));
  EXPECT_EQ(request.round, 6u);
  EXPECT_TRUE(request.lease);
  const auto reply = RaftRoundTrip(raft::HeartbeatReply{.round = 6, .lease = true});
  EXPECT_EQ(reply.round, 6u);
  EXPECT_TRUE(reply.lease);

  raft::SnapshotMeta meta{.last = {Index(99), Term(3)}, .membership = SomeMembership()};
  EXPECT_EQ(RaftRoundTrip(raft::SnapshotRequest{.meta = meta}).meta, meta);
  EXPECT_EQ(RaftRoundTrip(raft::SnapshotReply{.match = Index(99)}).match, Index(99));
  RaftRoundTrip(raft::TimeoutNow{});
}

TEST(CodecTest, ForwardedRequestsAndAnswers) {
  auto forwarded = RoundTrip(node::ForwardedProposal{
      .id = 5,
      .timeout_ms = 1'500,
      .command = MakePayload(std::string("\0x", 2)),
      .parent =
          *node::TraceParent::Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")});
  ASSERT_TRUE(forwarded.ok());
  const auto& proposal = std::get<node::ForwardedProposal>(*forwarded);
  EXPECT_EQ(proposal.id, 5u);
  EXPECT_EQ(proposal.timeout_ms, 1'500u);
  EXPECT_EQ(*proposal.command, std::string("\0x", 2));
  EXPECT_EQ(proposal.parent.text(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");

  node::ProposalReply sent;
  sent.id = 5;
  sent.status = MakeStatus(StatusCode::kAborted, "superseded");
  sent.position = {Index(4), Term(2)};
  sent.result = "result";
  sent.stages = {std::chrono::microseconds(1), std::chrono::microseconds(2),
                 std::chrono::microseconds(3), std::chrono::seconds(5)};
  auto answered = RoundTrip(sent);
  ASSERT_TRUE(answered.ok());
  const auto& reply = std::get<node::ProposalReply>(*answered);
  EXPECT_EQ(reply.id, 5u);
  EXPECT_EQ(reply.status, sent.status);
  EXPECT_EQ(reply.position, sent.position);
  EXPECT_EQ(reply.result, "result");
  EXPECT_EQ(reply.stages.queue, std::chrono::microseconds(1));
  EXPECT_EQ(reply.stages.replicate, std::chrono::microseconds(2));
  EXPECT_EQ(reply.stages.commit, std::chrono::microseconds(3));
  EXPECT_EQ(reply.stages.apply, std::chrono::seconds(5));

  auto read = RoundTrip(node::ReadIndexRequest{.id = 77});
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(std::get<node::ReadIndexRequest>(*read).id, 77u);

  node::ReadIndexReply read_sent;
  read_sent.id = 77;
  read_sent.index = Index(12);
  auto read_reply = RoundTrip(read_sent);
  ASSERT_TRUE(read_reply.ok());
  EXPECT_TRUE(std::get<node::ReadIndexReply>(*read_reply).status.ok());
  EXPECT_EQ(std::get<node::ReadIndexReply>(*read_reply).index, Index(12));
}

TEST(CodecTest, SnapshotsThatTravel) {
  node::SnapshotOffer offer;
  raft::SnapshotMeta meta{.last = {Index(99), Term(3)}, .membership = SomeMembership()};
  offer.request = std::get<raft::Message>(FromRaft(raft::SnapshotRequest{.meta = meta}));
  offer.snapshot_id = 7;
  offer.files = {{"CURRENT", 28}, {"5.sst", uint64_t{5} << 32}};
  const auto offered = RoundTrip(offer);
  ASSERT_TRUE(offered.ok()) << offered.status();
  const auto& got = std::get<node::SnapshotOffer>(*offered);
  EXPECT_EQ(std::get<raft::SnapshotRequest>(got.request.body).meta, meta);
  EXPECT_EQ(got.request.term, offer.request.term);
  EXPECT_EQ(got.snapshot_id, 7u);
  ASSERT_EQ(got.files.size(), 2u);
  EXPECT_EQ(got.files[1].name, "5.sst");
  EXPECT_EQ(got.files[1].size_bytes, uint64_t{5} << 32);

  const auto asked = RoundTrip(node::SnapshotChunkRequest{
      .snapshot_id = 7, .file = 1, .offset = 9, .max_bytes = 3, .done = true});
  ASSERT_TRUE(asked.ok()) << asked.status();
  const auto& request = std::get<node::SnapshotChunkRequest>(*asked);
  EXPECT_EQ(request.snapshot_id, 7u);
  EXPECT_EQ(request.file, 1u);
  EXPECT_EQ(request.offset, 9u);
  EXPECT_EQ(request.max_bytes, 3u);
  EXPECT_TRUE(request.done);

  node::SnapshotChunk chunk;
  chunk.snapshot_id = 7;
  chunk.file = 1;
  chunk.offset = 9;
  chunk.data = MakePayload(std::string("\0y", 2));
  chunk.checksum = 123;
  chunk.status = MakeStatus(StatusCode::kNotFound, "gone");
  const auto carried = RoundTrip(chunk);
  ASSERT_TRUE(carried.ok()) << carried.status();
  const auto& piece = std::get<node::SnapshotChunk>(*carried);
  EXPECT_EQ(piece.snapshot_id, 7u);
  EXPECT_EQ(piece.file, 1u);
  EXPECT_EQ(piece.offset, 9u);
  EXPECT_EQ(*piece.data, *chunk.data);
  EXPECT_EQ(piece.checksum, 123u);
  EXPECT_EQ(piece.status, chunk.status);
}

TEST(CodecTest, WhatReplicasSayOfTheirContent) {
  node::ContentReport report;
  report.hashes = {{Index(4096), 0xfedcba9876543210}, {Index(8192), 0}};
  const auto said = RoundTrip(report);
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_EQ(std::get<node::ContentReport>(*said).hashes, report.hashes);
  const auto nothing = RoundTrip(node::ContentReport{});
  ASSERT_TRUE(nothing.ok()) << nothing.status();
  EXPECT_TRUE(std::get<node::ContentReport>(*nothing).hashes.empty());
  const auto asked = RoundTrip(node::ReseedRequest{.at_least = Index(77)});
  ASSERT_TRUE(asked.ok()) << asked.status();
  EXPECT_EQ(std::get<node::ReseedRequest>(*asked).at_least, Index(77));
}

void ExpectMalformed(peer::Message message, const std::string& reason) {
  const auto decoded = DecodeMessage(&message, kFrom, kTo);
  ASSERT_FALSE(decoded.ok()) << message.ShortDebugString();
  EXPECT_EQ(decoded.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(MessageOf(decoded.status()).find(reason), std::string_view::npos) << decoded.status();
}

TEST(CodecTest, RefusesContentReportsThatMakeNoSense) {
  peer::Message message;
  message.mutable_content_report()->add_index(5);
  ExpectMalformed(message, "do not pair up");
  message.mutable_content_report()->add_hash(1);
  message.mutable_content_report()->add_index(5);
  message.mutable_content_report()->add_hash(1);
  ExpectMalformed(message, "do not ascend");
  message.mutable_content_report()->set_index(1, UINT64_MAX);
  ExpectMalformed(message, "out of range");
  peer::Message request;
  request.mutable_reseed_request()->set_at_least(UINT64_MAX);
  ExpectMalformed(request, "out of range");
}

TEST(CodecTest, RefusesWhatMakesNoSense) {
  constexpr uint64_t kHuge = std::numeric_limits<uint64_t>::max();
  peer::Message m;
  ExpectMalformed(m, "no body");
  m.set_term(4);
  ExpectMalformed(m, "no body");

  EncodeMessage(FromRaft(SomeAppend()), &m);
  m.mutable_append_request()->mutable_entries(1)->set_type(3);
  ExpectMalformed(m, "unknown entry type 3");
  m.mutable_append_request()->mutable_entries(1)->set_type(0);
  ExpectMalformed(m, "no-op entry with a payload");
  m.mutable_append_request()->mutable_entries(1)->set_type(1);
  m.mutable_append_request()->set_previous_index(kHuge);
  ExpectMalformed(m, "out of range");
  m.mutable_append_request()->set_previous_index(0);
  m.mutable_append_request()->set_commit(kHuge);
  ExpectMalformed(m, "out of range");

  m.mutable_vote_request()->set_last_index(kHuge);
  ExpectMalformed(m, "out of range");
  m.mutable_append_reply()->set_match(kHuge);
  ExpectMalformed(m, "out of range");
  m.mutable_append_reply()->set_match(1);
  m.mutable_append_reply()->set_hint_index(kHuge);
  ExpectMalformed(m, "out of range");
  m.mutable_heartbeat_request()->set_commit(kHuge);
  ExpectMalformed(m, "out of range");
  m.mutable_snapshot_request()->set_membership("\xff\xff\xff");
  ExpectMalformed(m, "malformed");
  m.mutable_snapshot_reply()->set_match(kHuge);
  ExpectMalformed(m, "out of range");
  m.mutable_proposal_reply()->set_code(17);
  ExpectMalformed(m, "unknown status code 17");
  m.mutable_read_index_reply()->set_code(kHuge >> 32);
  ExpectMalformed(m, "unknown status code");
}

TEST(CodecTest, RefusesFramesOutOfPlace) {
  peer::Frame empty;
  EXPECT_FALSE(DecodeFrame(&empty, kFrom, kTo).ok());
  peer::Frame hello;
  hello.mutable_hello();
  EncodeMessage(FromRaft(raft::TimeoutNow{}), hello.add_messages());
  EXPECT_FALSE(DecodeFrame(&hello, kFrom, kTo).ok());
  hello.clear_hello();
  EXPECT_TRUE(DecodeFrame(&hello, kFrom, kTo).ok());
}

std::string SomeFrame() {
  peer::Frame frame;
  EncodeMessage(FromRaft(SomeAppend()), frame.add_messages());
  EncodeMessage(FromRaft(raft::SnapshotRequest{
                    .meta = {.last = {Index(99), Term(3)}, .membership = SomeMembership()}}),
                frame.add_messages());
  node::ProposalReply reply;
  reply.status = MakeStatus(StatusCode::kUnavailable, "no leader");
  reply.result = "r";
  EncodeMessage(reply, frame.add_messages());
  return frame.SerializeAsString();
}

// Whatever can be decoded is as good as what a peer could have meant: it encodes again.
void MustNotCrash(const std::string& bytes) {
  peer::Frame frame;
  if (!frame.ParseFromString(bytes)) return;
  const auto messages = DecodeFrame(&frame, kFrom, kTo);
  if (!messages.ok()) {
    EXPECT_EQ(messages.status().code(), StatusCode::kInvalidArgument);
    return;
  }
  peer::Frame again;
  for (const auto& message : *messages) EncodeMessage(message, again.add_messages());
}

TEST(CodecTest, SurvivesEveryTruncation) {
  const std::string bytes = SomeFrame();
  for (size_t n = 0; n < bytes.size(); ++n) MustNotCrash(bytes.substr(0, n));
}

TEST(CodecTest, SurvivesFlippedBytes) {
  const std::string bytes = SomeFrame();
  Rng rng(20'140'815);
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = bytes;
    const uint64_t flips = rng.Between(1, 4);
    for (uint64_t j = 0; j < flips; ++j) {
      damaged[rng.Below(damaged.size())] = static_cast<char>(rng.Next());
    }
    MustNotCrash(damaged);
  }
}

TEST(CodecTest, SizeFollowsThePayload) {
  EXPECT_LT(SizeBytes(Heartbeat(kFrom, kTo, 1)), 200u);
  EXPECT_GE(SizeBytes(Append(kFrom, kTo, 1, 1'000'000)), 1'000'000u);
  EXPECT_LT(SizeBytes(Append(kFrom, kTo, 1, 1'000'000)), 1'001'000u);
  node::ProposalReply reply;
  reply.result = std::string(5'000, 'r');
  EXPECT_GE(SizeBytes(reply), 5'000u);
}

}  // namespace
}  // namespace sisyphus::transport
