#include "raft/core_impl.h"

#include <algorithm>
#include <iterator>
#include <variant>

#include "base/check.h"
#include "base/planted.h"

namespace sisyphus::raft {
namespace {

// With no entry in memory the log ends where the state machine stands: whatever lies behind that
// must be given in `entries`.
Index LastOnDisk(const RestoredState& restored) {
  if (!restored.entries.empty()) return restored.entries.front().index.Previous();
  if (restored.term_runs.empty()) return restored.base.last.index;
  return std::max({restored.base.last.index, restored.term_runs.back().index, restored.applied});
}

LogView RestoreLog(RestoredState* restored) {
  return LogView(restored->base.last, restored->term_runs, LastOnDisk(*restored),
                 restored->entries);
}

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

}  // namespace

Core::Impl::Impl(const Config& config, Rng rng, RestoredState restored)
    : config_(config),
      rng_(rng),
      term_(restored.hard_state.term),
      vote_(restored.hard_state.vote),
      log_(RestoreLog(&restored)),
      applied_(std::max(restored.applied, restored.base.last.index)) {
  SIS_CHECK(config.id != kNoNode, "a replica needs an id");
  SIS_CHECK(config.heartbeat_ticks > 0 && config.election_ticks > config.heartbeat_ticks,
            "the election timeout must exceed the heartbeat interval");
  memberships_.push_back({restored.base.last.index, restored.base.membership});
  for (DatedMembership& at : restored.memberships) {
    if (at.index > membership_index()) memberships_.push_back(std::move(at));
  }
  for (const Entry& entry : restored.entries) {
    if (entry.type != EntryType::kMembership || entry.index <= membership_index()) continue;
    StatusOr<Membership> decoded = DecodeMembership(*entry.payload);
    SIS_CHECK(decoded.ok(), "a membership entry in the log cannot be read");
    memberships_.push_back({entry.index, *std::move(decoded)});
  }
  // A write that a crash cut short can leave entries whose term did not get to the disk: nobody was
  // told of that term, and no vote was given in it.
  if (log_.last_index() > log_.base().index && log_.last().term > term_) {
    term_ = log_.last().term;
    vote_ = kNoNode;
  }
  // The state machine may be ahead of the log: a committed entry can be applied before it is on the
  // own disk. The leader sends those entries again; they are not applied again.
  commit_ = std::min(std::max(restored.hard_state.commit, applied_), log_.last_index());
  handed_out_ = applied_;
  persisted_ = log_.last_index();
  unwritten_ = log_.last_index().Next();
  written_ = durable_ = restored.hard_state;
  ResetElectionTimer();
  if (config_.promise_after_restart && term_ > Term(0) && !OnlyVoter()) GivePromise();
}

void Core::Impl::Send(NodeId to, MessageBody body) {
  // A term (and the vote in it) may be promised to others only when a crash cannot take it back.
  if (durable_.term != term_) {
    SendAfterWrite(to, std::move(body));
  } else {
    messages_.push_back({config_.id, to, term_, std::move(body)});
  }
}

void Core::Impl::SendAfterWrite(NodeId to, MessageBody body) {
  messages_after_write_.push_back({config_.id, to, term_, std::move(body)});
}

bool Core::Impl::WellFormed(const Message& message) const {
  if (message.to != config_.id || message.from == config_.id || message.from == kNoNode) {
    return false;
  }
  const auto* request = std::get_if<AppendRequest>(&message.body);
  if (request == nullptr) return true;
  LogPosition before = request->previous;
  for (const Entry& entry : request->entries) {
    if (entry.index != before.index.Next() || entry.term < before.term) return false;
    if (entry.term > message.term || entry.payload == nullptr) return false;
    if (entry.type == EntryType::kMembership && !DecodeMembership(*entry.payload).ok()) {
      return false;
    }
    before = {entry.index, entry.term};
  }
  return true;
}

void Core::Impl::Step(Message message) {
  if (!WellFormed(message) || !MeetTerm(message)) return;
  Dispatch(message);
}

bool Core::Impl::MeetTerm(const Message& message) {
  if (message.term == term_) return true;
  const auto* request = std::get_if<VoteRequest>(&message.body);
  const auto* reply = std::get_if<VoteReply>(&message.body);
  if (message.term < term_) {
    // A refusal of a pre-vote may come from a replica that is behind; it counts all the same.
    if (reply != nullptr && reply->pre && !reply->granted) return true;
    AnswerStaleTerm(message);
    return false;
  }
  if (request != nullptr) {
    // A pre-vote changes nothing here (thesis 9.6); a vote does not either while a leader is known
    // to live, so that a removed or cut-off replica disturbs nobody (thesis 4.2.3).
    if (request->pre) return true;
    if (BoundToLeader() && !request->leader_transfer) return false;
  }
  if (reply != nullptr && reply->pre && reply->granted) return false;
  const bool from_leader = std::holds_alternative<AppendRequest>(message.body) ||
                           std::holds_alternative<HeartbeatRequest>(message.body) ||
                           std::holds_alternative<SnapshotRequest>(message.body);
  BecomeFollower(message.term, from_leader ? message.from : kNoNode);
  return true;
}

void Core::Impl::AnswerStaleTerm(const Message& message) {
  // The sender steps down when it sees the envelope's term (thesis 3.3).
  if (const auto* vote = std::get_if<VoteRequest>(&message.body)) {
    Send(message.from, VoteReply{.pre = vote->pre, .granted = false});
  } else if (const auto* append = std::get_if<AppendRequest>(&message.body)) {
    Send(message.from,
         AppendReply{.rejected = true, .match = append->previous.index, .hint = log_.base()});
  } else if (std::holds_alternative<HeartbeatRequest>(message.body)) {
    Send(message.from, HeartbeatReply{});
  } else if (const auto* snapshot = std::get_if<SnapshotRequest>(&message.body)) {
    Send(message.from,
         AppendReply{.rejected = true, .match = snapshot->meta.last.index, .hint = log_.base()});
  }
}

void Core::Impl::HeardFromLeader(NodeId from) {
  SIS_CHECK(role_ != Role::kLeader, "two leaders in one term");
  if (role_ != Role::kFollower || leader_ != from) BecomeFollower(term_, from);
  election_elapsed_ = 0;
}

void Core::Impl::Dispatch(Message& message) {
  const NodeId from = message.from;
  Progress* peer = nullptr;
  if (role_ == Role::kLeader && message.term == term_) {
    if (auto it = progress_.find(from); it != progress_.end()) {
      peer = &it->second;
      peer->active = true;
    }
  }
  std::visit(Overloaded{
                 [&](const VoteRequest& body) { HandleVoteRequest(from, message.term, body); },
                 [&](const VoteReply& body) { HandleVoteReply(from, message.term, body); },
                 [&](AppendRequest& body) {
                   HeardFromLeader(from);
                   HandleAppendRequest(from, body);
                 },
                 [&](const HeartbeatRequest& body) {
                   HeardFromLeader(from);
                   HandleHeartbeatRequest(from, body);
                 },
                 [&](const SnapshotRequest& body) {
                   HeardFromLeader(from);
                   HandleSnapshotRequest(from, body);
                 },
                 [&](const AppendReply& body) {
                   if (peer != nullptr) HandleAppendReply(*peer, body);
                 },
                 [&](const HeartbeatReply& body) {
                   if (peer != nullptr) HandleHeartbeatReply(*peer, body);
                 },
                 [&](const SnapshotReply& body) {
                   if (peer != nullptr) HandleSnapshotReply(*peer, body);
                 },
                 [&](const TimeoutNow&) { HandleTimeoutNow(); },
             },
             message.body);
}

bool Core::Impl::HasWrite() const {
  return snapshot_to_write_ || !messages_after_write_.empty() || unwritten_ <= log_.last_index() ||
         term_ != written_.term || vote_ != written_.vote;
}

bool Core::Impl::HasOutput() const {
  return !messages_.empty() || !disk_reads_.empty() || !reads_confirmed_.empty() ||
         !reads_lost_.empty() || snapshot_to_install_ || appends_due_ ||
         (handed_out_ < commit_ && state_trusted_) || confirmed_round_ != reported_round_ ||
         lease_round_ != reported_lease_round_ || HasWrite() || ReadRoundDue();
}

Output Core::Impl::TakeOutput(size_t apply_budget_bytes) {
  if (ReadRoundDue()) BeginRound();
  if (appends_due_) SendAppends();
  Output output;
  output.messages = std::exchange(messages_, {});
  output.disk_reads = std::exchange(disk_reads_, {});
  TakeWrite(&output);
  output.snapshot_to_install = std::exchange(snapshot_to_install_, std::nullopt);
  TakeCommitted(&output, apply_budget_bytes);
  output.reads = std::exchange(reads_confirmed_, {});
  output.lost_reads = std::exchange(reads_lost_, {});
  output.confirmed_round = reported_round_ = confirmed_round_;
  output.lease_round = reported_lease_round_ = lease_round_;
  return output;
}

void Core::Impl::TakeWrite(Output* output) {
  if (!HasWrite()) return;
  DiskWrite& write = output->write;
  write.snapshot = std::exchange(snapshot_to_write_, std::nullopt);
  write.keep_log = std::exchange(keep_log_, false);
  for (; unwritten_ <= log_.last_index(); ++unwritten_) {
    write.entries.push_back(log_.At(unwritten_));
  }
  const HardState now{term_, vote_, commit_};
  const bool promise_changed = now.term != written_.term || now.vote != written_.vote;
  const bool carries_log = write.snapshot || !write.entries.empty();
  if (promise_changed || (carries_log && now != written_)) write.hard_state = written_ = now;
  if (!write.hard_state && !carries_log && writes_.empty()) {
    // Everything that these messages rest on is on disk already: spare them the way over the disk.
    std::move(messages_after_write_.begin(), messages_after_write_.end(),
              std::back_inserter(output->messages));
    messages_after_write_.clear();
    return;
  }
  write.messages = std::exchange(messages_after_write_, {});
  write.id = ++last_write_id_;
  writes_.push_back({write.id, carries_log ? log_.last_index() : Index(0), write.hard_state});
}

void Core::Impl::TakeCommitted(Output* output, size_t budget_bytes) {
  if (!state_trusted_) return;
  size_t taken = 0;
  const Index end = SIS_PLANTED(kApplyBeforeCommit) ? persisted_ : commit_;
  while (handed_out_ < end && taken < budget_bytes) {
    const Entry& entry = log_.At(handed_out_.Next());
    if (!output->committed.empty() && taken + entry.size_bytes() > budget_bytes) break;
    taken += entry.size_bytes();
    output->committed.push_back(entry);
    ++handed_out_;
  }
}

CoreStatus Core::Impl::status() const {
  CoreStatus status;
  status.id = config_.id;
  status.role = role_;
  status.term = term_;
  status.leader = leader_;
  status.vote = vote_;
  status.commit = commit_;
  status.applied = applied_;
  status.last = log_.last_index();
  status.persisted = persisted_;
  status.first = log_.first();
  status.transferee = transferee_;
  status.membership = membership();
  status.membership_index = membership_index();
  status.uncommitted_bytes = uncommitted_bytes_;
  status.log_memory_bytes = log_.memory_bytes();
  return status;
}

std::vector<PeerProgress> Core::Impl::progress() const {
  std::vector<PeerProgress> all;
  for (const auto& [id, peer] : progress_) all.push_back(peer.Glance());
  return all;
}

}  // namespace sisyphus::raft
