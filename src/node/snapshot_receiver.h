// SnapshotReceiver: pulls a checkpoint that a leader offers into INCOMING/db (snapshot_files.h).
//
// One chunk is asked for at a time; a chunk that does not come is asked for again, so a broken
// connection costs only what was under way. Whole files of the same sender are kept across offers
// and restarts. The rate is bounded. Threads: everything on the snapshot actor. An error is one of
// the disk: the process should end.
#ifndef SISYPHUS_NODE_SNAPSHOT_RECEIVER_H_
#define SISYPHUS_NODE_SNAPSHOT_RECEIVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/executor.h"
#include "base/file_system.h"
#include "base/measures.h"
#include "base/status.h"
#include "base/types.h"
#include "node/transport.h"

namespace sisyphus::node {

class SnapshotReceiver {
 public:
  struct Options {
    std::string incoming;
    uint64_t bytes_per_second = 0;  // 0: no bound.
    Duration retry = std::chrono::seconds(1);
    Duration give_up = std::chrono::seconds(10);  // Without a chunk: the sender will offer anew.
    FileSystem* file_system = nullptr;
    Transport* transport = nullptr;
    Clock* clock = nullptr;
    Counter* received_bytes = nullptr;  // Of files. Not owned.
    Actor* actor = nullptr;             // The one that everything runs on.
    // The checkpoint of `request` is complete and synced. It stays until Discard or a swap.
    std::function<void(raft::Message request)> on_complete;
  };

  explicit SnapshotReceiver(Options options) : options_(std::move(options)) {}

  Status HandleOffer(NodeId from, SnapshotOffer offer);
  Status HandleChunk(NodeId from, const SnapshotChunk& chunk);

  // Deletes what was received.
  Status Discard();
  bool receiving() const { return transfer_.has_value(); }

 private:
  struct Transfer {
    NodeId from;
    SnapshotOffer offer;
    size_t file = 0;      // The one being received,
    uint64_t offset = 0;  // and how much of it is there.
    std::unique_ptr<WritableFile> part;
    uint64_t sequence = 0;  // Of the last request, for its retry.
    MonotonicTime last_chunk;
  };

  Status Begin(NodeId from, SnapshotOffer offer);
  Status KeepFilesOf(NodeId from, const SnapshotOffer& offer);
  Status Advance();
  Status FinishFile();
  Status FinishTransfer();
  void Ask(Duration delay);
  void SendRequest();
  std::string PathOf(size_t file) const;

  const Options options_;
  std::optional<Transfer> transfer_;
  uint64_t sequence_ = 0;
  bool complete_ = false;  // Handed over by on_complete: no new transfer until Discard.
};

}  // namespace sisyphus::node

#endif  // SISYPHUS_NODE_SNAPSHOT_RECEIVER_H_
