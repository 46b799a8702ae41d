// Agreement on content: replicas tell each other hashes of what applying has changed; one that
// differs from the majority stops to serve and to lead, and takes a snapshot in place of its
// tables.
//
// Its log, term and vote are as good as before and stay: the others count on them. Only what it
// applied is not to be trusted. A mark on the disk (snapshot_files.h) makes a restart in the middle
// go on with it.
#include <algorithm>
#include <utility>

#include "node/node_impl.h"
#include "node/snapshot_files.h"

namespace sisyphus::node {

namespace {

// Between two exchanges. Small messages, repeated: nothing is lost for good.
constexpr int kExchangeTicks = 40;
// A peer's message that names more is not from a node like us.
constexpr size_t kMaxHashes = 256;

}  // namespace

// A mark from before the restart.
sisyphus::Status Node::Impl::OpenContent() {
  SIS_ASSIGN_OR_RETURN(std::optional<std::string> reason,
                       ReseedReason(*options_.file_system, options_.incoming_directory));
  if (reason) StopTrusting(*std::move(reason));
  return OkStatus();
}

// Raft actor, with each tick.
void Node::Impl::TickContent() {
  if (++content_ticks_ < kExchangeTicks) return;
  content_ticks_ = 0;
  if (installing_) return;  // What the state machine says may be of before or after.
  const std::vector<ContentHash> hashes = options_.state_machine->ContentHashes();
  if (!hashes.empty()) {
    // Also when they are known to be wrong: so the others learn who it is.
    for (const auto& [peer, address] : peer_addresses_) {
      options_.transport->Send(peer, {ContentReport{hashes}});
    }
  }
  if (distrusted()) {
    GoOnReseeding();
    return;
  }
  content_.Own(hashes);
  for (const ContentFinding& finding : content_.Review(core_->status().membership)) {
    if (options_.on_content) options_.on_content(finding);
    if (finding.kind == ContentFinding::Kind::kSelfDiffers) Distrust(finding);
  }
}

void Node::Impl::HandleContentReport(NodeId from, const ContentReport& report) {
  if (report.hashes.size() <= kMaxHashes) content_.Heard(from, report.hashes);
}

void Node::Impl::StopTrusting(std::string reason) {
  distrust_ = std::move(reason);
  distrusted_.store(true, std::memory_order_release);
  reseed_from_ = core_->commit();
  core_->TrustState(false);
  // For the rest of the term: this node is about to give leadership away.
  no_lease_term_ = core_->term();
  DropLease();
}

void Node::Impl::Distrust(const ContentFinding& finding) {
  StopTrusting(Describe(finding));
  ++reseeds_;
  SnapshotTask([this, reason = distrust_] {
    return MarkForReseed(*options_.file_system, options_.incoming_directory, reason);
  });
  PublishStatus();
  GoOnReseeding();
}

// Leads no more than it must, and asks the leader for its content until that comes.
void Node::Impl::GoOnReseeding() {
  if (installing_) return;
  if (leading()) {
    GiveLeadershipAway();
  } else if (core_->leader() != kNoNode) {
    options_.transport->Send(core_->leader(), {ReseedRequest{reseed_from_}});
  }
  SchedulePump();
}

// To a voter that holds something else, if possible: it holds what the majority does.
void Node::Impl::GiveLeadershipAway() {
  const raft::CoreStatus status = core_->status();
  if (status.transferee != kNoNode) return;
  std::vector<raft::PeerProgress> heirs = core_->progress();
  std::erase_if(heirs, [&](const raft::PeerProgress& peer) {
    return !peer.active || !std::binary_search(status.membership.voters.begin(),
                                               status.membership.voters.end(), peer.id);
  });
  if (heirs.empty()) return;
  const std::vector<NodeId> others = content_.differing();
  const auto rank = [&](const raft::PeerProgress& peer) {
    return std::pair(std::binary_search(others.begin(), others.end(), peer.id), peer.match);
  };
  std::sort(heirs.begin(), heirs.end(),
            [&](const auto& a, const auto& b) { return rank(a) > rank(b); });
  // The next one with each attempt: this one may be as distrusted, and refuse.
  (void)core_->TransferLeadership(heirs[heir_attempts_++ % heirs.size()].id);
}

// The leader's side. What it sends must reach what the asker has applied: nobody is turned back.
void Node::Impl::HandleReseedRequest(NodeId from, const ReseedRequest& request) {
  if (!leading() || distrusted() || installing_) return;
  if (options_.state_machine->durable().index < request.at_least) {
    options_.state_machine->ScheduleFlush();  // It asks again.
    return;
  }
  snapshot_at_least_[from] = request.at_least;
  core_->SendSnapshotTo(from);
}

// The state machine has become a snapshot.
void Node::Impl::TrustInstalled(Index index) {
  content_.ForgetOwn();
  if (!distrusted()) return;
  distrust_.clear();
  distrusted_.store(false, std::memory_order_release);
  core_->TrustState(true);
  PublishStatus();
  if (options_.on_content)
    options_.on_content({.kind = ContentFinding::Kind::kReseeded, .to = index});
}

void Node::Impl::AddContentStatus(NodeStatus* status) const {
  status->content.checks = content_.checks();
  status->content.mismatches = content_.mismatches();
  status->content.last_agreed = content_.last_agreed();
  status->content.differing = content_.differing();
  status->content.reseeds = reseeds_;
  status->content.distrust = distrust_;
}

}  // namespace sisyphus::node
