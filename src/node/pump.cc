// What the core's outputs ask for: messages to send, a write to make durable, entries to apply.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted.h"
#include "node/node_impl.h"
#include "node/snapshot_files.h"

namespace sisyphus::node {

namespace {

// Committed entries that may be on their way to the state machine. The core keeps the rest.
constexpr size_t kApplyBudgetBytes = 16 << 20;
// Moments at which the commit index moved, kept for those who wait.
constexpr size_t kMaxCommitMarks = 4096;
// Handed over at once, so that answers flow while a long backlog is applied.
constexpr size_t kApplyBatchBytes = 1 << 20;
// How long a commit notice waits for an append that would say the same; twice that while notices
// keep coming. Reads at followers do not wait for it: their round's heartbeat has the commit index.
constexpr Duration kNoticeDelay = std::chrono::milliseconds(2);

Status ContentReplaced() {
  return MakeStatus(StatusCode::kDeadlineExceeded,
                    "this node's content is being replaced: what the write did is not known");
}

}  // namespace

// At most one Pump waits in the mailbox, behind the inputs that are there already: it serves them
// all.
void Node::Impl::SchedulePump() {
  if (std::exchange(pump_scheduled_, true)) return;
  raft_->Post([this] { Pump(); });
}

void Node::Impl::Pump() {
  pump_scheduled_ = false;
  if (failed_) return;
  // Connections to new members first: the output may have messages for them. What keeps the index
  // and is another change all the same is seen with the next tick.
  if (core_->membership_index() != membership_seen_) UpdatePeers();
  if (core_->HasOutput()) {
    const size_t under_way = committed_bytes_ + applying_bytes_;
    raft::Output out =
        core_->TakeOutput(kApplyBudgetBytes > under_way ? kApplyBudgetBytes - under_way : 0);
    NoteCommit();
    // Before a peer or a waiting read can learn of a new commit index: a lease read compares with
    // it.
    PublishView();
    if (out.snapshot_to_install) {
      SIS_CHECK(out.write.snapshot == out.snapshot_to_install,
                "a snapshot is installed with the write that names it");
      installing_ = std::move(out.snapshot_to_install);
      installing_write_ = out.write.id;
      ForgetReplaced();
    }
    if (!out.write.empty()) QueueWrite(std::move(out.write));
    for (raft::Entry& entry : out.committed) {
      committed_bytes_ += entry.size_bytes();
      committed_.push_back(std::move(entry));
    }
    // Before anything is sent: to send takes longer than to wake the actors that go on with these.
    HandOverCommitted();
    NoteRounds(out.messages);
    HoldCommitNotices(&out.messages);
    SendMessages(std::move(out.messages));
    for (raft::DiskRead& read : out.disk_reads) QueueDiskRead(std::move(read));
    OnRoleOrLeader();
    for (const raft::ReadState& state : out.reads) ConfirmRead(state);
    for (const uint64_t context : out.lost_reads) RetryLostRead(context);
    ReviewLease(out.lease_round);
  }
  HandOverCommitted();
  PublishView();
}

void Node::Impl::SendMessages(std::vector<raft::Message> messages) {
  Outbox outbox;
  for (raft::Message& message : messages) {
    if (std::holds_alternative<raft::SnapshotRequest>(message.body)) {
      OfferSnapshot(std::move(message));
      continue;
    }
    const NodeId to = message.to;
    outbox[to].emplace_back(std::move(message));
  }
  SendAll(std::move(outbox));
}

// Under load the next append overtakes the notice, which would only wake the follower once more.
void Node::Impl::HoldCommitNotices(std::vector<raft::Message>* messages) {
  std::erase_if(*messages, [this](raft::Message& message) {
    const auto* heartbeat = std::get_if<raft::HeartbeatRequest>(&message.body);
    if (heartbeat != nullptr && heartbeat->round == raft::kNoRound) {
      commit_notices_.insert_or_assign(message.to, std::move(message));
      return notices_changed_ = true;
    }
    if (heartbeat != nullptr || std::holds_alternative<raft::AppendRequest>(message.body)) {
      commit_notices_.erase(message.to);
    }
    return false;
  });
  if (notices_changed_ && !std::exchange(notices_timed_, true)) ReleaseCommitNotices();
}

void Node::Impl::ReleaseCommitNotices() {
  if (std::exchange(notices_changed_, false)) {
    raft_->PostAfter(kNoticeDelay, [this] { ReleaseCommitNotices(); });
    return;
  }
  notices_timed_ = false;
  std::vector<raft::Message> messages;
  for (auto& [to, message] : std::exchange(commit_notices_, {}))
    messages.push_back(std::move(message));
  SendMessages(std::move(messages));
}

void Node::Impl::OnRoleOrLeader() {
  const raft::Role role = core_->role();
  const NodeId leader = core_->leader();
  if (role == last_role_ && leader == last_leader_) return;
  const bool campaigning = role == raft::Role::kPreCandidate || role == raft::Role::kCandidate;
  const bool was_campaigning =
      last_role_ == raft::Role::kPreCandidate || last_role_ == raft::Role::kCandidate;
  if (campaigning && !was_campaigning) {
    measures_.elections[static_cast<size_t>(election_reason_)].Add();
    election_reason_ = ElectionReason::kTimeout;
  }
  if (leader != last_leader_ && leader != kNoNode) {
    ++leader_changes_;
    leader_history_.push_back({leader, core_->term(), Now()});
    if (leader_history_.size() > kLeaderHistory) leader_history_.pop_front();
  }
  const bool deposed = last_role_ == raft::Role::kLeader && role != raft::Role::kLeader;
  if (deposed) DropLease();
  if (deposed && SIS_PLANTED(kRetryLostProposals)) {
    for (auto& [index, lost] : std::exchange(waiters_, {})) open_batch_.push_back(std::move(lost));
  }
  last_role_ = role;
  last_leader_ = leader;
  PublishView();
  PublishStatus();  // Who is told of the change may look at once.
  if (options_.on_change) options_.on_change(View());
  RouteProposals();
  if (leader != kNoNode) AskLeaderForIndex();
  FinishTransfers();
  SchedulePump();
}

// --- The log ---

void Node::Impl::QueueWrite(raft::DiskWrite write) {
  // A snapshot replaces everything: nothing may be applied until it is there.
  if (write.snapshot) {
    entry_writes_.emplace_back(write.id, Index(0));
  } else if (!write.entries.empty()) {
    entry_writes_.emplace_back(write.id, write.entries.front().index);
  }
  const MonotonicTime now = Now();
  {
    MutexLock lock(log_mu_);
    queued_writes_.push_back(std::move(write));
    if (std::exchange(write_scheduled_, true)) return;
    write_queued_ = now;
  }
  log_actor_->Post([this] { WriteQueued(); });
}

// Log actor: one sync for whatever was queued while the last one ran.
void Node::Impl::WriteQueued() {
  std::vector<raft::DiskWrite> writes;
  MonotonicTime queued;
  {
    MutexLock lock(log_mu_);
    queued = write_queued_;
    write_scheduled_ = false;
    writes.swap(queued_writes_);
  }
  sisyphus::Status status = OkStatus();
  for (const raft::DiskWrite& write : writes) {
    // From here on a restart becomes the snapshot, so the log may forget what it replaces.
    if (write.snapshot && status.ok()) {
      status = CommitIncoming(*options_.file_system, options_.incoming_directory, *write.snapshot);
    }
  }
  if (status.ok()) status = log_->Write(writes);
  if (!status.ok()) {
    raft_->Post([this, status] { Fatal(status); });
    return;
  }
  const bool synced = std::any_of(writes.begin(), writes.end(), [](const raft::DiskWrite& write) {
    return write.hard_state || write.snapshot || !write.entries.empty();
  });
  if (synced) {
    ++log_syncs_;
    measures_.append.Record(Now() - queued - measures_.log.last_sync);
  }
  log_bytes_ = log_->size_bytes();
  std::vector<uint64_t> ids;
  std::vector<raft::Message> messages;
  for (raft::DiskWrite& write : writes) {
    ids.push_back(write.id);
    std::move(write.messages.begin(), write.messages.end(), std::back_inserter(messages));
  }
  SendMessages(std::move(messages));
  raft_->RunOrPost([this, ids = std::move(ids)] { OnPersisted(ids); });
}

void Node::Impl::OnPersisted(const std::vector<uint64_t>& write_ids) {
  if (failed_) return;
  for (const uint64_t id : write_ids) {
    core_->Persisted(id);
    if (!entry_writes_.empty() && entry_writes_.front().first == id) entry_writes_.pop_front();
    if (installing_ && id == installing_write_) apply_->Post([this] { InstallSnapshot(); });
  }
  RouteProposals();
  SchedulePump();
}

// Entries that a follower lacks and memory no longer has. Read beside the log actor, so that syncs
// do not wait.
void Node::Impl::QueueDiskRead(raft::DiskRead read) {
  log_actor_->Post([this, read = std::move(read)]() mutable {
    StatusOr<std::vector<wal::RecordLocation>> where =
        log_->Locate(read.first, read.last, read.max_bytes);
    if (!where.ok()) return;  // Compacted meanwhile: the core finds out and sends a snapshot.
    log_reader_->Post([this, first = read.first, where = *std::move(where),
                       request = std::move(read.request)]() mutable {
      StatusOr<std::vector<raft::Entry>> entries = log_->ReadEntries(where);
      if (!entries.ok()) {
        OnReadFailed(first, entries.status());
        return;
      }
      std::get<raft::AppendRequest>(request.body).entries = *std::move(entries);
      const NodeId to = request.to;
      std::vector<PeerMessage> messages;
      messages.emplace_back(std::move(request));
      options_.transport->Send(to, std::move(messages));
    });
  });
}

// Compaction may have dropped the segment between finding the entries and reading them.
void Node::Impl::OnReadFailed(Index first, const sisyphus::Status& status) {
  log_actor_->Post([this, first, status] {
    const bool dropped = !log_->Locate(first, first, /*max_bytes=*/0).ok();
    if (dropped && !SIS_PLANTED(kDroppedReadIsFatal)) return;
    raft_->Post([this, status] { Fatal(status); });
  });
}

// --- Applying ---

// An entry is applied only once it is on this replica's own disk too, so that the log never ends
// before the tables do.
bool Node::Impl::OnOwnDisk(Index index) const {
  return std::none_of(entry_writes_.begin(), entry_writes_.end(),
                      [&](const auto& write) { return write.second <= index; });
}

void Node::Impl::HandOverCommitted() {
  while (!committed_.empty() && OnOwnDisk(committed_.front().index)) {
    ApplyJob job;
    size_t bytes = 0;
    while (!committed_.empty() && bytes < kApplyBatchBytes && OnOwnDisk(committed_.front().index)) {
      bytes += committed_.front().size_bytes();
      job.entries.push_back(std::move(committed_.front()));
      committed_.pop_front();
    }
    const Index last = job.entries.back().index;
    const MonotonicTime now = Now();
    job.handed_over = now;
    size_t i = 0;
    while (!waiters_.empty() && waiters_.begin()->first <= last) {
      auto waiter = waiters_.extract(waiters_.begin());
      while (i < job.entries.size() && job.entries[i].index < waiter.key()) ++i;
      const bool same =
          i < job.entries.size() && job.entries[i].index == waiter.key() &&
          (job.entries[i].term == waiter.mapped().term || SIS_PLANTED(kWaiterByIndex));
      if (same) {
        NoteHandOver(waiter.key(), now, &waiter.mapped());
        job.waiters.insert(std::move(waiter));
      } else {
        Answer(std::move(waiter.mapped()),
               MakeStatus(StatusCode::kAborted,
                          "another leader's entry took the place of this write"));
      }
    }
    committed_bytes_ -= bytes;
    applying_bytes_ += bytes;
    apply_->Post([this, job = std::move(job)]() mutable {
      apply_jobs_.push_back(std::move(job));
      ApplyQueued();
    });
  }
}

void Node::Impl::NoteCommit() {
  const Index commit = core_->commit();
  if (waiters_.empty() || commit < waiters_.begin()->first) return;
  if (!commit_marks_.empty() && commit_marks_.back().first >= commit) return;
  // While nothing is applied the marks become fewer, and less exact.
  if (commit_marks_.size() >= kMaxCommitMarks) commit_marks_.pop_back();
  commit_marks_.emplace_back(commit, Now());
}

// An entry of a waiter goes to the apply actor: it was committed when the first mark at or behind
// it was made.
void Node::Impl::NoteHandOver(Index index, MonotonicTime now, Proposal* waiter) {
  while (!commit_marks_.empty() && commit_marks_.front().first < index) commit_marks_.pop_front();
  waiter->committed = commit_marks_.empty() ? now : commit_marks_.front().second;
  measures_.replicate.Record(waiter->committed - waiter->proposed);
  measures_.commit.Record(now - waiter->committed);
}

// Apply actor. Runs again when the state machine says that it is ready.
void Node::Impl::ApplyQueued() {
  if (SIS_PLANTED(kSkipStalledEntries) && !options_.state_machine->ReadyToApply())
    apply_jobs_.clear();
  while (!apply_failed_ && !apply_jobs_.empty() && options_.state_machine->ReadyToApply()) {
    ApplyJob job = std::move(apply_jobs_.front());
    apply_jobs_.pop_front();
    const sisyphus::Status status = ApplyOne(std::move(job));
    if (!status.ok()) {
      apply_failed_ = true;  // What follows must not be applied over the gap.
      raft_->Post([this, status] { Fatal(status); });
    }
  }
}

sisyphus::Status Node::Impl::ApplyOne(ApplyJob job) {
  std::vector<Command> commands;
  commands.reserve(job.entries.size());
  size_t bytes = 0;
  for (const raft::Entry& entry : job.entries) {
    bytes += entry.size_bytes();
    const bool is_command = entry.type == raft::EntryType::kCommand;
    commands.push_back({{entry.index, entry.term},
                        is_command ? std::string_view(*entry.payload) : std::string_view()});
  }
  std::vector<std::string> results;
  results.reserve(commands.size());
  SIS_RETURN_IF_ERROR(options_.state_machine->Apply(commands, &results));
  SIS_CHECK(results.size() == commands.size(), "one result for each command");
  const LogPosition last = commands.back().position;
  const MonotonicTime now = Now();
  measures_.apply.Record(now - job.handed_over, commands.size());
  Outbox replies;
  for (auto& [index, proposal] : job.waiters) {
    const size_t i = index - commands.front().position.index;
    StatusOr<ProposalResult> result = ProposalResult{commands[i].position, std::move(results[i])};
    // Committed, but what it did here is not what it did elsewhere.
    if (distrusted()) result = ContentReplaced();
    const StageTimes stages{.queue = proposal.proposed - proposal.arrived,
                            .replicate = proposal.committed - proposal.proposed,
                            .commit = job.handed_over - proposal.committed,
                            .apply = now - job.handed_over};
    const NodeId origin = proposal.origin;
    std::optional<ProposalReply> reply =
        Finish(std::move(proposal), stages, now, std::move(result));
    if (reply) replies[origin].emplace_back(*std::move(reply));
  }
  SendAll(std::move(replies));
  raft_->RunOrPost([this, last, bytes] { OnApplied(last, bytes); });
  return OkStatus();
}

void Node::Impl::OnApplied(LogPosition last, size_t bytes) {
  applied_ = last;
  applying_bytes_ -= bytes;
  if (failed_) return;
  core_->Applied(last.index);
  CompleteAppliedReads();
  CompleteChanges();
  SchedulePump();
}

}  // namespace sisyphus::node
