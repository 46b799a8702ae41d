#include "tests/support/raft_invariants.h"

#include <algorithm>
#include <variant>

#include "base/checksum.h"
#include "raft/membership.h"

namespace sisyphus::testing {
namespace {

std::string Name(NodeId id) { return "node " + ToString(id); }
std::string Name(const Incarnation& who) {
  return Name(who.node) + "." + std::to_string(who.number);
}
std::string Name(LogPosition at) { return ToString(at.index) + "@" + ToString(at.term); }

bool OnlyLeadersSend(const raft::MessageBody& body) {
  return std::holds_alternative<raft::AppendRequest>(body) ||
         std::holds_alternative<raft::HeartbeatRequest>(body) ||
         std::holds_alternative<raft::SnapshotRequest>(body) ||
         std::holds_alternative<raft::TimeoutNow>(body);
}

}  // namespace

void RaftInvariants::Violate(const std::string& what) {
  if (violation_.empty()) violation_ = what;
}

void RaftInvariants::OnSend(const Incarnation& sender, const raft::Message& message) {
  NotePromise(message);
  if (OnlyLeadersSend(message.body)) CheckLeader(sender, message.term);
  if (const auto* append = std::get_if<raft::AppendRequest>(&message.body)) {
    CheckEntries(sender, message.term, *append);
  } else if (const auto* request = std::get_if<raft::VoteRequest>(&message.body)) {
    if (!request->pre) CheckVote(sender.node, message.term, sender.node);
  } else if (const auto* reply = std::get_if<raft::VoteReply>(&message.body)) {
    if (!reply->pre && reply->granted) CheckVote(sender.node, message.term, message.to);
  }
}

void RaftInvariants::NotePromise(const raft::Message& message) {
  const auto* vote = std::get_if<raft::VoteReply>(&message.body);
  if (vote != nullptr && vote->pre && vote->granted) return;  // In the asker's term, not its own.
  Promise& promise = promises_[message.from];
  if (message.term < promise.term) return;  // Sent late.
  if (message.term > promise.term) promise = {message.term, kNoNode, Index(0)};
  if (vote != nullptr && vote->granted) promise.vote = message.to;
  if (const auto* request = std::get_if<raft::VoteRequest>(&message.body)) {
    if (!request->pre) promise.vote = message.from;
  } else if (const auto* append = std::get_if<raft::AppendReply>(&message.body)) {
    if (!append->rejected) promise.match = std::max(promise.match, append->match);
  } else if (const auto* snapshot = std::get_if<raft::SnapshotReply>(&message.body)) {
    promise.match = std::max(promise.match, snapshot->match);
  }
}

void RaftInvariants::OnStarted(NodeId node, Term term, NodeId vote, Index last) {
  const Promise& promise = promises_[node];
  const std::string who = "promise durability: " + Name(node) + " starts in term " + ToString(term);
  if (term < promise.term) {
    Violate(who + ", having spoken in term " + ToString(promise.term));
  } else if (term == promise.term && promise.vote != kNoNode && vote != promise.vote) {
    Violate(who + " without its vote for " + Name(promise.vote));
  } else if (term == promise.term && last < promise.match) {
    Violate(who + " with entries up to " + ToString(last) + ", having acknowledged " +
            ToString(promise.match));
  }
}

void RaftInvariants::CheckLeader(const Incarnation& who, Term term) {
  const auto [place, is_new] = leaders_.try_emplace(term, who);
  if (!is_new && place->second != who) {
    Violate("election safety: " + Name(place->second) + " and " + Name(who) + " lead term " +
            ToString(term));
  }
}

void RaftInvariants::CheckVote(NodeId voter, Term term, NodeId candidate) {
  const auto [place, is_new] = votes_.try_emplace({voter, term}, candidate);
  if (!is_new && place->second != candidate) {
    Violate("vote durability: " + Name(voter) + " voted for " + Name(place->second) + " and " +
            Name(candidate) + " in term " + ToString(term));
  }
}

void RaftInvariants::CheckEntries(const Incarnation& leader, Term term,
                                  const raft::AppendRequest& append) {
  CheckComplete(leader, term, append.previous);
  LogPosition previous = append.previous;
  for (const raft::Entry& entry : append.entries) {
    const Fact fact{Checksum(*entry.payload, static_cast<uint64_t>(entry.type)), previous.term};
    const auto [place, is_new] = entries_[entry.index].try_emplace(entry.term, fact);
    if (!is_new && place->second.content != fact.content) {
      Violate("log matching: two entries are " + Name({entry.index, entry.term}));
    }
    if (!is_new && place->second.previous != fact.previous) {
      Violate("log matching: " + Name({entry.index, entry.term}) + " follows terms " +
              ToString(fact.previous) + " and " + ToString(place->second.previous));
    }
    if (entry.index != previous.index.Next() || entry.term < previous.term || entry.term > term) {
      Violate("log order: " + Name({entry.index, entry.term}) + " follows " + Name(previous) +
              " in a log of term " + ToString(term));
    }
    if (entry.type == raft::EntryType::kMembership) NoteMembership(leader, entry);
    previous = {entry.index, entry.term};
    CheckComplete(leader, term, previous);
  }
}

void RaftInvariants::CheckComplete(const Incarnation& leader, Term term, LogPosition held) {
  if (held.index.value() == 0 || held.index > chosen()) return;
  const Chosen& chosen = chosen_[held.index.value() - 1];
  if (term >= chosen.known_in && held.term != chosen.term) {
    Violate("leader completeness: " + Name(leader) + ", leader of term " + ToString(term) +
            ", has " + Name(held) + " where " + Name({held.index, chosen.term}) + " was chosen");
  }
}

void RaftInvariants::OnApply(const Incarnation& who, Term term, LogPosition position,
                             std::string_view bytes, std::string_view result) {
  LastSeen& seen = seen_[who];
  if (seen.handed_over && position.index != seen.handed_over->Next()) {
    Violate("order of application: " + Name(who) + " applies " + ToString(position.index) +
            " after " + ToString(*seen.handed_over));
  }
  seen.handed_over = position.index;
  const Chosen now{position.term, Checksum(bytes), Checksum(result), term};
  if (position.index > chosen()) {
    if (position.index != chosen().Next()) {
      return Violate("state machine safety: " + Name(who) + " applies " + Name(position) +
                     " before anybody applied what is before it");
    }
    chosen_.push_back(now);
    const auto proposed = proposed_.find(position.index);
    if (proposed != proposed_.end() && proposed->second.contains(position.term)) {
      OnMembership(who, position.index, proposed->second.at(position.term));
    }
    return;
  }
  Chosen& before = chosen_[position.index.value() - 1];
  if (before.term != now.term || before.content != now.content) {
    Violate("state machine safety: " + Name(who) + " applies " + Name(position) + " where " +
            Name({position.index, before.term}) + " was chosen");
  } else if (before.result != now.result) {
    Violate("replica equality: " + Name(who) + " answers entry " + Name(position) + " differently");
  }
  if (now.known_in < before.known_in) before.known_in = now.known_in;
}

void RaftInvariants::OnRestored(const Incarnation& who, LogPosition position) {
  LastSeen& seen = seen_[who];
  if (seen.handed_over && position.index < *seen.handed_over) {
    Violate("monotonicity: " + Name(who) + " goes back from entry " + ToString(*seen.handed_over) +
            " to a snapshot of " + Name(position));
  }
  seen.handed_over = position.index;
  if (position.index.value() == 0) return;
  if (position.index > chosen()) {
    Violate("state machine safety: " + Name(who) + " begins at " + Name(position) +
            ", which nobody has applied");
  } else if (chosen_[position.index.value() - 1].term != position.term) {
    Violate("state machine safety: " + Name(who) + " begins at " + Name(position) + " where " +
            Name({position.index, chosen_[position.index.value() - 1].term}) + " was chosen");
  }
}

void RaftInvariants::OnView(const Incarnation& who, const node::NodeView& view) {
  LastSeen& seen = seen_[who];
  if (view.term < seen.term) Violate("monotonicity: the term of " + Name(who) + " went back");
  if (view.commit < seen.commit) Violate("monotonicity: the commit of " + Name(who) + " went back");
  if (view.applied < seen.applied) {
    Violate("monotonicity: what " + Name(who) + " has applied went back");
  }
  if (view.role == raft::Role::kLeader && (view.term != seen.term || view.leader == who.node)) {
    CheckLeader(who, view.term);
  }
  const bool leads = view.role == raft::Role::kLeader;
  if (seen.leads && leads && view.term == seen.term && view.commit > seen.commit) {
    counted_.push_back({who, {view.commit, view.term}});
  }
  if (!counted_.empty()) CheckCounted();
  seen.leads = leads;
  seen.term = view.term;
  seen.commit = view.commit;
  seen.applied = view.applied;
}

// What a leader committed by counting, as soon as it is known which entry that is.
void RaftInvariants::CheckCounted() {
  std::erase_if(counted_, [this](const auto& counted) {
    const auto& [who, position] = counted;
    if (position.index > chosen()) return false;
    const Term term = chosen_[position.index.value() - 1].term;
    if (term != position.term) {
      Violate("commitment: " + Name(who) + ", leader of term " + ToString(position.term) +
              ", counts the copies of " + Name({position.index, term}));
    }
    return true;
  });
}

void RaftInvariants::NoteMembership(const Incarnation& leader, const raft::Entry& entry) {
  const StatusOr<raft::Membership> membership = raft::DecodeMembership(*entry.payload);
  if (!membership.ok()) return Violate("entry " + ToString(entry.index) + " is malformed");
  proposed_[entry.index].try_emplace(entry.term, *membership);
  // A single voter chooses before it sends.
  if (entry.index <= chosen() && chosen_[entry.index.value() - 1].term == entry.term) {
    OnMembership(leader, entry.index, *membership);
  }
}

void RaftInvariants::OnMembership(const Incarnation& who, Index index,
                                  const raft::Membership& membership) {
  if (membership.voters.empty() || index > chosen()) return;  // Blank; or not for us to know yet.
  const auto [place, is_new] = memberships_.try_emplace(index, membership);
  if (!is_new) {
    if (place->second != membership) {
      Violate("membership: " + Name(who) + " has other members since entry " + ToString(index) +
              " than another replica");
    }
    return;
  }
  const std::vector<NodeId>& removed = membership.removed;
  if (place != memberships_.begin()) {
    const std::vector<NodeId>& before = std::prev(place)->second.removed;
    if (!std::includes(removed.begin(), removed.end(), before.begin(), before.end())) {
      Violate("membership: entry " + ToString(index) + " forgets who was removed");
    }
  }
  for (const auto* members : {&membership.voters, &membership.learners}) {
    for (const NodeId id : *members) {
      if (!std::binary_search(removed.begin(), removed.end(), id)) continue;
      Violate("membership: " + Name(id) + " is back at entry " + ToString(index));
    }
  }
}

std::vector<raft::Membership> RaftInvariants::PossibleMemberships() const {
  std::vector<raft::Membership> all = {membership()};
  for (auto at = proposed_.upper_bound(chosen()); at != proposed_.end(); ++at) {
    for (const auto& [term, membership] : at->second) all.push_back(membership);
  }
  return all;
}

void RaftInvariants::OnAcknowledged(Index index) {
  if (index.value() == 0 || index > chosen()) {
    Violate("acknowledgement: a client was told of entry " + ToString(index) +
            ", which no replica has applied");
  }
}

}  // namespace sisyphus::testing
