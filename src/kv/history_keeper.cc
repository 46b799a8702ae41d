#include "kv/history_keeper.h"

#include <utility>

#include "kv/history.h"

namespace sisyphus::kv {
namespace {

// For the proposal: when nothing has come of it by then, the next change brings another one.
constexpr Duration kProposalTimeout = std::chrono::seconds(10);

}  // namespace

HistoryKeeper::HistoryKeeper(HistoryOptions options, Machine* machine, Clock* clock)
    : options_(options), machine_(machine), clock_(clock) {
  if (options_.max_revisions == 0) return;
  machine_->SetAppliedCallback([this](Index applied) { OnApplied(applied); });
}

void HistoryKeeper::OnApplied(Index applied) {
  const uint64_t kept = applied - machine_->history_floor();
  if (kept <= options_.max_revisions + options_.max_revisions / 16) return;
  node::Node* const node = node_;
  if (node == nullptr || node->View().role != raft::Role::kLeader) return;
  if (proposing_.exchange(true)) return;
  node->Propose(EncodeCompactCommand(applied - options_.max_revisions),
                clock_->Now() + kProposalTimeout,
                [this](const StatusOr<node::ProposalResult>&) { proposing_ = false; });
}

}  // namespace sisyphus::kv
