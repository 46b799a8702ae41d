#include "node/content_check.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "raft/membership.h"
#include "raft/quorum.h"

namespace sisyphus::node {

namespace {

std::string Hex(uint64_t value) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (size_t i = 16; i > 0; value >>= 4) text[--i] = kDigits[value & 15];
  return text;
}

template <typename Map>
void Trim(Map* map) {
  while (map->size() > ContentCheck::kKept) map->erase(map->begin());
}

}  // namespace

std::string Describe(const ContentFinding& finding) {
  using Kind = ContentFinding::Kind;
  const std::string peer = "node " + ToString(finding.peer);
  if (finding.kind == Kind::kReseeded) {
    return "took the content of the leader in place of its own, up to index " +
           ToString(finding.to);
  }
  if (finding.kind == Kind::kPeerAgrees)
    return peer + " holds the same again at index " + ToString(finding.to);
  const std::string where = "entries (" + ToString(finding.from) + ", " + ToString(finding.to) +
                            "] left content " + Hex(finding.own) + " here and " +
                            Hex(finding.other) + " on " + peer;
  switch (finding.kind) {
    case Kind::kSelfDiffers:
      return where + ", with which a majority agrees: this node is wrong";
    case Kind::kPeerDiffers:
      return where + "; a majority agrees with this node";
    default:
      return where + "; there is no majority that tells who is right";
  }
}

void ContentCheck::Own(std::span<const ContentHash> hashes) {
  for (const ContentHash& hash : hashes) own_[hash.index] = hash.hash;
  Trim(&own_);
}

void ContentCheck::Heard(NodeId id, std::span<const ContentHash> hashes) {
  if (id == self_) return;
  Peer& peer = peers_[id];
  for (const ContentHash& hash : hashes) {
    // Another value than before: the peer has taken other content meanwhile.
    const auto [it, added] = peer.hashes.try_emplace(hash.index, Value{hash.hash, false});
    if (!added && it->second.hash != hash.hash) it->second = {hash.hash, false};
  }
  Trim(&peer.hashes);
}

void ContentCheck::Compare(Peer& peer) {
  for (auto& [index, value] : peer.hashes) {
    const auto own = own_.find(index);
    if (own == own_.end()) continue;
    const bool same = own->second == value.hash;
    peer.differs = !same;  // What the newest index says is what counts.
    if (same) peer.agreed = std::max(peer.agreed, index);
    if (std::exchange(value.compared, true)) continue;
    ++checks_;
    if (!same) ++mismatches_;
  }
}

bool ContentCheck::MajorityHolds(const raft::Membership& membership, Index index,
                                 uint64_t hash) const {
  const auto holds = [&](NodeId id) -> std::optional<bool> {
    if (id == self_) {
      const auto own = own_.find(index);
      return own == own_.end() ? std::nullopt : std::optional<bool>(own->second == hash);
    }
    const auto peer = peers_.find(id);
    if (peer == peers_.end()) return std::nullopt;
    const auto value = peer->second.hashes.find(index);
    if (value == peer->second.hashes.end()) return std::nullopt;
    return value->second.hash == hash;
  };
  return raft::CountVotes(membership.voters, membership.outgoing, holds) == raft::VoteResult::kWon;
}

bool ContentCheck::AllSpoke(const raft::Membership& membership, Index index) const {
  const auto spoke = [&](NodeId id) {
    if (id == self_) return own_.contains(index);
    const auto peer = peers_.find(id);
    return peer != peers_.end() && peer->second.hashes.contains(index);
  };
  return std::all_of(membership.voters.begin(), membership.voters.end(), spoke) &&
         std::all_of(membership.outgoing.begin(), membership.outgoing.end(), spoke);
}

bool ContentCheck::SelfDiffers(const raft::Membership& membership, ContentFinding* finding) {
  for (auto own = own_.rbegin(); own != own_.rend(); ++own) {
    const auto& [index, hash] = *own;
    if (MajorityHolds(membership, index, hash)) {
      last_agreed_ = std::max(last_agreed_, index);
      return false;
    }
    for (const auto& [id, peer] : peers_) {
      const auto value = peer.hashes.find(index);
      if (value == peer.hashes.end() || value->second.hash == hash) continue;
      if (!MajorityHolds(membership, index, value->second.hash)) continue;
      *finding = Difference(id, peer);
      finding->kind = ContentFinding::Kind::kSelfDiffers;
      return true;
    }
  }
  return false;
}

// Where `peer` and this replica parted. Requires: they differ at an index that both are known at.
ContentFinding ContentCheck::Difference(NodeId id, const Peer& peer) const {
  ContentFinding finding;
  finding.peer = id;
  for (auto value = peer.hashes.rbegin(); value != peer.hashes.rend(); ++value) {
    const auto own = own_.find(value->first);
    if (own == own_.end()) continue;
    if (own->second == value->second.hash) break;
    finding.to = value->first;
    finding.own = own->second;
    finding.other = value->second.hash;
  }
  finding.from = peer.agreed < finding.to ? peer.agreed : Index(0);
  return finding;
}

void ContentCheck::Judge(const raft::Membership& membership, NodeId id, Peer& peer,
                         std::vector<ContentFinding>* findings) {
  using Kind = ContentFinding::Kind;
  if (!peer.differs) {
    peer.reviews_in_doubt = 0;
    if (!std::exchange(peer.reported, std::nullopt)) return;
    findings->push_back({.kind = Kind::kPeerAgrees, .peer = id, .to = peer.agreed});
    return;
  }
  ContentFinding finding = Difference(id, peer);
  if (finding.to == Index(0)) return;  // Nothing is left to compare with: as reported before.
  const bool decided = MajorityHolds(membership, finding.to, finding.own);
  finding.kind = decided ? Kind::kPeerDiffers : Kind::kUndecided;
  if (!decided && !AllSpoke(membership, finding.to) && ++peer.reviews_in_doubt < kPatience) return;
  if (peer.reported == Kind::kPeerDiffers || peer.reported == finding.kind) return;
  peer.reported = finding.kind;
  findings->push_back(finding);
}

std::vector<ContentFinding> ContentCheck::Review(const raft::Membership& membership) {
  std::erase_if(peers_, [&](const auto& peer) { return !raft::IsMember(membership, peer.first); });
  for (auto& [id, peer] : peers_) Compare(peer);
  std::vector<ContentFinding> findings;
  ContentFinding self;
  if (SelfDiffers(membership, &self)) return {self};
  for (auto& [id, peer] : peers_) Judge(membership, id, peer, &findings);
  return findings;
}

void ContentCheck::ForgetOwn() {
  own_.clear();
  for (auto& [id, peer] : peers_) {
    peer.differs = false;
    peer.reviews_in_doubt = 0;
    peer.reported.reset();
  }
}

std::vector<NodeId> ContentCheck::differing() const {
  std::vector<NodeId> ids;
  for (const auto& [id, peer] : peers_) {
    if (peer.differs) ids.push_back(id);
  }
  return ids;
}

}  // namespace sisyphus::node
