#include "transport/codec.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "base/check.h"
#include "proto/peer.pb.h"
#include "raft/membership.h"

namespace sisyphus::transport {
namespace {

// A message's fields and its place in a deque or vector, payloads apart.
constexpr size_t kMessageOverheadBytes = 64;

// Indices this large mean damage: they leave no room to count entries on.
constexpr uint64_t kMaxIndex = std::numeric_limits<uint64_t>::max() / 2;

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

Status Malformed(const std::string& what) {
  return MakeStatus(StatusCode::kInvalidArgument, "malformed peer message: " + what);
}

raft::Payload TakePayload(std::string* bytes) {
  return std::make_shared<const std::string>(std::move(*bytes));
}

// --- Encoding ---

void Encode(const raft::VoteRequest& in, peer::Message* out) {
  peer::VoteRequest* body = out->mutable_vote_request();
  body->set_pre(in.pre);
  body->set_leader_transfer(in.leader_transfer);
  body->set_last_index(in.last.index.value());
  body->set_last_term(in.last.term.value());
}

void Encode(const raft::VoteReply& in, peer::Message* out) {
  peer::VoteReply* body = out->mutable_vote_reply();
  body->set_pre(in.pre);
  body->set_granted(in.granted);
}

void Encode(const raft::AppendRequest& in, peer::Message* out) {
  peer::AppendRequest* body = out->mutable_append_request();
  body->set_previous_index(in.previous.index.value());
  body->set_previous_term(in.previous.term.value());
  body->set_commit(in.commit.value());
  body->mutable_entries()->Reserve(static_cast<int>(in.entries.size()));
  Index expected = in.previous.index;
  for (const raft::Entry& entry : in.entries) {
    ++expected;
    SIS_CHECK(entry.index == expected, "entries of an AppendRequest are not consecutive");
    peer::Entry* wire = body->add_entries();
    wire->set_term(entry.term.value());
    wire->set_type(static_cast<uint32_t>(entry.type));
    wire->set_payload(*entry.payload);
  }
}

void Encode(const raft::AppendReply& in, peer::Message* out) {
  peer::AppendReply* body = out->mutable_append_reply();
  body->set_rejected(in.rejected);
  body->set_match(in.match.value());
  body->set_hint_index(in.hint.index.value());
  body->set_hint_term(in.hint.term.value());
}

void Encode(const raft::HeartbeatRequest& in, peer::Message* out) {
  peer::HeartbeatRequest* body = out->mutable_heartbeat_request();
  body->set_commit(in.commit.value());
  body->set_round(in.round);
  body->set_lease(in.lease);
}

void Encode(const raft::HeartbeatReply& in, peer::Message* out) {
  peer::HeartbeatReply* body = out->mutable_heartbeat_reply();
  body->set_round(in.round);
  body->set_lease(in.lease);
}

void EncodeSnapshotRequest(const raft::SnapshotRequest& in, peer::SnapshotRequest* body) {
  body->set_last_index(in.meta.last.index.value());
  body->set_last_term(in.meta.last.term.value());
  body->set_membership(raft::EncodeMembership(in.meta.membership));
}

void Encode(const raft::SnapshotRequest& in, peer::Message* out) {
  EncodeSnapshotRequest(in, out->mutable_snapshot_request());
}

void Encode(const raft::SnapshotReply& in, peer::Message* out) {
  out->mutable_snapshot_reply()->set_match(in.match.value());
}

void Encode(const raft::TimeoutNow&, peer::Message* out) { out->mutable_timeout_now(); }

void Encode(const raft::Message& in, peer::Message* out) {
  out->set_term(in.term.value());
  std::visit([out](const auto& body) { Encode(body, out); }, in.body);
}

void Encode(const node::ForwardedProposal& in, peer::Message* out) {
  peer::ForwardedProposal* body = out->mutable_forwarded_proposal();
  body->set_id(in.id);
  body->set_timeout_ms(in.timeout_ms);
  body->set_command(*in.command);
  if (!in.parent.empty()) body->set_traceparent(std::string(in.parent.text()));
}

uint32_t Micros(Duration duration) {
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  return static_cast<uint32_t>(
      std::clamp<int64_t>(micros, 0, std::numeric_limits<uint32_t>::max()));
}

template <typename Body>
void EncodeStatus(const Status& status, Body* body) {
  body->set_code(static_cast<uint32_t>(status.code()));
  body->set_error(std::string(MessageOf(status)));
}

void Encode(const node::ProposalReply& in, peer::Message* out) {
  peer::ProposalReply* body = out->mutable_proposal_reply();
  body->set_id(in.id);
  EncodeStatus(in.status, body);
  body->set_index(in.position.index.value());
  body->set_term(in.position.term.value());
  body->set_result(in.result);
  const node::StageTimes& stages = in.stages;
  for (const Duration stage : {stages.queue, stages.replicate, stages.commit, stages.apply}) {
    body->add_stage_us(Micros(stage));
  }
}

void Encode(const node::ReadIndexRequest& in, peer::Message* out) {
  out->mutable_read_index_request()->set_id(in.id);
}

void Encode(const node::ReadIndexReply& in, peer::Message* out) {
  peer::ReadIndexReply* body = out->mutable_read_index_reply();
  body->set_id(in.id);
  EncodeStatus(in.status, body);
  body->set_index(in.index.value());
}

void Encode(const node::SnapshotOffer& in, peer::Message* out) {
  const auto* request = std::get_if<raft::SnapshotRequest>(&in.request.body);
  SIS_CHECK(request != nullptr, "an offer answers a SnapshotRequest");
  out->set_term(in.request.term.value());
  peer::SnapshotOffer* body = out->mutable_snapshot_offer();
  EncodeSnapshotRequest(*request, body->mutable_request());
  body->set_snapshot_id(in.snapshot_id);
  for (const node::SnapshotFile& file : in.files) {
    peer::SnapshotFile* wire = body->add_files();
    wire->set_name(file.name);
    wire->set_size_bytes(file.size_bytes);
  }
}

void Encode(const node::SnapshotChunkRequest& in, peer::Message* out) {
  peer::SnapshotChunkRequest* body = out->mutable_snapshot_chunk_request();
  body->set_snapshot_id(in.snapshot_id);
  body->set_file(in.file);
  body->set_offset(in.offset);
  body->set_max_bytes(in.max_bytes);
  body->set_done(in.done);
}

void Encode(const node::SnapshotChunk& in, peer::Message* out) {
  peer::SnapshotChunk* body = out->mutable_snapshot_chunk();
  body->set_snapshot_id(in.snapshot_id);
  body->set_file(in.file);
  body->set_offset(in.offset);
  body->set_data(*in.data);
  body->set_checksum(in.checksum);
  EncodeStatus(in.status, body);
}

void Encode(const node::ContentReport& in, peer::Message* out) {
  peer::ContentReport* body = out->mutable_content_report();
  for (const node::ContentHash& at : in.hashes) {
    body->add_index(at.index.value());
    body->add_hash(at.hash);
  }
}

void Encode(const node::ReseedRequest& in, peer::Message* out) {
  out->mutable_reseed_request()->set_at_least(in.at_least.value());
}

// --- Decoding: every function answers a valid value or says what is wrong ---

StatusOr<Index> DecodeIndex(uint64_t value) {
  if (value > kMaxIndex) return Malformed("index " + std::to_string(value) + " is out of range");
  return Index(value);
}

StatusOr<LogPosition> DecodePosition(uint64_t index_value, uint64_t term) {
  SIS_ASSIGN_OR_RETURN(Index index, DecodeIndex(index_value));
  return LogPosition{index, Term(term)};
}

// Answers whether `body` carries a status; `status` is that status.
template <typename Body>
Status DecodeStatus(const Body& body, Status* status) {
  if (body.code() > static_cast<uint32_t>(StatusCode::kUnauthenticated)) {
    return Malformed("unknown status code " + std::to_string(body.code()));
  }
  *status = MakeStatus(static_cast<StatusCode>(body.code()), body.error());
  return OkStatus();
}

StatusOr<raft::MessageBody> Decode(const peer::VoteRequest& in) {
  SIS_ASSIGN_OR_RETURN(LogPosition last, DecodePosition(in.last_index(), in.last_term()));
  return raft::VoteRequest{.pre = in.pre(), .leader_transfer = in.leader_transfer(), .last = last};
}

StatusOr<raft::MessageBody> Decode(peer::AppendRequest* in) {
  raft::AppendRequest out;
  SIS_ASSIGN_OR_RETURN(out.previous, DecodePosition(in->previous_index(), in->previous_term()));
  SIS_ASSIGN_OR_RETURN(out.commit, DecodeIndex(in->commit()));
  out.entries.reserve(in->entries_size());
  Index index = out.previous.index;
  for (peer::Entry& wire : *in->mutable_entries()) {
    if (wire.type() > static_cast<uint32_t>(raft::EntryType::kMembership)) {
      return Malformed("unknown entry type " + std::to_string(wire.type()));
    }
    const auto type = static_cast<raft::EntryType>(wire.type());
    if (type == raft::EntryType::kNoop && !wire.payload().empty()) {
      return Malformed("a no-op entry with a payload");
    }
    out.entries.push_back({.index = ++index,
                           .term = Term(wire.term()),
                           .type = type,
                           .payload = TakePayload(wire.mutable_payload())});
  }
  return out;
}

StatusOr<raft::MessageBody> Decode(const peer::AppendReply& in) {
  raft::AppendReply out;
  out.rejected = in.rejected();
  SIS_ASSIGN_OR_RETURN(out.match, DecodeIndex(in.match()));
  SIS_ASSIGN_OR_RETURN(out.hint, DecodePosition(in.hint_index(), in.hint_term()));
  return out;
}

StatusOr<raft::MessageBody> Decode(const peer::HeartbeatRequest& in) {
  SIS_ASSIGN_OR_RETURN(Index commit, DecodeIndex(in.commit()));
  return raft::HeartbeatRequest{.commit = commit, .round = in.round(), .lease = in.lease()};
}

StatusOr<raft::SnapshotRequest> Decode(const peer::SnapshotRequest& in) {
  raft::SnapshotRequest out;
  SIS_ASSIGN_OR_RETURN(out.meta.last, DecodePosition(in.last_index(), in.last_term()));
  StatusOr<raft::Membership> membership = raft::DecodeMembership(in.membership());
  if (!membership.ok()) return Malformed(std::string(MessageOf(membership.status())));
  out.meta.membership = *std::move(membership);
  return out;
}

StatusOr<raft::MessageBody> Decode(const peer::SnapshotReply& in) {
  SIS_ASSIGN_OR_RETURN(Index match, DecodeIndex(in.match()));
  return raft::SnapshotReply{.match = match};
}

StatusOr<raft::MessageBody> DecodeRaftBody(peer::Message* in) {
  switch (in->body_case()) {
    case peer::Message::kVoteRequest:
      return Decode(in->vote_request());
    case peer::Message::kVoteReply:
      return raft::VoteReply{.pre = in->vote_reply().pre(), .granted = in->vote_reply().granted()};
    case peer::Message::kAppendRequest:
      return Decode(in->mutable_append_request());
    case peer::Message::kAppendReply:
      return Decode(in->append_reply());
    case peer::Message::kHeartbeatRequest:
      return Decode(in->heartbeat_request());
    case peer::Message::kHeartbeatReply:
      return raft::HeartbeatReply{.round = in->heartbeat_reply().round(),
                                  .lease = in->heartbeat_reply().lease()};
    case peer::Message::kSnapshotRequest: {
      SIS_ASSIGN_OR_RETURN(raft::SnapshotRequest request, Decode(in->snapshot_request()));
      return request;
    }
    case peer::Message::kSnapshotReply:
      return Decode(in->snapshot_reply());
    case peer::Message::kTimeoutNow:
      return raft::TimeoutNow{};
    default:
      return Malformed("no body, or one of an unknown kind");
  }
}

StatusOr<node::PeerMessage> Decode(peer::ProposalReply* in) {
  node::ProposalReply out;
  out.id = in->id();
  SIS_RETURN_IF_ERROR(DecodeStatus(*in, &out.status));
  SIS_ASSIGN_OR_RETURN(out.position, DecodePosition(in->index(), in->term()));
  out.result = std::move(*in->mutable_result());
  Duration* const stages[] = {&out.stages.queue, &out.stages.replicate, &out.stages.commit,
                              &out.stages.apply};
  if (in->stage_us_size() != 0) {
    if (in->stage_us_size() != static_cast<int>(std::size(stages)))
      return Malformed("stages of another kind");
    for (int i = 0; i < in->stage_us_size(); ++i) {
      *stages[i] = std::chrono::microseconds(in->stage_us(i));
    }
  }
  return out;
}

StatusOr<node::PeerMessage> Decode(const peer::ReadIndexReply& in) {
  node::ReadIndexReply out;
  out.id = in.id();
  SIS_RETURN_IF_ERROR(DecodeStatus(in, &out.status));
  SIS_ASSIGN_OR_RETURN(out.index, DecodeIndex(in.index()));
  return out;
}

StatusOr<node::PeerMessage> Decode(peer::SnapshotOffer* in, NodeId from, NodeId to, Term term) {
  node::SnapshotOffer out;
  SIS_ASSIGN_OR_RETURN(raft::SnapshotRequest request, Decode(in->request()));
  out.request = {.from = from, .to = to, .term = term, .body = std::move(request)};
  out.snapshot_id = in->snapshot_id();
  for (peer::SnapshotFile& file : *in->mutable_files()) {
    out.files.push_back({std::move(*file.mutable_name()), file.size_bytes()});
  }
  return out;
}

StatusOr<node::PeerMessage> Decode(const peer::SnapshotChunkRequest& in) {
  return node::SnapshotChunkRequest{.snapshot_id = in.snapshot_id(),
                                    .file = in.file(),
                                    .offset = in.offset(),
                                    .max_bytes = in.max_bytes(),
                                    .done = in.done()};
}

StatusOr<node::PeerMessage> Decode(peer::SnapshotChunk* in) {
  node::SnapshotChunk out;
  out.snapshot_id = in->snapshot_id();
  out.file = in->file();
  out.offset = in->offset();
  out.data = TakePayload(in->mutable_data());
  out.checksum = in->checksum();
  SIS_RETURN_IF_ERROR(DecodeStatus(*in, &out.status));
  return out;
}

StatusOr<node::PeerMessage> Decode(const peer::ContentReport& in) {
  if (in.index_size() != in.hash_size()) return Malformed("indices and hashes do not pair up");
  node::ContentReport out;
  out.hashes.reserve(in.index_size());
  for (int i = 0; i < in.index_size(); ++i) {
    SIS_ASSIGN_OR_RETURN(Index index, DecodeIndex(in.index(i)));
    if (!out.hashes.empty() && index <= out.hashes.back().index) {
      return Malformed("the indices of a content report do not ascend");
    }
    out.hashes.push_back({index, in.hash(i)});
  }
  return out;
}

}  // namespace

size_t SizeBytes(const node::PeerMessage& message) {
  return kMessageOverheadBytes +
         std::visit(Overloaded{
                        [](const raft::Message& raft_message) {
                          size_t bytes = 0;
                          if (auto* append = std::get_if<raft::AppendRequest>(&raft_message.body)) {
                            for (const raft::Entry& entry : append->entries) {
                              bytes += entry.size_bytes();
                            }
                          }
                          return bytes;
                        },
                        [](const node::ForwardedProposal& m) { return m.command->size(); },
                        [](const node::ProposalReply& m) {
                          return m.result.size() + m.status.message().size();
                        },
                        [](const node::ReadIndexRequest&) { return size_t{0}; },
                        [](const node::ReadIndexReply& m) { return m.status.message().size(); },
                        [](const node::SnapshotOffer& m) {
                          return kMessageOverheadBytes * m.files.size();
                        },
                        [](const node::SnapshotChunkRequest&) { return size_t{0}; },
                        [](const node::SnapshotChunk& m) { return m.data->size(); },
                        [](const node::ContentReport& m) {
                          return sizeof(node::ContentHash) * m.hashes.size();
                        },
                        [](const node::ReseedRequest&) { return size_t{0}; },
                    },
                    message);
}

void EncodeMessage(const node::PeerMessage& message, peer::Message* out) {
  std::visit([out](const auto& kind) { Encode(kind, out); }, message);
}

StatusOr<node::PeerMessage> DecodeMessage(peer::Message* message, NodeId from, NodeId to) {
  switch (message->body_case()) {
    case peer::Message::kForwardedProposal: {
      peer::ForwardedProposal* in = message->mutable_forwarded_proposal();
      return node::ForwardedProposal{
          .id = in->id(),
          .timeout_ms = in->timeout_ms(),
          .command = TakePayload(in->mutable_command()),
          .parent = node::TraceParent::Parse(in->traceparent()).value_or(node::TraceParent())};
    }
    case peer::Message::kProposalReply:
      return Decode(message->mutable_proposal_reply());
    case peer::Message::kReadIndexRequest:
      return node::ReadIndexRequest{.id = message->read_index_request().id()};
    case peer::Message::kReadIndexReply:
      return Decode(message->read_index_reply());
    case peer::Message::kSnapshotOffer:
      return Decode(message->mutable_snapshot_offer(), from, to, Term(message->term()));
    case peer::Message::kSnapshotChunkRequest:
      return Decode(message->snapshot_chunk_request());
    case peer::Message::kSnapshotChunk:
      return Decode(message->mutable_snapshot_chunk());
    case peer::Message::kContentReport:
      return Decode(message->content_report());
    case peer::Message::kReseedRequest: {
      SIS_ASSIGN_OR_RETURN(Index at_least, DecodeIndex(message->reseed_request().at_least()));
      return node::ReseedRequest{at_least};
    }
    default: {
      SIS_ASSIGN_OR_RETURN(raft::MessageBody body, DecodeRaftBody(message));
      return raft::Message{
          .from = from, .to = to, .term = Term(message->term()), .body = std::move(body)};
    }
  }
}

StatusOr<std::vector<node::PeerMessage>> DecodeFrame(peer::Frame* frame, NodeId from, NodeId to) {
  if (frame->has_hello()) return Malformed("a second hello");
  if (frame->messages_size() == 0) return Malformed("a frame without messages");
  std::vector<node::PeerMessage> messages;
  messages.reserve(frame->messages_size());
  for (peer::Message& wire : *frame->mutable_messages()) {
    SIS_ASSIGN_OR_RETURN(node::PeerMessage message, DecodeMessage(&wire, from, to));
    messages.push_back(std::move(message));
  }
  return messages;
}

}  // namespace sisyphus::transport
