// Changes of membership, which hold from the moment they are appended (thesis 4), and leadership
// transfer (thesis 3.10).
#include <algorithm>
#include <iterator>

#include "base/check.h"
#include "raft/core_impl.h"

namespace sisyphus::raft {

StatusOr<LogPosition> Core::Impl::ProposeMembership(const MembershipChange& change) {
  if (role_ != Role::kLeader) return absl::UnavailableError("not the leader");
  if (transferee_ != kNoNode) return absl::UnavailableError("leadership is being transferred");
  if (!state_trusted_) return absl::UnavailableError("the leader's content is being replaced");
  if (membership_index() > commit_) {
    return absl::FailedPreconditionError("an earlier membership change is not committed yet");
  }
  // Without this, two leaders could each start from a configuration that the other does not know
  // of, and neither majority need meet the other.
  if (!CommittedInOwnTerm()) {
    return absl::FailedPreconditionError("no entry of the leader's term is committed yet");
  }
  SIS_ASSIGN_OR_RETURN(Membership next, ApplyChange(membership(), change));
  const LogPosition position = AppendOwn(
      EntryType::kMembership, std::make_shared<const std::string>(EncodeMembership(next)));
  memberships_.push_back({position.index, std::move(next)});
  SyncProgress();
  return position;
}

const RestoredState::MembershipAt& Core::Impl::MembershipAtIndex(Index index) const {
  auto it = std::upper_bound(memberships_.begin(), memberships_.end(), index,
                             [](Index i, const DatedMembership& at) { return i < at.index; });
  SIS_CHECK(it != memberships_.begin(), "no membership known that far back");
  return *std::prev(it);
}

void Core::Impl::SyncProgress() {
  std::vector<NodeId> wanted = MembersOf(membership());
  if (membership_index() > commit_) {
    const std::vector<NodeId> before = MembersOf(MembershipAtIndex(commit_).membership);
    wanted.insert(wanted.end(), before.begin(), before.end());
  }
  std::erase_if(progress_, [&wanted](const auto& item) {
    return std::find(wanted.begin(), wanted.end(), item.first) == wanted.end();
  });
  for (NodeId id : wanted) {
    if (id == config_.id) continue;
    auto [it, added] = progress_.try_emplace(id);
    Progress& peer = it->second;
    peer.learner = !IsVoter(membership(), id);
    if (!added) continue;
    peer.id = id;
    // Counted as heard of at first, or a quorum check could come before it had a chance to speak.
    peer.active = true;
    peer.BecomeProbe(log_.last_index().Next());
  }
  if (transferee_ != kNoNode && !IsVoter(membership(), transferee_)) AbortTransfer();
  UpdateRounds();
  appends_due_ = true;
}

void Core::Impl::MembershipCommitted() {
  if (membership_index() > commit_) return;
  const bool removes_peers =
      std::any_of(progress_.begin(), progress_.end(),
                  [this](const auto& item) { return !IsMember(membership(), item.first); });
  const bool removes_self = !IsVoter(membership(), config_.id);
  // Those who leave are told that it is settled; a leader's successors get all that it has.
  last_words_ = removes_peers || removes_self;
  if (last_words_) SendAppends();
  last_words_ = false;
  if (removes_self) {
    BecomeFollower(term_, kNoNode);  // Thesis 4.2.2.
    return;
  }
  if (removes_peers) SyncProgress();
  if (!membership().joint() || !membership().auto_leave || !CommittedInOwnTerm()) return;
  StatusOr<Membership> left = LeaveJoint(membership());
  SIS_CHECK(left.ok(), "a joint configuration can be left");
  const LogPosition position = AppendOwn(
      EntryType::kMembership, std::make_shared<const std::string>(EncodeMembership(*left)));
  memberships_.push_back({position.index, *std::move(left)});
  SyncProgress();
}

Status Core::Impl::TransferLeadership(NodeId to) {
  if (role_ != Role::kLeader) return absl::UnavailableError("not the leader");
  if (to == config_.id) return OkStatus();
  if (to == kNoNode) {
    const Progress* best = nullptr;
    for (const auto& [id, peer] : progress_) {
      if (!std::binary_search(membership().voters.begin(), membership().voters.end(), id)) continue;
      if (best == nullptr ||
          std::pair(peer.active, peer.match) > std::pair(best->active, best->match)) {
        best = &peer;
      }
    }
    if (best != nullptr) to = best->id;
  }
  auto it = progress_.find(to);
  if (it == progress_.end() ||
      !std::binary_search(membership().voters.begin(), membership().voters.end(), to)) {
    return absl::InvalidArgumentError("not a voter");
  }
  if (transferee_ == to) return OkStatus();
  transferee_ = to;
  transfer_elapsed_ = 0;
  MaybeHandOver(it->second);
  return OkStatus();
}

void Core::Impl::MaybeHandOver(const Progress& peer) {
  if (transferee_ != peer.id || peer.match != log_.last_index()) return;
  handed_over_ = true;
  lease_round_ = 0;
  Send(peer.id, TimeoutNow{});
}

void Core::Impl::AbortTransfer() {
  transferee_ = kNoNode;
  transfer_elapsed_ = 0;
}

}  // namespace sisyphus::raft
