// Linearizable reads: batches that share a read-index round, at the leader or through it; the
// leader's lease; and how old the local state may be.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted.h"
#include "node/node_impl.h"

namespace sisyphus::node {

namespace {

// Two looks at how old the state may be that are further apart begin anew.
constexpr uint64_t kFreshTicks = 200;

Status NoLeader() { return MakeStatus(StatusCode::kUnavailable, "no leader is known"); }

}  // namespace

void Node::Impl::ReadIndex(MonotonicTime deadline, ReadCallback done) {
  TakeRead({.deadline = deadline, .done = std::move(done)});
}

void Node::Impl::WaitApplied(Index index, MonotonicTime deadline, ReadCallback done) {
  TakeRead({.deadline = deadline, .done = std::move(done), .index = index});
}

void Node::Impl::TakeRead(PendingRead read) {
  if (pending_reads_.fetch_add(1) >= options_.max_pending_reads) {
    --pending_reads_;
    measures_.refused_reads.AddShared();
    read.done(MakeStatus(StatusCode::kResourceExhausted, "too many reads are waiting"));
    return;
  }
  bool wake = false;
  {
    MutexLock lock(intake_mu_);
    if (!stopped_) {
      intake_reads_.push_back(std::move(read));
      wake = !std::exchange(intake_scheduled_, true);
      if (!wake) return;
    }
  }
  if (wake) {
    raft_->RunOrPost([this] { DrainIntake(); });
  } else {
    --pending_reads_;
    read.done(MakeStatus(StatusCode::kUnavailable, "this node is shutting down"));
  }
}

void Node::Impl::RouteReads(std::vector<PendingRead> reads) {
  for (const PendingRead& read : reads)
    earliest_read_deadline_ = std::min(earliest_read_deadline_, read.deadline);
  const auto unconfirmed = std::stable_partition(
      reads.begin(), reads.end(), [](const PendingRead& read) { return read.index.has_value(); });
  if (unconfirmed != reads.begin()) {
    for (auto read = reads.begin(); read != unconfirmed; ++read)
      reads_to_apply_.emplace(*read->index, std::move(*read));
    reads.erase(reads.begin(), unconfirmed);
    CompleteAppliedReads();
    if (reads.empty()) return;
  }
  if (failed_ || core_->leader() == kNoNode) {
    FinishReads(std::move(reads), NoLeader());
  } else if (leading()) {
    StartRound({std::move(reads), kNoNode, 0});
  } else if (SIS_PLANTED(kFollowerTrustsItsCommit)) {
    ReadableAt(std::move(reads), core_->commit(), Now());
  } else {
    const bool join = SIS_PLANTED(kReadJoinsOldRequest) && asked_leader_.has_value();
    std::vector<PendingRead>& batch = join ? asked_leader_->second.reads : follower_reads_;
    std::move(reads.begin(), reads.end(), std::back_inserter(batch));
    AskLeaderForIndex();
  }
}

uint64_t Node::Impl::StartRound(ReadBatch batch) {
  const uint64_t context = next_id_++;
  batch.asked_at = Now();
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
  measures_.read_index.Record(Now() - batch.asked_at);
  if (batch.origin == kNoNode) {
    ReadableAt(std::move(batch.reads), state.index, batch.asked_at);
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
    measures_.read_index.Record(Now() - asked_at_);
    ReadableAt(std::move(reads), reply.index, asked_at_);
  } else if (reply.status.code() == StatusCode::kUnavailable && core_->leader() != asked_whom_) {
    RouteReads(std::move(reads));
  } else {
    FinishReads(std::move(reads), reply.status);
  }
  AskLeaderForIndex();
}

// --- Waiting for the state machine ---

// `index` is the leader's answer to a question that was asked at `as_of`.
void Node::Impl::ReadableAt(std::vector<PendingRead> reads, Index index, MonotonicTime as_of) {
  for (PendingRead& read : reads) read.as_of = as_of;
  if (applied_.index >= index || SIS_PLANTED(kReadBeforeApplied)) {
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
  for (PendingRead& read : reads) {
    const int64_t as_of = read.as_of.time_since_epoch().count();
    if (status.ok() && as_of > fresh_as_of_ns_.load(std::memory_order_relaxed)) {
      fresh_as_of_ns_.store(as_of, std::memory_order_release);
    }
    read.done(status);
  }
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
  FinishReads(std::exchange(expired, {}),
              MakeStatus(StatusCode::kDeadlineExceeded, "no majority confirmed the read in time"));
  for (auto it = reads_to_apply_.begin(); it != reads_to_apply_.end();) {
    if (it->second.deadline > now) {
      earliest_read_deadline_ = std::min(earliest_read_deadline_, (it++)->second.deadline);
    } else {
      expired.push_back(std::move(it->second));
      it = reads_to_apply_.erase(it);
    }
  }
  FinishReads(std::move(expired), MakeStatus(StatusCode::kDeadlineExceeded,
                                             "this node has not applied what the read waits for"));
}

// --- The age of the local state ---
//
// No clocks of two machines are compared. A node asks for a read index (thesis 6.4) at a time T of
// its own clock. The index that it is told was the leader's commit index later than that, confirmed
// by a majority, so it covers whatever was committed by T, also by another leader. Once it is
// applied here, the local state at a time t is at most t - T old, whoever leads by then: a proof
// speaks of the past and never expires, it only ages.

// Any thread.
MonotonicTime Node::Impl::FreshAsOf() {
  fresh_asked_.store(true, std::memory_order_relaxed);
  return MonotonicTime(Duration(fresh_as_of_ns_.load(std::memory_order_acquire)));
}

// While somebody asks, with every heartbeat interval: so a bound of a few intervals holds without
// waiting, and the cost does not depend on the number of reads.
void Node::Impl::KeepFresh() {
  if (fresh_asked_.exchange(false)) fresh_until_tick_ = tick_ + kFreshTicks;
  if (tick_ >= fresh_until_tick_ || tick_ % options_.heartbeat_ticks != 0 || refreshing_) return;
  refreshing_ = true;
  ++pending_reads_;
  std::vector<PendingRead> own;
  own.push_back({.deadline = Now() + options_.tick * options_.election_ticks,
                 .done = [this](const sisyphus::Status&) { refreshing_ = false; }});
  RouteReads(std::move(own));
}

// --- The lease (thesis 6.4.1, made safe against early elections by promises: raft/types.h,
// HeartbeatRequest::lease) ---

// Any thread. This is the read index of thesis 6.4 with the lease in the place of the round of
// heartbeats, and it is right for the same reason. Let a read begin at b; here, later, the commit
// index c is noted and the lease is checked. If the lease holds, nobody else has led up to the
// check, so whatever anybody was told before b was committed by this leader or before its term; and
// this leader publishes its commit index before it applies or tells anybody of it, so c covers
// that. A state that has applied c therefore answers a read that began at b, however long after the
// check it is read: a pause in between delays the answer, it makes it no older than b. A pause
// before the check makes the lease too old. What the check compares is the clock, after the limit
// was loaded, so a pause between the two is safe too.
std::optional<Index> Node::Impl::LeaseIndex() {
  lease_asked_.store(true, std::memory_order_relaxed);
  const Index commit(view_commit_.load(std::memory_order_acquire));
  const int64_t until = lease_until_ns_.load(std::memory_order_acquire);
  const bool over = Now().time_since_epoch().count() >= until && !SIS_PLANTED(kLeaseWithoutEnd);
  if (until == 0 || distrusted() || over) return std::nullopt;
  return commit;
}

// When each round of heartbeats left: taken before they are sent, so the lease errs on the safe
// side.
void Node::Impl::NoteRounds(const std::vector<raft::Message>& messages) {
  if (round_term_ != core_->term()) {
    round_term_ = core_->term();
    round_times_.clear();
    round_noted_ = raft::kNoRound;
  }
  for (const raft::Message& message : messages) {
    const auto* heartbeat = std::get_if<raft::HeartbeatRequest>(&message.body);
    if (heartbeat == nullptr || heartbeat->round == raft::kNoRound) continue;
    if (heartbeat->round > round_noted_) {
      round_noted_ = heartbeat->round;
      round_trips_.Sent(round_term_, heartbeat->round, Now());
    }
    if (!heartbeat->lease) continue;
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
