// SimOperator: who changes the membership of the cluster in a run, through the node's own door as
// the server's endpoints do.
//
// It wants a number of members that it changes its mind about: it adds machines as learners (which
// are promoted without being asked, or at its request), removes members, the leader among them,
// replaces those that are lost, moves several at once through a joint configuration, and asks for
// what must be refused. It never leaves the cluster without a majority of machines that can be
// counted on. Machines that were removed are turned off, some at once, some much later.
#ifndef SISYPHUS_TESTS_SIM_SIM_OPERATOR_H_
#define SISYPHUS_TESTS_SIM_SIM_OPERATOR_H_

#include <cstdint>
#include <functional>
#include <set>
#include <string>

#include "base/rng.h"
#include "raft/membership.h"
#include "tests/sim/sim_cluster.h"
#include "tests/support/sim_executor.h"

namespace sisyphus::testing {

struct OperatorOptions {
  uint64_t seed = 1;
  SimExecutor* executor = nullptr;
  SimCluster* cluster = nullptr;
  std::function<void(SimServer*)> boot;
  std::function<void(const std::string&)> say;  // May be null.
};

class SimOperator {
 public:
  explicit SimOperator(OperatorOptions options);

  // One look at the cluster, and perhaps one request.
  void Act();

  // Turns off whoever is not, and will not be, a member.
  void DismissOutsiders();

  uint64_t changed() const { return changed_; }
  uint64_t refused() const { return refused_; }

  // The first answer that should have been another; empty: none.
  const std::string& violation() const { return violation_; }

 private:
  enum class Expect : uint8_t { kAnything, kRefusal };

  void DismissRemoved();
  // The next change; without operations: none for now.
  raft::MembershipChange Choose(const SimServer& leader, const raft::Membership& now,
                                Expect* expect);
  raft::MembershipChange Nonsense(const raft::Membership& now);
  NodeId Newcomer(const raft::Membership& now, bool start);
  NodeId Victim(const SimServer& leader, const raft::Membership& now);
  bool IsSafe(const raft::Membership& now, const raft::MembershipChange& change) const;
  void Ask(SimServer* leader, const raft::Membership& now, raft::MembershipChange change,
           Expect expect);
  void OnAnswer(uint64_t number, Expect expect, const std::string& what, const Status& status);

  const OperatorOptions options_;
  Rng rng_;
  uint64_t wanted_;
  bool waiting_ = false;
  uint64_t number_ = 0;  // Of the last change that was asked for.
  uint64_t changed_ = 0;
  uint64_t refused_ = 0;
  std::set<NodeId> dismissed_;  // Or will be soon.
  std::string violation_;
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_SIM_OPERATOR_H_
