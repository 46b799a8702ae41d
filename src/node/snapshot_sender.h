// SnapshotSender: serves checkpoints of this leader's state to followers that are behind its log.
//
// A follower is offered a list of files and pulls them, chunk by chunk: so it sets the pace, asks
// again for what was lost, and skips what it has. One checkpoint serves every follower that needs
// one at about the same time. It is deleted when nobody has asked for a chunk for a while; the log
// behind it is kept until then (Pinned). Threads: everything on the snapshot actor, but Pinned from
// any thread.
#ifndef SISYPHUS_NODE_SNAPSHOT_SENDER_H_
#define SISYPHUS_NODE_SNAPSHOT_SENDER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/file_system.h"
#include "base/measures.h"
#include "base/status.h"
#include "base/types.h"
#include "node/state_machine.h"
#include "node/transport.h"

namespace sisyphus::node {

class SnapshotSender {
 public:
  struct Options {
    std::string directory;  // Where checkpoints stand; emptied by Open. Same file system as the
                            // state machine's.
    FileSystem* file_system = nullptr;
    StateMachine* state_machine = nullptr;
    Transport* transport = nullptr;
    Clock* clock = nullptr;
    Counter* sent_bytes = nullptr;  // Of files. Not owned.
    // A checkpoint nobody asks for is deleted after this; a follower that has not asked for as long
    // has failed.
    Duration idle_limit = std::chrono::seconds(10);
    // `peer` has pulled everything, or has stopped to.
    std::function<void(NodeId peer, bool delivered)> on_sent;
  };

  explicit SnapshotSender(Options options) : options_(std::move(options)) {}

  Status Open();

  // Offers a checkpoint in answer to the core's `request` for its receiver. The offer says the
  // checkpoint's own position, which is at or before the request's: `membership_at` answers the
  // configuration there. An error is one of the disk or of the state machine.
  struct Checkpoint {
    uint64_t id = 0;
    LogPosition position;
    std::vector<SnapshotFile> files;
  };
  // One that stands before `at_least` is not used, if the state machine is further than it.
  StatusOr<Checkpoint> Prepare(Index at_least = Index(0));
  void Offer(const Checkpoint& checkpoint, raft::Message request);

  // The checkpoint `id` is of no use to anybody: the log of this node no longer reaches back to it.
  // The next Prepare makes another one.
  Status Drop(uint64_t id);

  Status HandleRequest(NodeId from, const SnapshotChunkRequest& request);

  // Once in a while: gives up on followers and deletes checkpoints that nobody asks for.
  Status Expire();

  // Entries behind this index are still needed by a checkpoint under way.
  std::optional<Index> Pinned() const;

 private:
  struct Held {
    Checkpoint checkpoint;
    std::string path;
    MonotonicTime last_used;
    std::map<NodeId, MonotonicTime> receivers;
  };

  StatusOr<std::vector<SnapshotFile>> ListFiles(const std::string& path);
  void Pin();
  Status DeleteHeld();
  SnapshotChunk ReadChunk(const Held& held, const SnapshotChunkRequest& request);

  const Options options_;
  uint64_t last_id_ = 0;
  std::optional<Held> held_;
  std::atomic<uint64_t> pinned_{0};  // 0: nothing.
};

}  // namespace sisyphus::node

#endif  // SISYPHUS_NODE_SNAPSHOT_SENDER_H_
