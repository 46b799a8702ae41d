// Counting: the commit index and the outcome of a vote in a simple or joint configuration
// (thesis 3.6, 4.3).
#ifndef SISYPHUS_RAFT_QUORUM_H_
#define SISYPHUS_RAFT_QUORUM_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>

#include "base/types.h"
#include "raft/types.h"

namespace sisyphus::raft {

enum class VoteResult : uint8_t { kPending, kLost, kWon };

// The highest value that a majority of each half has reached, where `acknowledged(id)` is what a
// voter has (0 if nothing is known of it). A half without voters bounds nothing; with no voters at
// all the answer is uint64_t's maximum. Serves the commit index (indexes) and read rounds (rounds)
// alike.
uint64_t CommittedValue(std::span<const NodeId> voters, std::span<const NodeId> outgoing,
                        const std::function<uint64_t(NodeId)>& acknowledged);

// `vote(id)`: true granted, false refused, nullopt not heard. Lost if either half is lost, won if
// both are. A half without voters counts as won.
VoteResult CountVotes(std::span<const NodeId> voters, std::span<const NodeId> outgoing,
                      const std::function<std::optional<bool>(NodeId)>& vote);

}  // namespace sisyphus::raft

#endif  // SISYPHUS_RAFT_QUORUM_H_
