// ContentCheck: compares what replicas say of their content, and decides who differs.
//
// Every replica hashes its content at the same indices (StateMachine::ContentHashes) and tells the
// others. Values come in any order, late, twice or never: what is known of each index is kept for a
// while, and compared when both sides are known. A hash covers everything up to its index, so two
// replicas that differ at one index differ at all later ones, until one of them takes the other's
// content. Who is right is what a majority of the voters holds, of both halves while the membership
// is joint; where there is no majority nobody knows, and it is only reported. Pure; one thread.
#ifndef SISYPHUS_NODE_CONTENT_CHECK_H_
#define SISYPHUS_NODE_CONTENT_CHECK_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/types.h"
#include "node/state_machine.h"
#include "raft/types.h"

namespace sisyphus::node {

struct ContentFinding {
  enum class Kind : uint8_t {
    kSelfDiffers,  // A majority holds something else than this replica, `peer` among it.
    kPeerDiffers,  // `peer` holds something else than this replica and a majority.
    kUndecided,    // `peer` and this replica differ, and there is no majority with either.
    kPeerAgrees,   // `peer` was reported, and holds the same as this replica again.
    kReseeded,     // This replica differed, and has taken the leader's content.
  };
  Kind kind = Kind::kUndecided;
  NodeId peer = {};
  // They parted behind `from` (0: no agreement is known), at `to` at the latest, where these are
  // the hashes.
  Index from = {};
  Index to = {};
  uint64_t own = 0;
  uint64_t other = 0;
};

// One line for a log or a probe, without the names of events.
std::string Describe(const ContentFinding& finding);

class ContentCheck {
 public:
  // Indices whose hashes are kept for each replica.
  static constexpr size_t kKept = 256;
  // Reviews that a difference may wait for the voters that have not spoken, before it is reported
  // as undecided.
  static constexpr int kPatience = 10;

  explicit ContentCheck(NodeId self) : self_(self) {}

  void Own(std::span<const ContentHash> hashes);
  void Heard(NodeId peer, std::span<const ContentHash> hashes);

  // Compares; answers what is new since the last time. kSelfDiffers is repeated until ForgetOwn,
  // and then the only finding.
  std::vector<ContentFinding> Review(const raft::Membership& membership);

  // This replica's content is another one now.
  void ForgetOwn();

  uint64_t checks() const { return checks_; }          // Values of peers compared,
  uint64_t mismatches() const { return mismatches_; }  // and found to differ.
  Index last_agreed() const { return last_agreed_; }   // A majority held the same as this replica.
  std::vector<NodeId> differing() const;               // By their newest value compared.

 private:
  struct Value {
    uint64_t hash = 0;
    bool compared = false;
  };
  struct Peer {
    std::map<Index, Value> hashes;
    Index agreed;  // The newest index known where it held the same.
    bool differs = false;
    int reviews_in_doubt = 0;
    std::optional<ContentFinding::Kind> reported;
  };

  void Compare(Peer& peer);
  bool MajorityHolds(const raft::Membership& membership, Index index, uint64_t hash) const;
  bool AllSpoke(const raft::Membership& membership, Index index) const;
  // Whether a majority holds something else at the newest index that has a majority at all.
  bool SelfDiffers(const raft::Membership& membership, ContentFinding* finding);
  ContentFinding Difference(NodeId id, const Peer& peer) const;
  void Judge(const raft::Membership& membership, NodeId id, Peer& peer,
             std::vector<ContentFinding>* findings);

  const NodeId self_;
  std::map<Index, uint64_t> own_;
  std::map<NodeId, Peer> peers_;
  uint64_t checks_ = 0;
  uint64_t mismatches_ = 0;
  Index last_agreed_;
};

}  // namespace sisyphus::node

#endif  // SISYPHUS_NODE_CONTENT_CHECK_H_
