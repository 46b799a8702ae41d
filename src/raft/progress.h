// Progress: what a leader knows of one other member, and what it may send to it.
//
//   kProbe      where the logs agree is not known: one append at a time, then paused until an
//               answer or a heartbeat's answer comes.
//   kReplicate  streaming: `next` runs ahead of `match` within a window of bytes and messages.
//   kSnapshot   the log does not reach back far enough: nothing is sent until the snapshot that is
//               on its way has been installed.
#ifndef SISYPHUS_RAFT_PROGRESS_H_
#define SISYPHUS_RAFT_PROGRESS_H_

#include <cstddef>
#include <cstdint>
#include <deque>

#include "base/types.h"
#include "raft/core.h"

namespace sisyphus::raft {

struct Progress {
  NodeId id;
  bool learner = false;
  bool active = false;  // Heard from since the last quorum check.

  Index match;  // Known to be on its disk.
  Index next;   // The next entry to send.
  ProgressState state = ProgressState::kProbe;

  // Nothing but heartbeats is sent, until an answer comes, or one to a heartbeat that was sent
  // after `paused_round`.
  bool paused = false;
  Round paused_round = 0;
  // The peer may have lost something: send an append though there is no entry to send; its refusal
  // tells.
  bool poke = false;

  Index pending_snapshot;
  bool snapshot_delivered = false;
  uint32_t snapshot_ticks = 0;  // Since it was delivered.

  Index sent_commit;  // The newest commit index that it was told.
  Round answered_round = 0;
  Round promised_round = 0;

  struct Inflight {
    Index last;
    size_t bytes = 0;
    Round round = 0;  // The newest round when it was sent.
  };
  std::deque<Inflight> inflight;
  size_t inflight_bytes = 0;

  void BecomeProbe(Index from);
  void BecomeReplicate();
  void BecomeSnapshot(Index snapshot);

  void Pause(Round round);
  void Sent(Index last, size_t bytes, Round round);
  // Everything up to `index` has been answered.
  void Free(Index index);

  PeerProgress Glance() const;
};

}  // namespace sisyphus::raft

#endif  // SISYPHUS_RAFT_PROGRESS_H_
