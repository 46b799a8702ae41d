// Snapshots in place of a log that is gone, and its compaction (thesis 5).
#include <algorithm>

#include "base/check.h"
#include "raft/core_impl.h"

namespace sisyphus::raft {

bool Core::Impl::SendSnapshot(Progress& peer) {
  // A peer that does not speak gets no snapshot: it could not answer.
  if (!peer.active || !state_trusted_) return false;
  const Index index = std::min(applied_, log_.last_index());
  const std::optional<Term> term = log_.TermAt(index);
  SIS_CHECK(term.has_value(), "the applied entry is behind the base");
  peer.BecomeSnapshot(index);
  Send(peer.id, SnapshotRequest{{{index, *term}, MembershipAtIndex(index).membership}});
  return false;
}

void Core::Impl::SendSnapshotTo(NodeId id) {
  auto it = progress_.find(id);
  if (role_ != Role::kLeader || it == progress_.end()) return;
  if (applied_ == Index(0)) return;  // There is nothing to send.
  if (it->second.state != ProgressState::kSnapshot) SendSnapshot(it->second);
}

void Core::Impl::SnapshotSent(NodeId id, bool delivered) {
  auto it = progress_.find(id);
  if (role_ != Role::kLeader || it == progress_.end()) return;
  Progress& peer = it->second;
  if (peer.state != ProgressState::kSnapshot) return;
  if (delivered) {
    peer.snapshot_delivered = true;
    peer.snapshot_ticks = 0;
    return;
  }
  peer.BecomeProbe(peer.match.Next());
  peer.Pause(round_);
}

void Core::Impl::HandleSnapshotRequest(NodeId from, const SnapshotRequest& request) {
  const SnapshotMeta& meta = request.meta;
  const bool replaces_state =
      !state_trusted_ && meta.last.index >= handed_out_ && !snapshot_to_write_;
  if (replaces_state && log_.Holds(meta.last)) {
    // Others count on this log: it stays. What was handed out is within the snapshot, so nothing is
    // applied twice.
    CommitTo(meta.last.index);
    snapshot_to_write_ = meta;
    keep_log_ = true;
    InstallState(meta);
    SendAfterWrite(from, SnapshotReply{commit_});
    return;
  }
  if (meta.last.index <= commit_) {
    SendAfterWrite(from, SnapshotReply{commit_});
    return;
  }
  if (log_.Holds(meta.last)) {
    // The log reaches there, and up to there it equals the leader's.
    CommitTo(meta.last.index);
    SendAfterWrite(from, SnapshotReply{meta.last.index});
    return;
  }
  log_.Reset(meta.last);
  memberships_.clear();
  memberships_.push_back({meta.last.index, meta.membership});
  commit_ = meta.last.index;
  persisted_ = Index(0);
  for (Write& write : writes_) write.last = Index(0);
  unwritten_ = meta.last.index.Next();
  snapshot_to_write_ = meta;
  keep_log_ = false;
  // A state machine that is ahead of the snapshot (and of its log, after a crash) stays as it is.
  if (meta.last.index > handed_out_) InstallState(meta);
  SendAfterWrite(from, SnapshotReply{meta.last.index});
}

void Core::Impl::InstallState(const SnapshotMeta& meta) {
  snapshot_to_install_ = meta;
  handed_out_ = meta.last.index;
  applied_ = meta.last.index;
}

void Core::Impl::HandleSnapshotReply(Progress& peer, const SnapshotReply& reply) {
  if (reply.match > log_.last_index()) return;
  const bool advanced = reply.match > peer.match;
  peer.match = std::max(peer.match, reply.match);
  if (peer.state != ProgressState::kReplicate) {
    if (peer.match >= log_.base().index) {
      peer.BecomeReplicate();
    } else {
      peer.BecomeProbe(peer.match.Next());
    }
  }
  appends_due_ = true;
  if (advanced) MaybeCommit();
}

void Core::Impl::LogCompacted(Index index) {
  SIS_CHECK(index <= applied_, "compaction beyond what is applied");
  // What is not on the own disk yet is still to be written.
  index = std::min({index, persisted_, commit_});
  if (index <= log_.base().index) return;
  log_.CompactTo(index);
  const Index keep = MembershipAtIndex(index).index;
  std::erase_if(memberships_, [keep](const DatedMembership& at) { return at.index < keep; });
}

}  // namespace sisyphus::raft
