// The payload of a kMembership entry:
//
//   byte    version, 1 or 2
//   byte    flags: bit 0 = auto_leave, the others 0
//   list    voters, list outgoing, list learners, list learners_next
//   varint  number of addresses; for each: varint id, varint length, bytes
//   list    removed; in version 2 only, which is written when it is not empty
//
// A list is a varint count and as many varint ids, ascending, none 0. Nothing follows.
#include "raft/membership.h"

#include <algorithm>
#include <cstdint>

#include "base/coding.h"

namespace sisyphus::raft {
namespace {

constexpr uint8_t kFormatVersion = 1;
constexpr uint8_t kFormatVersionWithRemoved = 2;
constexpr uint8_t kAutoLeaveFlag = 1;

using Operation = MembershipChange::Operation;
using Op = MembershipChange::Op;

bool Contains(const std::vector<NodeId>& ids, NodeId id) {
  return std::binary_search(ids.begin(), ids.end(), id);
}

void Insert(std::vector<NodeId>* ids, NodeId id) {
  auto it = std::lower_bound(ids->begin(), ids->end(), id);
  if (it == ids->end() || *it != id) ids->insert(it, id);
}

void Erase(std::vector<NodeId>* ids, NodeId id) {
  auto it = std::lower_bound(ids->begin(), ids->end(), id);
  if (it != ids->end() && *it == id) ids->erase(it);
}

void SetAddress(Membership* m, NodeId id, const std::string& peer) {
  if (peer.empty()) return;
  auto it = std::lower_bound(m->addresses.begin(), m->addresses.end(), id,
                             [](const Membership::Address& a, NodeId b) { return a.id < b; });
  if (it != m->addresses.end() && it->id == id) {
    it->peer = peer;
  } else {
    m->addresses.insert(it, Membership::Address{id, peer});
  }
}

void MakeVoter(Membership* m, NodeId id) {
  Erase(&m->removed, id);
  Erase(&m->learners, id);
  Erase(&m->learners_next, id);
  Insert(&m->voters, id);
}

void MakeLearner(Membership* m, NodeId id) {
  Erase(&m->removed, id);
  Erase(&m->voters, id);
  // A voter of the outgoing half still counts there: it becomes a learner when the joint state is
  // left, so that no replica is voter and learner at once.
  Insert(Contains(m->outgoing, id) ? &m->learners_next : &m->learners, id);
}

void Remove(Membership* m, NodeId id) {
  if (IsMember(*m, id)) Insert(&m->removed, id);
  Erase(&m->voters, id);
  Erase(&m->learners, id);
  Erase(&m->learners_next, id);
}

void DropStrayAddresses(Membership* m) {
  std::erase_if(m->addresses, [m](const Membership::Address& a) { return !IsMember(*m, a.id); });
}

StatusOr<Membership> Operate(Membership next, const std::vector<Operation>& operations) {
  for (const Operation& operation : operations) {
    if (operation.id == kNoNode) continue;
    switch (operation.op) {
      case Op::kAddVoter:
        MakeVoter(&next, operation.id);
        break;
      case Op::kAddLearner:
        MakeLearner(&next, operation.id);
        break;
      case Op::kRemove:
        Remove(&next, operation.id);
        continue;
      case Op::kUpdateAddress:
        break;
    }
    SetAddress(&next, operation.id, operation.peer_address);
  }
  if (next.voters.empty()) return absl::InvalidArgumentError("removed all voters");
  DropStrayAddresses(&next);
  return next;
}

void PutIds(std::string* out, const std::vector<NodeId>& ids) {
  PutVarint64(out, ids.size());
  for (NodeId id : ids) PutVarint64(out, id.value());
}

bool ReadIds(Decoder* in, std::vector<NodeId>* ids) {
  const uint64_t count = in->Varint64();
  NodeId last = kNoNode;
  for (uint64_t i = 0; i < count; ++i) {
    const NodeId id(in->Varint64());
    if (!in->ok() || id <= last) return false;
    ids->push_back(id);
    last = id;
  }
  return in->ok();
}

}  // namespace

bool IsVoter(const Membership& membership, NodeId id) {
  return Contains(membership.voters, id) || Contains(membership.outgoing, id);
}

bool IsMember(const Membership& membership, NodeId id) {
  return IsVoter(membership, id) || Contains(membership.learners, id) ||
         Contains(membership.learners_next, id);
}

std::vector<NodeId> MembersOf(const Membership& membership) {
  std::vector<NodeId> all;
  for (const auto* ids : {&membership.voters, &membership.outgoing, &membership.learners,
                          &membership.learners_next}) {
    all.insert(all.end(), ids->begin(), ids->end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

StatusOr<Membership> SimpleChange(const Membership& now, const std::vector<Operation>& operations) {
  if (now.joint()) {
    return absl::InvalidArgumentError("can't apply simple config change in joint config");
  }
  SIS_ASSIGN_OR_RETURN(Membership next, Operate(now, operations));
  std::vector<NodeId> changed;
  std::set_symmetric_difference(now.voters.begin(), now.voters.end(), next.voters.begin(),
                                next.voters.end(), std::back_inserter(changed));
  // One voter more or less: every majority of the old configuration meets every majority of the new
  // one (thesis 4.1).
  if (changed.size() > 1) {
    return absl::InvalidArgumentError("more than one voter changed without entering joint config");
  }
  return next;
}

StatusOr<Membership> EnterJoint(const Membership& now, bool auto_leave,
                                const std::vector<Operation>& operations) {
  if (now.joint()) return absl::InvalidArgumentError("config is already joint");
  if (now.voters.empty()) {
    return absl::InvalidArgumentError("can't make a zero-voter config joint");
  }
  Membership joint = now;
  joint.outgoing = now.voters;
  joint.auto_leave = auto_leave;
  return Operate(std::move(joint), operations);
}

StatusOr<Membership> LeaveJoint(const Membership& now) {
  if (!now.joint()) return absl::InvalidArgumentError("can't leave a non-joint config");
  Membership next = now;
  next.outgoing.clear();
  for (NodeId id : next.learners_next) Insert(&next.learners, id);
  next.learners_next.clear();
  next.auto_leave = false;
  DropStrayAddresses(&next);
  return next;
}

StatusOr<Membership> ApplyChange(const Membership& now, const MembershipChange& change) {
  using Transition = MembershipChange::Transition;
  if (change.operations.empty()) return LeaveJoint(now);
  if (change.transition == Transition::kAuto && change.operations.size() == 1) {
    return SimpleChange(now, change.operations);
  }
  return EnterJoint(now, change.transition != Transition::kJointExplicit, change.operations);
}

std::string EncodeMembership(const Membership& membership) {
  std::string out;
  const bool with_removed = !membership.removed.empty();
  out.push_back(static_cast<char>(with_removed ? kFormatVersionWithRemoved : kFormatVersion));
  out.push_back(static_cast<char>(membership.auto_leave ? kAutoLeaveFlag : 0));
  PutIds(&out, membership.voters);
  PutIds(&out, membership.outgoing);
  PutIds(&out, membership.learners);
  PutIds(&out, membership.learners_next);
  PutVarint64(&out, membership.addresses.size());
  for (const Membership::Address& address : membership.addresses) {
    PutVarint64(&out, address.id.value());
    PutLengthPrefixed(&out, address.peer);
  }
  if (with_removed) PutIds(&out, membership.removed);
  return out;
}

StatusOr<Membership> DecodeMembership(std::string_view bytes) {
  Decoder in(bytes);
  Membership m;
  const uint8_t version = in.Byte();
  const uint8_t flags = in.Byte();
  const bool with_removed = version == kFormatVersionWithRemoved;
  if (!in.ok() || (version != kFormatVersion && !with_removed) || (flags & ~kAutoLeaveFlag) != 0) {
    return absl::DataLossError("membership: unknown version or flags");
  }
  m.auto_leave = (flags & kAutoLeaveFlag) != 0;
  if (!ReadIds(&in, &m.voters) || !ReadIds(&in, &m.outgoing) || !ReadIds(&in, &m.learners) ||
      !ReadIds(&in, &m.learners_next)) {
    return absl::DataLossError("membership: damaged list of ids");
  }
  const uint64_t count = in.Varint64();
  NodeId last = kNoNode;
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    const NodeId id(in.Varint64());
    const std::string_view peer = in.LengthPrefixed();
    if (!in.ok() || id <= last) return absl::DataLossError("membership: damaged addresses");
    m.addresses.push_back({id, std::string(peer)});
    last = id;
  }
  if (with_removed && (!ReadIds(&in, &m.removed) || m.removed.empty())) {
    return absl::DataLossError("membership: damaged list of removed ids");
  }
  if (!in.Done()) return absl::DataLossError("membership: wrong length");
  return m;
}

}  // namespace sisyphus::raft
