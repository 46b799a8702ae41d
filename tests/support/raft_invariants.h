// RaftInvariants: what must hold at every moment of every run, whatever fails (thesis figure 3.2).
//
// Fed with what can be seen from outside: the messages that nodes send, the entries that their
// state machines are given, and their views. Each check is incremental, so it can run after every
// step.
//
//   - Election safety: one leader a term, as (node, incarnation), of everything only leaders send.
//   - Vote durability: a voter grants one candidate a term, across its crashes too.
//   - Promise durability: a node that starts again remembers the term, the vote and the entries
//     that it has told others of.
//   - Log matching: (index, term) names one entry, which follows one entry.
//   - Leader completeness: a leader's log holds every entry that was chosen before its term.
//   - Commitment: a leader counts copies of entries of its own term only; those before come along.
//   - State machine safety: every replica is given the same entry at an index, and answers it
//     alike; a replica that begins elsewhere (a restart, a snapshot) begins at a chosen entry, and
//     a snapshot never takes it back.
//   - Monotonicity: term, commit and applied never go back within an incarnation.
//   - Membership: all replicas that have committed an index agree on who the members are there;
//     who was removed is no member ever again.
//
// The first violation is kept; nothing after it counts.
#ifndef SISYPHUS_TESTS_SUPPORT_RAFT_INVARIANTS_H_
#define SISYPHUS_TESTS_SUPPORT_RAFT_INVARIANTS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/types.h"
#include "node/node.h"
#include "raft/types.h"

namespace sisyphus::testing {

// A node between two crashes.
struct Incarnation {
  NodeId node;
  uint64_t number = 0;
  auto operator<=>(const Incarnation&) const = default;
};

class RaftInvariants {
 public:
  // `message` was handed to the network by `sender`.
  void OnSend(const Incarnation& sender, const raft::Message& message);

  // `node` has started with what its disk holds: `term`, `vote`, and a log that ends at `last`.
  void OnStarted(NodeId node, Term term, NodeId vote, Index last);

  // The state machine of `who`, whose term is now `term`, was given `bytes` and said `result`.
  void OnApply(const Incarnation& who, Term term, LogPosition position, std::string_view bytes,
               std::string_view result);

  // The state machine of `who` is at `position` without having been given what leads there: its
  // process began with it, or it has become a snapshot.
  void OnRestored(const Incarnation& who, LogPosition position);

  // What `who` says of itself.
  void OnView(const Incarnation& who, const node::NodeView& view);

  // The cluster began with `founders`.
  void OnFounded(raft::Membership founders) { memberships_[Index(0)] = std::move(founders); }

  // `who` has committed the entry at `index`, and says that `membership` has held since.
  void OnMembership(const Incarnation& who, Index index, const raft::Membership& membership);

  // In somebody's log `membership` is to hold from `index` on; that may be lost.
  void OnProposed(Index index, const raft::Membership& membership) {
    if (index > chosen()) proposed_[index].try_emplace(kUnknownTerm, membership);
  }

  // A client was told that its command is the entry at `index`.
  void OnAcknowledged(Index index);

  bool ok() const { return violation_.empty(); }
  const std::string& violation() const { return violation_; }

  // How many entries are known to be chosen, from 1 on without a gap.
  Index chosen() const { return Index(chosen_.size()); }

  Term chosen_term() const { return chosen_.empty() ? Term(0) : chosen_.back().term; }

  // The newest membership that is known to be chosen. Requires: OnFounded.
  const raft::Membership& membership() const { return memberships_.rbegin()->second; }
  uint64_t memberships() const { return memberships_.size(); }
  // And those that somebody has proposed to follow it, as far as was seen.
  std::vector<raft::Membership> PossibleMemberships() const;

 private:
  struct Fact {  // Of an entry that was seen in a message.
    uint64_t content = 0;
    Term previous;
  };
  struct Chosen {
    Term term;
    uint64_t content = 0;
    uint64_t result = 0;
    Term known_in;  // It was chosen in this term or before.
  };
  struct LastSeen {
    Term term;
    bool leads = false;
    Index commit;
    Index applied;                     // By its view.
    std::optional<Index> handed_over;  // To its state machine.
  };

  // What a node has told others of, and so must not forget.
  struct Promise {
    Term term;
    NodeId vote;  // In that term.
    Index match;  // Of its log with the leader's of that term.
  };

  static constexpr Term kUnknownTerm{UINT64_MAX};

  void Violate(const std::string& what);
  void NotePromise(const raft::Message& message);
  void CheckLeader(const Incarnation& who, Term term);
  void CheckCounted();
  void CheckVote(NodeId voter, Term term, NodeId candidate);
  void CheckEntries(const Incarnation& leader, Term term, const raft::AppendRequest& append);
  void CheckComplete(const Incarnation& leader, Term term, LogPosition held);
  void NoteMembership(const Incarnation& leader, const raft::Entry& entry);

  std::string violation_;
  std::map<Term, Incarnation> leaders_;
  std::map<std::pair<NodeId, Term>, NodeId> votes_;
  std::map<NodeId, Promise> promises_;
  std::unordered_map<Index, std::map<Term, Fact>> entries_;  // Looked up only.
  std::vector<Chosen> chosen_;                               // chosen_[i]: index i + 1.
  std::map<Incarnation, LastSeen> seen_;
  std::vector<std::pair<Incarnation, LogPosition>> counted_;    // Not known to be chosen yet.
  std::map<Index, raft::Membership> memberships_;               // Chosen, each since its index.
  std::map<Index, std::map<Term, raft::Membership>> proposed_;  // Seen in messages.
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SUPPORT_RAFT_INVARIANTS_H_
