// Elections: who may ask for votes, who may give them, and what becomes of the answers.
#include <algorithm>
#include <variant>

#include "base/check.h"
#include "base/planted.h"
#include "raft/core_impl.h"

namespace sisyphus::raft {

void Core::Impl::ResetElectionTimer() {
  election_elapsed_ = 0;
  // Random, so that split votes are rare (thesis 3.4).
  election_timeout_ =
      config_.election_ticks + static_cast<uint32_t>(rng_.Below(config_.election_ticks));
}

// A voter that the newest configuration removes is still needed until that one is committed: it may
// be the only one whose log is long enough. It does not count its own vote (thesis 4.2.2).
bool Core::Impl::Promotable() const {
  return IsVoter(membership(), config_.id) ||
         (membership_index() > commit_ &&
          IsVoter(MembershipAtIndex(commit_).membership, config_.id));
}

bool Core::Impl::OnlyVoter() const {
  const Membership& now = membership();
  return !now.joint() && now.voters.size() == 1 && now.voters.front() == config_.id;
}

bool Core::Impl::Promised() const {
  return promise_left_ > 0 || (role_ == Role::kLeader && lease_asked_ && !handed_over_);
}

void Core::Impl::GivePromise() {
  // One more than the promise's length: the next tick may be only an instant away.
  promise_left_ = config_.election_ticks + 1;
}

bool Core::Impl::BoundToLeader() const {
  if (Promised()) return true;
  if (!config_.check_quorum || leader_ == kNoNode) return false;
  // A leader that has lost its majority steps down by itself within an election timeout.
  return role_ == Role::kLeader || election_elapsed_ < config_.election_ticks;
}

bool Core::Impl::QuorumActive() const {
  return CountVotes(membership().voters, membership().outgoing,
                    [this](NodeId id) -> std::optional<bool> {
                      if (id == config_.id) return true;
                      auto it = progress_.find(id);
                      return it != progress_.end() && it->second.active;
                    }) == VoteResult::kWon;
}

void Core::Impl::Tick() {
  ++election_elapsed_;
  if (promise_left_ > 0) --promise_left_;
  if (role_ == Role::kLeader) {
    TickLeader();
    return;
  }
  if (!Promotable() || Promised()) return;
  // Whoever has sound content goes first. But nobody else may have a log that is long enough.
  const uint32_t timeout = state_trusted_ ? election_timeout_ : kLastResort * election_timeout_;
  if (election_elapsed_ < timeout && !OnlyVoter()) return;
  ResetElectionTimer();
  StartElection(config_.pre_vote, /*transfer=*/false);
}

void Core::Impl::TickLeader() {
  if (election_elapsed_ >= config_.election_ticks) {
    election_elapsed_ = 0;
    if (config_.check_quorum && !QuorumActive()) {
      BecomeFollower(term_, kNoNode);
      return;
    }
    for (auto& [id, peer] : progress_) peer.active = false;
  }
  if (transferee_ != kNoNode && ++transfer_elapsed_ >= config_.election_ticks) AbortTransfer();
  for (auto& [id, peer] : progress_) {
    // The peer's answer may be lost, or the snapshot may have been lost with its process: after a
    // generous time begin anew.
    if (peer.state == ProgressState::kSnapshot && peer.snapshot_delivered &&
        ++peer.snapshot_ticks >= 10 * config_.election_ticks) {
      peer.BecomeProbe(peer.match.Next());
      appends_due_ = true;
    }
  }
  if (++heartbeat_elapsed_ >= config_.heartbeat_ticks) BeginRound();
}

void Core::Impl::BecomeFollower(Term term, NodeId leader) {
  SIS_CHECK(term >= term_, "terms do not go back");
  if (role_ == Role::kLeader) StopLeading();
  if (term > term_) {
    term_ = term;
    vote_ = kNoNode;
  }
  if (SIS_PLANTED(kForgetVote)) vote_ = kNoNode;
  role_ = Role::kFollower;
  leader_ = leader;
  votes_.clear();
  ResetElectionTimer();
}

void Core::Impl::StopLeading() {
  // It counted on its own promise for its lease like on everyone else's (thesis 6.4.1), unless it
  // gave leadership away itself.
  if (lease_asked_ && !handed_over_) GivePromise();
  LoseReads();
  progress_.clear();
  appends_due_ = false;
  uncommitted_bytes_ = 0;
  transferee_ = kNoNode;
  handed_over_ = false;
  lease_wanted_ = false;
  lease_asked_ = false;
  round_ = lease_asked_round_ = confirmed_round_ = lease_round_ = 0;
}

void Core::Impl::Campaign() {
  if (role_ == Role::kLeader || !Promotable() || Promised() || !state_trusted_) return;
  ResetElectionTimer();
  StartElection(config_.pre_vote, /*transfer=*/false);
}

void Core::Impl::StartElection(bool pre, bool transfer) {
  leader_ = kNoNode;
  votes_.clear();
  if (pre) {
    role_ = Role::kPreCandidate;
  } else {
    role_ = Role::kCandidate;
    // A founding snapshot may be of a later term than any that this replica was in.
    term_ = std::max(term_.Next(), log_.last().term);
    vote_ = config_.id;
    ResetElectionTimer();
  }
  const VoteRequest request{.pre = pre, .leader_transfer = transfer, .last = log_.last()};
  for (NodeId id : MembersOf(membership())) {
    if (id == config_.id || !IsVoter(membership(), id)) continue;
    // A pre-vote promises nothing. A vote request implies the own vote, which must be on disk.
    if (pre) {
      Send(id, request);
    } else {
      SendAfterWrite(id, request);
    }
  }
  // The own vote counts when it is on disk, see Persisted: a sole voter would lead a term that it
  // could forget, and lead it again.
  if (pre) RecordVote(config_.id, true);
}

void Core::Impl::RecordVote(NodeId from, bool granted) {
  votes_.emplace(from, granted);
  const VoteResult result = CountVotes(membership().voters, membership().outgoing,
                                       [this](NodeId id) -> std::optional<bool> {
                                         auto it = votes_.find(id);
                                         if (it == votes_.end()) return std::nullopt;
                                         return it->second;
                                       });
  if (result == VoteResult::kLost) {
    BecomeFollower(term_, kNoNode);
  } else if (result == VoteResult::kWon) {
    if (role_ == Role::kPreCandidate) {
      StartElection(/*pre=*/false, /*transfer=*/false);
    } else {
      BecomeLeader();
    }
  }
}

void Core::Impl::BecomeLeader() {
  role_ = Role::kLeader;
  leader_ = config_.id;
  votes_.clear();
  election_elapsed_ = 0;
  heartbeat_elapsed_ = 0;
  progress_.clear();
  SyncProgress();
  for (auto& [id, peer] : progress_) peer.active = false;
  uncommitted_bytes_ = 0;
  for (Index i = commit_.Next(); i <= log_.last_index(); ++i) {
    uncommitted_bytes_ += log_.At(i).size_bytes();
  }
  // An entry of the own term, whose commit commits all before it (thesis 3.6.2).
  if (SIS_PLANTED(kSkipNoop)) return;
  AppendOwn(EntryType::kNoop, std::make_shared<const std::string>());
}

void Core::Impl::HandleVoteRequest(NodeId from, Term term, const VoteRequest& request) {
  // Here term >= term_; for a vote they are equal.
  const bool bound = BoundToLeader() && !request.leader_transfer;
  const LogPosition mine = log_.last();
  const bool no_shorter = request.last.index >= mine.index || SIS_PLANTED(kVoteForShorterLog);
  const bool up_to_date = request.last.term > mine.term || SIS_PLANTED(kVoteForOldLog) ||
                          (request.last.term == mine.term && no_shorter);
  if (request.pre) {
    const bool granted = !bound && up_to_date;
    if (granted) {
      // In the asker's term, see types.h; it promises nothing, so it need not wait for the disk.
      messages_.push_back({config_.id, from, term, VoteReply{.pre = true, .granted = true}});
    } else {
      Send(from, VoteReply{.pre = true, .granted = false});
    }
    return;
  }
  if (bound) return;
  const bool free_to_vote =
      SIS_PLANTED(kVoteTwice) || vote_ == from || (vote_ == kNoNode && leader_ == kNoNode);
  const bool granted = free_to_vote && up_to_date;
  if (granted) {
    vote_ = from;
    role_ = Role::kFollower;  // A pre-candidate gives its own attempt up.
    votes_.clear();
    ResetElectionTimer();
  }
  const VoteReply reply{.pre = false, .granted = granted};
  if (SIS_PLANTED(kVoteBeforeSync)) return messages_.push_back({config_.id, from, term_, reply});
  SendAfterWrite(from, reply);
}

void Core::Impl::HandleVoteReply(NodeId from, Term term, const VoteReply& reply) {
  const Role asked_as = reply.pre ? Role::kPreCandidate : Role::kCandidate;
  if (role_ != asked_as || (reply.granted && term != term_)) return;
  RecordVote(from, reply.granted);
}

void Core::Impl::HandleTimeoutNow() {
  if (role_ != Role::kFollower || !Promotable() || !state_trusted_) return;
  // No pre-vote: the leader is not dead, it asked (thesis 3.10).
  StartElection(/*pre=*/false, /*transfer=*/true);
}

void Core::Impl::ForgetLeader() {
  if (role_ != Role::kFollower || Promised()) return;
  leader_ = kNoNode;
}

}  // namespace sisyphus::raft
