#include "raft/quorum.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <vector>

#include "base/planted.h"

namespace sisyphus::raft {
namespace {

// Clusters larger than this pay one allocation a call.
constexpr size_t kInlineVoters = 16;

uint64_t HalfCommitted(std::span<const NodeId> voters,
                       const std::function<uint64_t(NodeId)>& acknowledged) {
  if (voters.empty()) return std::numeric_limits<uint64_t>::max();
  std::array<uint64_t, kInlineVoters> on_stack;
  std::vector<uint64_t> on_heap;
  std::span<uint64_t> values;
  if (voters.size() <= kInlineVoters) {
    values = std::span<uint64_t>(on_stack).first(voters.size());
  } else {
    on_heap.resize(voters.size());
    values = on_heap;
  }
  std::transform(voters.begin(), voters.end(), values.begin(), acknowledged);
  // In descending order the value at position n/2 is held by n/2 + 1 voters: a majority.
  const size_t majority = values.size() / 2 + (SIS_PLANTED(kCommitByMinority) ? 0 : 1);
  auto nth = values.begin() + static_cast<std::ptrdiff_t>(majority - 1);
  std::nth_element(values.begin(), nth, values.end(), std::greater<>());
  return *nth;
}

VoteResult CountHalf(std::span<const NodeId> voters,
                     const std::function<std::optional<bool>(NodeId)>& vote) {
  if (voters.empty()) return VoteResult::kWon;
  size_t granted = 0;
  size_t silent = 0;
  for (NodeId id : voters) {
    const std::optional<bool> answer = vote(id);
    if (!answer) {
      ++silent;
    } else if (*answer) {
      ++granted;
    }
  }
  const size_t majority = voters.size() / 2 + (SIS_PLANTED(kElectByMinority) ? 0 : 1);
  if (granted >= majority) return VoteResult::kWon;
  return granted + silent >= majority ? VoteResult::kPending : VoteResult::kLost;
}

}  // namespace

uint64_t CommittedValue(std::span<const NodeId> voters, std::span<const NodeId> outgoing,
                        const std::function<uint64_t(NodeId)>& acknowledged) {
  return std::min(HalfCommitted(voters, acknowledged), HalfCommitted(outgoing, acknowledged));
}

VoteResult CountVotes(std::span<const NodeId> voters, std::span<const NodeId> outgoing,
                      const std::function<std::optional<bool>(NodeId)>& vote) {
  const VoteResult incoming_half = CountHalf(voters, vote);
  const VoteResult outgoing_half = CountHalf(outgoing, vote);
  if (incoming_half == VoteResult::kLost || outgoing_half == VoteResult::kLost) {
    return VoteResult::kLost;
  }
  if (incoming_half == VoteResult::kWon && outgoing_half == VoteResult::kWon) {
    return VoteResult::kWon;
  }
  return VoteResult::kPending;
}

}  // namespace sisyphus::raft
