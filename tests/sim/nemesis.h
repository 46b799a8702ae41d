// Nemesis: what goes wrong in a run.
//
// Each run draws which kinds of faults it has, how much of each, and how often they strike (a
// swarm: a run with few kinds goes deeper than one with all). A strike has a number, and draws from
// a generator of its own: leaving one out, or a kind, moves no other.
#ifndef SISYPHUS_TESTS_SIM_NEMESIS_H_
#define SISYPHUS_TESTS_SIM_NEMESIS_H_

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "tests/sim/sim_cluster.h"
#include "tests/sim/sim_operator.h"
#include "tests/support/sim_executor.h"
#include "tests/support/sim_network.h"

namespace sisyphus::testing {

enum class Fault : uint8_t {
  kPowerLoss,
  kPowerLossOfAll,
  kKill,
  kStop,
  kPowerLossAtOperation,
  kKillAtOperation,
  kWipe,
  kDiskError,
  kReadError,
  kDiskFull,
  kBitRot,
  kSlowDisk,
  kPartition,
  kPartialPartition,
  kIsolate,
  kOneWayCut,
  kHeal,
  kPause,
  kClockRate,
  kFlush,
  kTransfer,
  kMembership,
  // These do not strike but last as long as the nemesis works.
  kDelay,
  kLoss,
  kRepetition,
  kReordering,
  kCount,
};

const char* NameOf(Fault fault);

// What is left out of a run.
struct FaultFilter {
  std::set<Fault> without;
  std::set<uint64_t> skip;  // Numbers of strikes.

  bool empty() const { return without.empty() && skip.empty(); }
};

struct Strike {
  uint64_t number;
  Fault fault;
};

struct NemesisOptions {
  uint64_t seed = 1;
  FaultFilter filter;
  SimExecutor* executor = nullptr;
  SimNetwork* network = nullptr;
  SimCluster* cluster = nullptr;
  SimOperator* administrator = nullptr;
  std::function<void(const std::string&)> say;  // May be null.
};

class Nemesis {
 public:
  explicit Nemesis(NemesisOptions options);

  void Start();

  // Strikes no more, and repairs the machines `sound` and the network between them. What is broken
  // beside them stays as it is. May be called again.
  void Spare(const std::set<NodeId>& sound);

  // Undoes all that can be undone, and does nothing more. Servers that are down stay so.
  void Stop();

  // Whether this death was the nemesis's doing although the server stopped by itself (a failed
  // operation of its disk).
  bool Expected(const Incarnation& who) const {
    return broken_disks_.contains(who) || full_disks_.contains(who.node);
  }

  // `server` is down and its disk at rest: bits may flip now.
  void OnDown(SimServer* server);

  // A machine that is new in the cluster.
  void OnNew(SimServer* server) { UsualSyncTime(server); }

  // How long a dead server stays down.
  Duration DrawDowntime();

  const std::vector<Strike>& strikes() const { return strikes_; }
  // The lasting kinds that this run has.
  const std::set<Fault>& lasting() const { return lasting_; }

 private:
  NetworkFaults DrawNetworkFaults();
  void ScheduleNext();
  void StrikeNow();
  void Do(Fault fault, SimServer* server, Rng& rng);
  void DoToNetwork(Fault fault, SimServer* server, Rng& rng);
  void AtOperation(SimServer* server, Death death, Rng& rng);
  void Wipe(SimServer* server);
  void Partition(Rng& rng);
  void CutForAWhile(std::vector<std::pair<NodeId, NodeId>> links, Duration duration);
  std::vector<std::pair<NodeId, NodeId>> AllLinksOf(NodeId node) const;
  void FillDisk(SimServer* server, Rng& rng);
  void EmptyDisk(SimServer* server);
  void Rot(SimServer* server);
  void Pause(SimServer* server, Rng& rng);
  SimServer* PickServer(Rng& rng);
  void UsualSyncTime(SimServer* server);
  void Repair(SimServer* server);

  const NemesisOptions options_;
  Rng rng_;
  Rng downtime_rng_;
  Rng rot_rng_;
  std::vector<Fault> kinds_;  // Those of this run; some more than once.
  std::set<Fault> lasting_;
  Duration period_{};
  Duration sync_high_{};
  Duration max_downtime_{};
  bool stopped_ = false;
  uint64_t number_ = 0;  // Of the last strike, done or left out.
  std::vector<Strike> strikes_;
  std::set<Incarnation> broken_disks_;
  std::set<NodeId> full_disks_;
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_NEMESIS_H_
