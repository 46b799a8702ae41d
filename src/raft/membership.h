// Membership changes: which are legal, and what they lead to. Pure functions over raft::Membership
// (thesis chapter 4).
//
// The rules are those of a joint consensus with learners: a simple change moves at most one voter
// and never happens while joint; entering keeps the present voters as the outgoing half; leaving
// drops it.
#ifndef SISYPHUS_RAFT_MEMBERSHIP_H_
#define SISYPHUS_RAFT_MEMBERSHIP_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "raft/types.h"

namespace sisyphus::raft {

struct MembershipChange {
  enum class Op : uint8_t { kAddVoter, kAddLearner, kRemove, kUpdateAddress };
  struct Operation {
    Op op;
    NodeId id;
    std::string peer_address;  // kAdd*, kUpdateAddress; empty keeps what is known.
  };
  enum class Transition : uint8_t {
    kAuto,           // Simple when one operation suffices, else joint and left by the leader.
    kJointImplicit,  // Joint, left by the leader as soon as it is committed.
    kJointExplicit,  // Joint until a change without operations is proposed.
  };
  std::vector<Operation> operations;  // None: leave the joint configuration.
  Transition transition = Transition::kAuto;
};

// All answer the next configuration, or kInvalidArgument with one of these reasons: "config is
// already joint", "can't leave a non-joint config", "can't make a zero-voter config joint", "can't
// apply simple config change in joint config", "removed all voters", "more than one voter changed
// without entering joint config".
StatusOr<Membership> SimpleChange(const Membership& now,
                                  const std::vector<MembershipChange::Operation>& operations);
StatusOr<Membership> EnterJoint(const Membership& now, bool auto_leave,
                                const std::vector<MembershipChange::Operation>& operations);
StatusOr<Membership> LeaveJoint(const Membership& now);

// Chooses among the three by `change`.
StatusOr<Membership> ApplyChange(const Membership& now, const MembershipChange& change);

bool IsVoter(const Membership& membership, NodeId id);        // Of either half.
bool IsMember(const Membership& membership, NodeId id);       // Voter of either half, or learner.
std::vector<NodeId> MembersOf(const Membership& membership);  // Ascending.

// The payload of a kMembership entry. Layout: see membership.cc.
std::string EncodeMembership(const Membership& membership);
StatusOr<Membership> DecodeMembership(std::string_view bytes);

}  // namespace sisyphus::raft

#endif  // SISYPHUS_RAFT_MEMBERSHIP_H_
