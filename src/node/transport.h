// Transport: how nodes reach each other. Implemented by src/transport (gRPC streams) and
// tests/support (the simulator's network).
//
// Delivery is at most once; anything may be lost. While a connection lasts, what carries a client's
// bytes and all AppendRequests keep their order, and so do the other messages among themselves,
// which may overtake the former. The Raft core is made for that; forwarded requests are answered
// "outcome unknown" when their answer does not come in time, and are never sent twice.
#ifndef SISYPHUS_NODE_TRANSPORT_H_
#define SISYPHUS_NODE_TRANSPORT_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "base/types.h"
#include "node/operation.h"
#include "node/state_machine.h"
#include "raft/types.h"

namespace sisyphus::node {

// A command that a client gave to a node that does not lead. `id` is the sender's, unique within
// its process.
struct ForwardedProposal {
  uint64_t id = 0;
  uint32_t timeout_ms =
      0;  // What is left of the client's deadline: durations travel, times do not.
  raft::Payload command;
  TraceParent parent = {};
};
struct ProposalReply {
  uint64_t id = 0;
  // OK: applied at `position` with `result`. kUnavailable, kResourceExhausted, kAborted: certainly
  // never applied. kDeadlineExceeded: unknown.
  Status status;
  LogPosition position;
  std::string result;
  StageTimes stages;  // At the leader; whole microseconds travel.
};

// "From which index on may I answer a linearizable read?" One request stands for all reads that
// wait at the sender.
struct ReadIndexRequest {
  uint64_t id = 0;
};
struct ReadIndexReply {
  uint64_t id = 0;
  Status status;
  Index index;
};

// A checkpoint that travels (snapshot_sender.h, snapshot_receiver.h): what is offered, and what the
// receiver pulls of it.
struct SnapshotFile {
  std::string name;
  uint64_t size_bytes = 0;
};
struct SnapshotOffer {
  raft::Message
      request;  // A raft::SnapshotRequest: stepped by the receiver once it has every file.
  uint64_t snapshot_id = 0;
  std::vector<SnapshotFile> files;
};
struct SnapshotChunkRequest {
  uint64_t snapshot_id = 0;
  uint32_t file = 0;  // Of SnapshotOffer::files.
  uint64_t offset = 0;
  uint32_t max_bytes = 0;
  bool done = false;  // Nothing is asked for: the receiver has everything.
};
struct SnapshotChunk {
  uint64_t snapshot_id = 0;
  uint32_t file = 0;
  uint64_t offset = 0;
  raft::Payload data;
  uint64_t checksum = 0;  // XXH3 of `data`.
  Status status;          // kNotFound: the snapshot is gone.
};

// What the sender's content is at the last few indices where all compare; and "send me a snapshot
// that reaches at least this index in place of mine, which is wrong".
struct ContentReport {
  std::vector<ContentHash> hashes;
};
struct ReseedRequest {
  Index at_least;
};

using PeerMessage =
    std::variant<raft::Message, ForwardedProposal, ProposalReply, ReadIndexRequest, ReadIndexReply,
                 SnapshotOffer, SnapshotChunkRequest, SnapshotChunk, ContentReport, ReseedRequest>;

// What a peer says of itself when a connection is made.
struct PeerInfo {
  NodeId id;
  std::string peer_address = {};  // Where it is reached, by its membership; empty: not said.
  std::string http_address;       // Where its clients reach it.
  std::string version;
  bool inbound = false;  // It connected to us; otherwise it accepted our connection.
};

// Implemented by the node. Called from the transport's threads; returns quickly, never blocks.
class TransportHandler {
 public:
  virtual ~TransportHandler() = default;
  virtual void OnMessages(NodeId from, std::vector<PeerMessage> messages) = 0;
  // A stream from `peer` was accepted (or `peer` accepted ours): what it said of itself.
  virtual void OnPeerConnected(const PeerInfo& peer) = 0;
  // The stream that `peer` sends on broke: most often its process is gone.
  virtual void OnPeerDisconnected(NodeId peer) = 0;
  // Something that Send was given for `peer` could not be delivered (no connection, or its window
  // is full).
  virtual void OnSendFailed(NodeId peer) = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;

  // Begins to deliver to `handler`, which must outlive the transport or its Stop.
  virtual Status Start(TransportHandler* handler) = 0;

  // The peers to keep connections to, and where they are; replaces the previous list. Own id
  // excluded.
  // This node itself may be among them: then the peers are told where it is reached.
  virtual void SetPeers(std::vector<raft::Membership::Address> peers) = 0;

  // Queues `messages` for `to`, in order, as one batch. Never blocks. When there is no connection,
  // or more is queued for the peer than its window takes, the messages are dropped and OnSendFailed
  // is called (once until something gets through again).
  virtual void Send(NodeId to, std::vector<PeerMessage> messages) = 0;

  // Delivers nothing more once it returns. Idempotent.
  virtual void Stop() = 0;
};

}  // namespace sisyphus::node

#endif  // SISYPHUS_NODE_TRANSPORT_H_
