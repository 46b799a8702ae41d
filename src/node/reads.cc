// Linearizable reads: batches that share a read-index round, at the leader or through it; and the
// leader's lease.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "node/node_impl.h"

namespace sisyphus::node {

namespace {

Status NoLeader() { return MakeStatus(StatusCode::kUnavailable, "no leader is known"); }

}  // namespace

// Any thread.
void Node::Impl::ReadIndex(MonotonicTime deadline, ReadCallback done) {
  if (pending_reads_.fetch_add(1) >= options_.max_pending_reads) {
    --pending_reads_;
    done(MakeStatus(StatusCode::kResourceExhausted, "too many reads are waiting"));
    return;
  }
  bool wake = false;
  {
    MutexLock lock(intake_mu_);
    if (!stopped_) {
      intake_reads_.push_back({deadline, std::move(done)});
      wake = !std::exchange(intake_scheduled_, true);
      if (!wake) return;
    }
  }
  if (wake) {
    raft_->Post([this] { DrainIntake(); });
  } else {
    --pending_reads_;
    done(MakeStatus(StatusCode::kUnavailable, "this node is shutting down"));
  }
}

void Node::Impl::RouteReads(std::vector<PendingRead> reads) {
  for (const PendingRead& read : reads)
    earliest_read_deadline_ = std::min(earliest_read_deadline_, read.deadline);
  if (failed_ || core_->leader() == kNoNode) {
    FinishReads(std::move(reads), NoLeader());
  } else if (leading()) {
    StartRound({std::move(reads), kNoNode, 0});
  } else {
    std::move(reads.begin(), reads.end(), std::back_inserter(follower_reads_));
    AskLeaderForIndex();
  }
}

uint64_t Node::Impl::StartRound(ReadBatch batch) {
  const uint64_t context = next_id_++;
  const sisyphus::Status status = core_->ReadIndex(context);
  SIS_CHECK(status.ok(), "a leader takes reads");
  read_batches_.emplace(context, std::move(batch));
  SchedulePump();
  return context;
}

void Node::Impl::ConfirmRead(const raft::ReadState& state) {
  auto it = read_batches_.find(state.context);
  if (it == read_batches_.end()) return;
  ReadBatch batch = std::move(it->second);
  read_batches_.erase(it);
  if (batch.origin == kNoNode) {
    ReadableAt(std::move(batch.reads), state.index);
  } else {
    options_.transport->Send(batch.origin,
                             {ReadIndexReply{batch.origin_id, OkStatus(), state.index}});
  }
}

// Leadership ended before the round did. A read may be asked for again: it changes nothing.
void Node::Impl::RetryLostRead(uint64_t context) {
  auto it = read_batches_.find(context);
  if (it == read_batches_.end()) return;
  ReadBatch batch = std::move(it->second);
  read_batches_.erase(it);
  if (batch.origin == kNoNode) {
    RouteReads(std::move(batch.reads));
  } else {
    options_.transport->Send(batch.origin, {ReadIndexReply{batch.origin_id, NoLeader(), Index()}});
  }
}

// --- A follower's reads: one request to the leader at a time stands for all that wait ---

void Node::Impl::AskLeaderForIndex() {
  if (asked_leader_ || follower_reads_.empty()) return;
  const NodeId leader = core_->leader();
  if (leader == kNoNode || leader == options_.id) {
    RouteReads(std::exchange(follower_reads_, {}));
    return;
  }
  const uint64_t id = next_id_++;
  asked_leader_.emplace(id, ReadBatch{std::exchange(follower_reads_, {}), kNoNode, 0});
  asked_whom_ = leader;
  asked_at_ = Now();
  options_.transport->Send(leader, {ReadIndexRequest{id}});
}

void Node::Impl::HandleReadIndexRequest(NodeId from, ReadIndexRequest request) {
  if (!leading()) {
    options_.transport->Send(from, {ReadIndexReply{request.id, NoLeader(), Index()}});
  } else if (read_batches_.size() >= options_.max_pending_reads) {
    const auto status =
        MakeStatus(StatusCode::kResourceExhausted, "too many reads are waiting at the leader");
    options_.transport->Send(from, {ReadIndexReply{request.id, status, Index()}});
  } else {
    StartRound({{}, from, request.id});
  }
}

void Node::Impl::HandleReadIndexReply(ReadIndexReply reply) {
  if (!asked_leader_ || asked_leader_->first != reply.id) return;  // Given up, and asked again.
  std::vector<PendingRead> reads = std::move(asked_leader_->second.reads);
  asked_leader_.reset();
  if (reply.status.ok()) {
    ReadableAt(std::move(reads), reply.index);
  } else if (reply.status.code() == StatusCode::kUnavailable && core_->leader() != asked_whom_) {
    RouteReads(std::move(reads));
  } else {
    FinishReads(std::move(reads), reply.status);
  }
  AskLeaderForIndex();
}

// --- Waiting for the state machine ---

void Node::Impl::ReadableAt(std::vector<PendingRead> reads, Index index) {
  if (applied_.index >= index) {
    FinishReads(std::move(reads), OkStatus());
    return;
  }
  for (PendingRead& read : reads) reads_to_apply_.emplace(index, std::move(read));
}

void Node::Impl::CompleteAppliedReads() {
  std::vector<PendingRead> ready;
  while (!reads_to_apply_.empty() && reads_to_apply_.begin()->first <= applied_.index) {
    ready.push_back(std::move(reads_to_apply_.begin()->second));
    reads_to_apply_.erase(reads_to_apply_.begin());
  }
  FinishReads(std::move(ready), OkStatus());
}

void Node::Impl::FinishReads(std::vector<PendingRead> reads, const sisyphus::Status& status) {
  pending_reads_ -= reads.size();
  for (PendingRead& read : reads) read.done(status);
}

void Node::Impl::ExpireReads(MonotonicTime now) {
  // The request or its answer may have been lost, or the leader is another one now: ask again.
  const bool late = now - asked_at_ > options_.tick * options_.election_ticks / 2;
  if (asked_leader_ && (late || core_->leader() != asked_whom_)) {
    std::vector<PendingRead> reads = std::move(asked_leader_->second.reads);
    asked_leader_.reset();
    RouteReads(std::move(reads));
  }
  if (now < earliest_read_deadline_) return;
  earliest_read_deadline_ = MonotonicTime::max();
  std::vector<PendingRead> expired;
  const auto expire = [&](std::vector<PendingRead>& reads) {
    auto alive = std::stable_partition(reads.begin(), reads.end(),
                                       [&](const auto& r) { return r.deadline <= now; });
    std::move(reads.begin(), alive, std::back_inserter(expired));
    reads.erase(reads.begin(), alive);
    for (const auto& r : reads)
      earliest_read_deadline_ = std::min(earliest_read_deadline_, r.deadline);
  };
  for (auto& [context, batch] : read_batches_) expire(batch.reads);
  expire(follower_reads_);
  if (asked_leader_) expire(asked_leader_->second.reads);
  for (auto it = reads_to_apply_.begin(); it != reads_to_apply_.end();) {
    if (it->second.deadline > now) {
      earliest_read_deadline_ = std::min(earliest_read_deadline_, (it++)->second.deadline);
    } else {
      expired.push_back(std::move(it->second));
      it = reads_to_apply_.erase(it);
    }
  }
  FinishReads(std::move(expired),
              MakeStatus(StatusCode::kDeadlineExceeded, "no majority confirmed the read in time"));
}

// --- The lease (thesis 6.4.1, made safe against early elections by promises: raft/types.h,
// HeartbeatRequest::lease) ---

// Any thread. The caller has read before it asks: if the lease holds now, nobody else led when it
// read.
bool Node::Impl::LeaseValid() {
  lease_asked_.store(true, std::memory_order_relaxed);
  const int64_t until = lease_until_ns_.load(std::memory_order_acquire);
  return until != 0 && Now().time_since_epoch().count() < until;
}

// When each round of heartbeats left: taken before they are sent, so the lease errs on the safe
// side.
void Node::Impl::NoteRounds(const std::vector<raft::Message>& messages) {
  if (round_term_ != core_->term()) {
    round_term_ = core_->term();
    round_times_.clear();
  }
  for (const raft::Message& message : messages) {
    const auto* heartbeat = std::get_if<raft::HeartbeatRequest>(&message.body);
    if (heartbeat == nullptr || !heartbeat->lease) continue;
    if (round_times_.empty() || round_times_.back().first < heartbeat->round) {
      round_times_.emplace_back(heartbeat->round, Now());
    }
  }
}

void Node::Impl::ReviewLease(raft::Round lease_round) {
  std::optional<MonotonicTime> sent;
  while (!round_times_.empty() && round_times_.front().first <= lease_round) {
    sent = round_times_.front().second;
    round_times_.pop_front();
  }
  // Without an entry of its own term applied, this leader may not yet have what its predecessors
  // acknowledged.
  const bool current =
      leading() && applied_.term == core_->term() && core_->term() != no_lease_term_;
  if (sent && current) {
    lease_until_ns_.store((*sent + lease_duration_).time_since_epoch().count(),
                          std::memory_order_release);
  }
}

void Node::Impl::DropLease() { lease_until_ns_.store(0, std::memory_order_release); }

}  // namespace sisyphus::node
