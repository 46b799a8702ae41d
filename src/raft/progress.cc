#include "raft/progress.h"

namespace sisyphus::raft {

void Progress::BecomeProbe(Index from) {
  state = ProgressState::kProbe;
  next = from;
  paused = false;
  poke = false;
  pending_snapshot = Index(0);
  inflight.clear();
  inflight_bytes = 0;
}

void Progress::BecomeReplicate() {
  BecomeProbe(match.Next());
  state = ProgressState::kReplicate;
}

void Progress::BecomeSnapshot(Index snapshot) {
  BecomeProbe(snapshot.Next());
  state = ProgressState::kSnapshot;
  pending_snapshot = snapshot;
  snapshot_delivered = false;
  snapshot_ticks = 0;
}

void Progress::Pause(Round round) {
  paused = true;
  paused_round = round;
}

void Progress::Sent(Index last, size_t bytes, Round round) {
  inflight.push_back({last, bytes, round});
  inflight_bytes += bytes;
  next = last.Next();
}

void Progress::Free(Index index) {
  while (!inflight.empty() && inflight.front().last <= index) {
    inflight_bytes -= inflight.front().bytes;
    inflight.pop_front();
  }
}

PeerProgress Progress::Glance() const {
  PeerProgress glance;
  glance.id = id;
  glance.match = match;
  glance.next = next;
  glance.state = state;
  glance.learner = learner;
  glance.active = active;
  glance.paused = paused || state == ProgressState::kSnapshot;
  glance.pending_snapshot = pending_snapshot;
  glance.inflight_bytes = inflight_bytes;
  glance.inflight_messages = inflight.size();
  return glance;
}

}  // namespace sisyphus::raft
