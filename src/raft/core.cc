#include "raft/core.h"

#include <utility>

#include "raft/core_impl.h"

namespace sisyphus::raft {

Core::Core(const Config& config, Rng rng, RestoredState restored)
    : impl_(std::make_unique<Impl>(config, rng, std::move(restored))) {}
Core::~Core() = default;

void Core::Step(Message message) { impl_->Step(std::move(message)); }
void Core::Tick() { impl_->Tick(); }
StatusOr<LogPosition> Core::Propose(std::span<const Payload> payloads) {
  return impl_->Propose(payloads);
}
StatusOr<LogPosition> Core::ProposeMembership(const MembershipChange& change) {
  return impl_->ProposeMembership(change);
}
Status Core::ReadIndex(uint64_t context) { return impl_->ReadIndex(context); }
void Core::WantLease(bool wanted) { impl_->WantLease(wanted); }
Status Core::TransferLeadership(NodeId to) { return impl_->TransferLeadership(to); }
void Core::Campaign() { impl_->Campaign(); }
void Core::ForgetLeader() { impl_->ForgetLeader(); }
void Core::PeerUnreachable(NodeId peer) { impl_->PeerUnreachable(peer); }
void Core::SnapshotSent(NodeId peer, bool delivered) { impl_->SnapshotSent(peer, delivered); }
void Core::SendSnapshotTo(NodeId peer) { impl_->SendSnapshotTo(peer); }
void Core::TrustState(bool trusted) { impl_->TrustState(trusted); }
void Core::Persisted(uint64_t write_id) { impl_->Persisted(write_id); }
void Core::Applied(Index index) { impl_->Applied(index); }
void Core::LogCompacted(Index index) { impl_->LogCompacted(index); }
bool Core::HasOutput() const { return impl_->HasOutput(); }
Output Core::TakeOutput(size_t apply_budget_bytes) { return impl_->TakeOutput(apply_budget_bytes); }
CoreStatus Core::status() const { return impl_->status(); }
Role Core::role() const { return impl_->role(); }
Term Core::term() const { return impl_->term(); }
NodeId Core::leader() const { return impl_->leader(); }
Index Core::commit() const { return impl_->commit(); }
Index Core::membership_index() const { return impl_->membership_index(); }
std::vector<PeerProgress> Core::progress() const { return impl_->progress(); }
std::optional<Term> Core::TermAt(Index index) const { return impl_->TermAt(index); }
Membership Core::MembershipAt(Index index) const { return impl_->MembershipAt(index); }

}  // namespace sisyphus::raft
