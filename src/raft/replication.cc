// Replication: proposals, appends and their answers, the commit index, and what the disk and the
// state machine report.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/planted.h"
#include "raft/core_impl.h"

namespace sisyphus::raft {

StatusOr<LogPosition> Core::Impl::Propose(std::span<const Payload> payloads) {
  if (role_ != Role::kLeader) return absl::UnavailableError("not the leader");
  if (transferee_ != kNoNode) return absl::UnavailableError("leadership is being transferred");
  if (!state_trusted_) return absl::UnavailableError("the leader's content is being replaced");
  if (payloads.empty()) return absl::InvalidArgumentError("nothing to propose");
  size_t bytes = 0;
  for (const Payload& payload : payloads) bytes += payload->size() + Entry::kOverheadBytes;
  // One batch always fits, or a large one could never be proposed.
  if (uncommitted_bytes_ > 0 && uncommitted_bytes_ + bytes > config_.max_uncommitted_bytes) {
    return absl::ResourceExhaustedError("too many proposals wait to be committed");
  }
  const LogPosition first{log_.last_index().Next(), term_};
  for (const Payload& payload : payloads) AppendOwn(EntryType::kCommand, payload);
  return first;
}

LogPosition Core::Impl::AppendOwn(EntryType type, Payload payload) {
  Entry entry{log_.last_index().Next(), term_, type, std::move(payload)};
  const LogPosition position{entry.index, entry.term};
  uncommitted_bytes_ += entry.size_bytes();
  log_.Append(std::move(entry));
  appends_due_ = true;
  return position;
}

void Core::Impl::TruncateFrom(Index index) {
  SIS_CHECK(index > commit_, "a committed entry would be truncated");
  log_.TruncateFrom(index);
  const Index last = index.Previous();
  unwritten_ = std::min(unwritten_, index);
  persisted_ = std::min(persisted_, last);
  for (Write& write : writes_) write.last = std::min(write.last, last);
  // A change of membership that is not committed can be lost; the one before holds again.
  while (membership_index() >= index) memberships_.pop_back();
}

void Core::Impl::HandleAppendRequest(NodeId from, AppendRequest& request) {
  if (request.previous.index < commit_) {
    // Old news; whatever is committed here equals the leader's log.
    SendAfterWrite(from, AppendReply{.rejected = false, .match = commit_, .hint = {}});
    return;
  }
  // What is not handed out cannot leave memory, and nothing is handed out now.
  if (!state_trusted_ && log_.memory_bytes() > config_.max_log_memory_bytes) return;
  const bool unchecked =
      SIS_PLANTED(kPreviousTermUnchecked) && request.previous.index <= log_.last_index();
  if (!log_.Holds(request.previous) && !unchecked) {
    SendAfterWrite(from, AppendReply{.rejected = true,
                                     .match = request.previous.index,
                                     .hint = log_.LastWithTermAtMost(request.previous.index,
                                                                     request.previous.term)});
    return;
  }
  const Index match = request.previous.index + request.entries.size();
  for (Entry& entry : request.entries) {
    const std::optional<Term> mine = log_.TermAt(entry.index);
    if (mine == entry.term && !SIS_PLANTED(kTruncateOnDuplicate)) continue;
    if (mine.has_value() && SIS_PLANTED(kKeepConflict)) continue;
    if (mine.has_value()) TruncateFrom(entry.index);
    if (entry.type == EntryType::kMembership) {
      memberships_.push_back({entry.index, *DecodeMembership(*entry.payload)});
    }
    log_.Append(std::move(entry));
  }
  CommitTo(std::min(request.commit, match));
  const AppendReply reply{.rejected = false, .match = match, .hint = {}};
  if (SIS_PLANTED(kAckBeforeSync)) return Send(from, reply);
  SendAfterWrite(from, reply);
}

void Core::Impl::HandleAppendReply(Progress& peer, const AppendReply& reply) {
  if (reply.rejected) {
    HandleRejection(peer, reply);
    return;
  }
  if (reply.match > log_.last_index()) return;  // Nobody can have what this leader never had.
  const bool advanced = reply.match > peer.match;
  peer.match = std::max(peer.match, reply.match);
  peer.next = std::max(peer.next, peer.match.Next());
  peer.Free(reply.match);
  appends_due_ = true;
  switch (peer.state) {
    case ProgressState::kProbe:
      if (reply.match >= peer.match) peer.BecomeReplicate();
      break;
    case ProgressState::kSnapshot:
      if (peer.match >= peer.pending_snapshot) peer.BecomeReplicate();
      break;
    case ProgressState::kReplicate:
      if (advanced) peer.paused = false;
      break;
  }
  const NodeId id = peer.id;
  if (advanced) MaybeCommit();
  // The commit may have ended this leadership, or the peer's membership.
  if (auto it = progress_.find(id); it != progress_.end()) MaybeHandOver(it->second);
}

void Core::Impl::HandleRejection(Progress& peer, const AppendReply& reply) {
  const Index previous = reply.match;
  switch (peer.state) {
    case ProgressState::kSnapshot:
      return;
    case ProgressState::kReplicate:
      if (previous <= peer.match) return;  // An answer from before the match was found.
      peer.BecomeProbe(peer.match.Next());
      break;
    case ProgressState::kProbe: {
      if (previous.Next() != peer.next) return;  // Not to the probe that is out.
      // The hint skips the follower's terms that cannot agree, the search in the own log this
      // leader's: a probe a term at most, not one an entry (thesis 3.5).
      const Index limit =
          std::min(reply.hint.index, previous.value() > 0 ? previous.Previous() : Index(0));
      const Index agreed =
          std::max(log_.LastWithTermAtMost(limit, reply.hint.term).index, peer.match);
      // Behind the base nothing is known: the base is what a probe can ask about, or a snapshot.
      peer.BecomeProbe(limit < log_.base().index ? std::max(limit, peer.match).Next()
                                                 : agreed.Next());
      break;
    }
  }
  appends_due_ = true;
}

void Core::Impl::PeerUnreachable(NodeId id) {
  auto it = progress_.find(id);
  if (role_ != Role::kLeader || it == progress_.end()) return;
  Progress& peer = it->second;
  if (peer.state == ProgressState::kReplicate) peer.BecomeProbe(peer.match.Next());
  // To send at once would fail at once, again and again: the next heartbeat's answer resumes.
  if (peer.state == ProgressState::kProbe) peer.Pause(round_);
}

Index Core::Impl::AcknowledgedBy(NodeId id) const {
  if (id == config_.id) return persisted_;
  auto it = progress_.find(id);
  return it == progress_.end() ? Index(0) : it->second.match;
}

void Core::Impl::MaybeCommit() {
  const Index majority(CommittedValue(membership().voters, membership().outgoing,
                                      [this](NodeId id) { return AcknowledgedBy(id).value(); }));
  // Only entries of the own term are committed by counting; those before come along (thesis 3.6.2,
  // figure 3.7).
  const bool own_term = log_.TermAt(majority) == term_ || SIS_PLANTED(kCountOlderTerms);
  if (majority > commit_ && own_term) CommitTo(majority);
}

void Core::Impl::CommitTo(Index index) {
  if (index <= commit_) return;
  SIS_CHECK(index <= log_.last_index(), "commit beyond the log");
  const Index before = commit_;
  commit_ = index;
  if (role_ != Role::kLeader) return;
  for (Index i = before.Next(); i <= index; ++i) uncommitted_bytes_ -= log_.At(i).size_bytes();
  appends_due_ = true;
  MembershipCommitted();
}

void Core::Impl::SendAppends() {
  appends_due_ = false;
  for (auto& [id, peer] : progress_) SendAppendsTo(peer);
}

void Core::Impl::SendAppendsTo(Progress& peer) {
  while (SendOneAppend(peer)) {
  }
}

bool Core::Impl::SendOneAppend(Progress& peer) {
  const bool poke = std::exchange(peer.poke, false);
  if (peer.state == ProgressState::kSnapshot) {
    // A delivered snapshot whose answer is missing: ask whether the log reaches there by now.
    const std::optional<Term> term = log_.TermAt(peer.pending_snapshot);
    if (!poke || !term) return false;
    Send(peer.id, AppendRequest{{peer.pending_snapshot, *term}, {}, commit_});
    return false;
  }
  if (peer.paused) return false;
  const Index previous = peer.next.Previous();
  const std::optional<Term> previous_term = log_.TermAt(previous);
  if (!previous_term) return SendSnapshot(peer);
  const bool probing = peer.state == ProgressState::kProbe;
  const bool window_full = peer.inflight_bytes >= config_.max_inflight_bytes ||
                           peer.inflight.size() >= config_.max_inflight_messages;
  const bool has_entries = peer.next <= log_.last_index() && (probing || !window_full);
  const bool last_words = last_words_ && peer.sent_commit < commit_ && !window_full;
  if (!has_entries && !probing && !poke && !last_words) {
    SendCommit(peer);
    return false;
  }

  AppendRequest request{{previous, *previous_term}, {}, commit_};
  peer.sent_commit = commit_;
  if (has_entries && peer.next < log_.memory_first()) {
    if (durable_.term != term_) return false;  // A disk read's message cannot wait for a write.
    DiskRead& read = disk_reads_.emplace_back();
    read.request.from = config_.id;
    read.request.to = peer.id;
    read.request.term = term_;
    read.request.body = std::move(request);
    read.first = peer.next;
    read.last = log_.memory_first().Previous();
    read.max_bytes = config_.max_append_bytes;
    peer.Pause(round_);
    return false;
  }
  size_t bytes = 0;
  if (has_entries) request.entries = EntriesFrom(peer.next, &bytes);
  const Index last = previous + request.entries.size();
  Send(peer.id, std::move(request));
  if (probing) {
    peer.Pause(round_);
    return false;
  }
  if (last > previous) peer.Sent(last, bytes, round_);
  return last > previous;
}

// Nothing else goes to the peer that could carry the commit index. No answer is asked for: what is
// lost comes with the next heartbeat.
void Core::Impl::SendCommit(Progress& peer) {
  const Index commit = std::min(commit_, peer.match);
  if (peer.sent_commit >= commit) return;
  peer.sent_commit = commit;
  Send(peer.id, HeartbeatRequest{.commit = commit, .round = kNoRound, .lease = false});
}

std::vector<Entry> Core::Impl::EntriesFrom(Index first, size_t* bytes) const {
  std::vector<Entry> entries;
  for (Index i = first; i <= log_.last_index(); ++i) {
    const Entry& entry = log_.At(i);
    if (!entries.empty() && *bytes + entry.size_bytes() > config_.max_append_bytes) break;
    *bytes += entry.size_bytes();
    entries.push_back(entry);
  }
  return entries;
}

void Core::Impl::Persisted(uint64_t write_id) {
  const bool term_was_volatile = durable_.term != term_;
  while (!writes_.empty() && writes_.front().id <= write_id) {
    const Write& write = writes_.front();
    persisted_ = std::max(persisted_, write.last);
    if (write.hard_state) durable_ = *write.hard_state;
    writes_.pop_front();
  }
  EvictPayloads();
  const bool own_vote = durable_.term == term_ && durable_.vote == config_.id;
  if (role_ == Role::kCandidate && own_vote) RecordVote(config_.id, true);
  // The leader's own disk counts like any other, neither more nor sooner (thesis 10.2.1).
  if (role_ == Role::kLeader) {
    appends_due_ |= term_was_volatile;
    MaybeCommit();
  }
}

void Core::Impl::Applied(Index index) {
  SIS_CHECK(index <= handed_out_, "applied what was not handed out");
  applied_ = std::max(applied_, index);
  EvictPayloads();
}

void Core::Impl::EvictPayloads() {
  const Index limit = std::min({applied_, persisted_, commit_});
  while (log_.memory_bytes() > config_.max_log_memory_bytes && log_.memory_first() <= limit) {
    log_.EvictOldest();
  }
}

}  // namespace sisyphus::raft
