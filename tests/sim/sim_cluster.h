// SimCluster: the machines of a run, and whom of them the cluster can still count on.
//
// Founders have the ids 1 to N. A machine that comes later has the next free id and an empty disk,
// and waits to be added. A machine is lost for good (its disk is wiped, or has rotted) only as
// long as every membership that may come to hold has a majority without it: nobody promises more.
#ifndef SISYPHUS_TESTS_SIM_SIM_CLUSTER_H_
#define SISYPHUS_TESTS_SIM_SIM_CLUSTER_H_

#include <cstdint>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "tests/sim/sim_server.h"

namespace sisyphus::testing {

class SimCluster {
 public:
  // `usual` is what all machines have in common.
  SimCluster(SimServerOptions usual, uint64_t founders, uint64_t seed);

  // All there ever were, by id. Grows with Add only.
  const std::vector<std::unique_ptr<SimServer>>& servers() const { return servers_; }
  SimServer* Find(NodeId id) const { return servers_[id.value() - 1].get(); }

  // One of those that are in use.
  SimServer* Draw(Rng& rng) const;

  // The one that leads by its own word, of the newest term; null if there is none.
  SimServer* Leader() const;

  // A new blank machine, not started.
  SimServer* Add();
  bool full() const { return servers_.size() >= kMostServers; }

  // Tells the invariants which memberships the living servers have in their logs.
  void LearnMemberships();

  // The newest membership that is known to be committed.
  const raft::Membership& membership() const { return usual_.invariants->membership(); }
  bool IsMember(NodeId id) const;     // Of that one.
  bool MayBeMember(NodeId id) const;  // Of that one or one that may follow.

  // The leader of `term` was asked for a change: `membership` may come to hold.
  void NoteAsked(Term term, raft::Membership membership);
  // What became of everything that was asked for is known.
  void ForgetAsked() { asked_.clear(); }

  // Whether a majority is left if `server` is never heard of again.
  bool CanLose(const SimServer& server) const;
  // Whether `next` has a majority that can be counted on, whichever learners are promoted.
  bool IsSafe(const raft::Membership& next, NodeId without = kNoNode) const;

  // Adds servers that can be counted on to `some`, in random order, until they are a majority of
  // every membership that may hold. False: there are not enough.
  bool CompleteMajority(Rng& rng, std::set<NodeId>* some) const;

 private:
  static constexpr size_t kMostServers = 24;

  bool IsSound(NodeId id) const;

  const SimServerOptions usual_;
  Rng rng_;
  std::vector<std::unique_ptr<SimServer>> servers_;
  std::vector<std::pair<Term, raft::Membership>> asked_;
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_SIM_CLUSTER_H_
