// Compaction of the log, and the checkpoints that stand in for what it no longer holds.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted.h"
#include "node/node_impl.h"
#include "node/snapshot_files.h"

namespace sisyphus::node {

namespace {

Status ReplacedBySnapshot() {
  return MakeStatus(StatusCode::kDeadlineExceeded,
                    "this node fell behind and took a snapshot: the write may or may not be in it");
}

}  // namespace

sisyphus::Status Node::Impl::OpenSnapshots() {
  // The log has the snapshot's position by now.
  if (options_.installed_snapshot) {
    SIS_RETURN_IF_ERROR(ForgetIncoming(*options_.file_system, options_.incoming_directory));
  }
  SnapshotSender::Options sending;
  sending.directory = options_.snapshot_directory;
  sending.file_system = options_.file_system;
  sending.state_machine = options_.state_machine;
  sending.transport = options_.transport;
  sending.clock = &options_.executor->clock();
  sending.sent_bytes = &measures_.snapshot_sent_bytes;
  sending.on_sent = [this](NodeId peer, bool delivered) {
    raft_->Post([this, peer, delivered] {
      if (failed_) return;
      core_->SnapshotSent(peer, delivered);
      SchedulePump();
    });
  };
  sender_ = std::make_unique<SnapshotSender>(std::move(sending));
  SnapshotReceiver::Options receiving;
  receiving.incoming = options_.incoming_directory;
  receiving.bytes_per_second = options_.snapshot_bytes_per_second;
  receiving.file_system = options_.file_system;
  receiving.transport = options_.transport;
  receiving.clock = &options_.executor->clock();
  receiving.received_bytes = &measures_.snapshot_received_bytes;
  receiving.actor = snapshot_.get();
  receiving.on_complete = [this](raft::Message request) {
    raft_->Post(
        [this, request = std::move(request)]() mutable { StepReceived(std::move(request)); });
  };
  receiver_ = std::make_unique<SnapshotReceiver>(std::move(receiving));
  return sender_->Open();
}

// Runs `task` on the snapshot actor; an error of it is an error of the disk.
void Node::Impl::SnapshotTask(absl::AnyInvocable<sisyphus::Status()> task) {
  snapshot_->Post([this, task = std::move(task)]() mutable {
    const sisyphus::Status status = task();
    if (!status.ok()) raft_->Post([this, status] { Fatal(status); });
  });
}

// --- Sending ---

void Node::Impl::OfferSnapshot(raft::Message request) {
  const auto wanted = snapshot_at_least_.find(request.to);
  const Index at_least = wanted == snapshot_at_least_.end() ? Index(0) : wanted->second;
  SnapshotTask([this, at_least, request = std::move(request)]() mutable -> sisyphus::Status {
    SIS_ASSIGN_OR_RETURN(SnapshotSender::Checkpoint checkpoint, sender_->Prepare(at_least));
    // Back to the raft actor, which knows the configuration at the checkpoint's position.
    raft_->Post([this, checkpoint = std::move(checkpoint), request = std::move(request)]() mutable {
      const std::optional<Term> term = core_->TermAt(checkpoint.position.index);
      const bool usable = term == checkpoint.position.term;
      // Made before this node itself took a snapshot, which has replaced its log.
      if (!usable) SnapshotTask([this, id = checkpoint.id] { return sender_->Drop(id); });
      if (failed_ || !leading() || core_->term() != request.term || !usable) {
        core_->SnapshotSent(request.to, false);
        SchedulePump();
        return;
      }
      raft::SnapshotMeta& meta = std::get<raft::SnapshotRequest>(request.body).meta;
      meta.last = checkpoint.position;
      meta.membership = core_->MembershipAt(checkpoint.position.index);
      SnapshotTask(
          [this, checkpoint = std::move(checkpoint), request = std::move(request)]() mutable {
            sender_->Offer(checkpoint, std::move(request));
            return OkStatus();
          });
    });
    return OkStatus();
  });
}

void Node::Impl::HandleSnapshotMessage(NodeId from, PeerMessage message) {
  SnapshotTask([this, from, message = std::move(message)]() mutable -> sisyphus::Status {
    if (auto* offer = std::get_if<SnapshotOffer>(&message))
      return receiver_->HandleOffer(from, std::move(*offer));
    if (auto* chunk = std::get_if<SnapshotChunk>(&message))
      return receiver_->HandleChunk(from, *chunk);
    return sender_->HandleRequest(from, std::get<SnapshotChunkRequest>(message));
  });
}

// --- Receiving ---

// Every file is here. The core decides whether the snapshot is still of use.
void Node::Impl::StepReceived(raft::Message request) {
  if (failed_) return;
  core_->Step(std::move(request));
  Pump();
  if (!installing_) SnapshotTask([this] { return receiver_->Discard(); });
}

// What the snapshot stands for is not applied one by one any more. Whether a write of ours is in
// it, nobody can tell.
void Node::Impl::ForgetReplaced() {
  committed_.clear();
  committed_bytes_ = 0;
  while (!waiters_.empty() && waiters_.begin()->first <= installing_->last.index) {
    Answer(std::move(waiters_.extract(waiters_.begin()).mapped()), ReplacedBySnapshot());
  }
}

// The log is reset and META is written: a crash from here on ends in the new state.
void Node::Impl::InstallSnapshot() {
  size_t dropped_bytes = 0;
  for (ApplyJob& job : std::exchange(apply_jobs_, {})) {
    for (const raft::Entry& entry : job.entries) dropped_bytes += entry.size_bytes();
    for (auto& [index, proposal] : job.waiters) Answer(std::move(proposal), ReplacedBySnapshot());
  }
  const sisyphus::Status status = options_.state_machine->Install([this]() -> sisyphus::Status {
    return SwapIn(*options_.file_system, options_.incoming_directory, options_.state_directory);
  });
  const LogPosition now = options_.state_machine->durable();
  raft_->Post([this, status, now, dropped_bytes] {
    applying_bytes_ -= dropped_bytes;
    if (!status.ok()) {
      Fatal(status);
      return;
    }
    SIS_CHECK(installing_ && installing_->last == now,
              "the checkpoint stands where its offer said");
    OnInstalled(*std::exchange(installing_, std::nullopt));
  });
}

void Node::Impl::OnInstalled(const raft::SnapshotMeta& meta) {
  ++snapshots_installed_;
  applied_ = meta.last;
  TrustInstalled(meta.last.index);
  CompleteAppliedReads();
  CompleteChanges();
  SnapshotTask([this]() -> sisyphus::Status {
    SIS_RETURN_IF_ERROR(ForgetIncoming(*options_.file_system, options_.incoming_directory));
    return receiver_->Discard();
  });
  SchedulePump();
}

// --- Compaction ---

// Looks at the log when the state machine has flushed more of it.
void Node::Impl::ConsiderCompaction() {
  const Index durable = options_.state_machine->durable().index;
  const uint64_t bytes = log_bytes_.load();
  if (compacting_ || installing_ || bytes <= options_.log_keep_bytes ||
      durable == compaction_checked_)
    return;
  Index limit = SIS_PLANTED(kDropUnflushedLog) ? applied_.index : std::min(durable, applied_.index);
  if (const std::optional<Index> pinned = sender_->Pinned()) limit = std::min(limit, *pinned);
  if (bytes <= options_.log_max_bytes) {
    for (const raft::PeerProgress& peer : Progress()) {
      if (peer.active) limit = std::min(limit, peer.match);
    }
  }
  // Looked at again on every tick while a peer holds it up, once per flush otherwise.
  if (limit >= durable) compaction_checked_ = durable;
  compacting_ = true;
  log_actor_->Post([this, limit] {
    const Index point = log_->CompactionPoint(limit, options_.log_keep_bytes);
    raft_->Post([this, point] { CompactLog(point); });
  });
}

void Node::Impl::CompactLog(Index point) {
  const std::optional<Term> term = core_->TermAt(point);
  if (failed_ || installing_ || !term || point < core_->status().first) {
    compacting_ = false;
    return;
  }
  const raft::SnapshotMeta base{{point, *term}, core_->MembershipAt(point)};
  log_actor_->Post([this, base] {
    const sisyphus::Status status = log_->Compact(base);
    log_bytes_ = log_->size_bytes();
    raft_->Post([this, status, index = base.last.index] {
      compacting_ = false;
      if (!status.ok()) {
        Fatal(status);
        return;
      }
      core_->LogCompacted(index);
    });
  });
}

}  // namespace sisyphus::node
