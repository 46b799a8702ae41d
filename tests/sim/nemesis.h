// Nemesis: what goes wrong in a run.
//
// Each run draws which kinds of faults it has and how often they come (a swarm: a run with few
// kinds goes deeper than one with all).
#ifndef SISYPHUS_TESTS_SIM_NEMESIS_H_
#define SISYPHUS_TESTS_SIM_NEMESIS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tests/sim/sim_server.h"
#include "tests/support/sim_executor.h"
#include "tests/support/sim_network.h"

namespace sisyphus::testing {

struct NemesisOptions {
  uint64_t seed = 1;
  SimExecutor* executor = nullptr;
  SimNetwork* network = nullptr;
  std::vector<std::unique_ptr<SimServer>>* servers = nullptr;
  std::function<void(const std::string&)> say;  // May be null.
};

class Nemesis {
 public:
  explicit Nemesis(NemesisOptions options);

  void Start();

  // Undoes all that can be undone, and does nothing more. Servers that are down stay so.
  void Stop();

  // Whether this death was the nemesis's doing although the server stopped by itself (a failed
  // operation of its disk).
  bool Expected(const Incarnation& who) const {
    return broken_disks_.contains(who) || full_disks_.contains(who.node);
  }

  // `server` is down and its disk at rest: bits may flip now.
  void OnDown(SimServer* server);

  // How long a dead server stays down.
  Duration DrawDowntime();

  uint64_t faults() const { return faults_; }

 private:
  enum class Fault : uint8_t {
    kPowerLoss,
    kPowerLossOfAll,
    kKill,
    kStop,
    kPowerLossAtOperation,
    kKillAtOperation,
    kDiskError,
    kReadError,
    kDiskFull,
    kBitRot,
    kSlowDisk,
    kPartition,
    kIsolate,
    kOneWayCut,
    kHeal,
    kPause,
    kClockRate,
    kFlush,
    kTransfer,
    kCount,
  };

  void ScheduleNext();
  void Strike();
  void Do(Fault fault, SimServer* server);
  void AtOperation(SimServer* server, Death death);
  void Partition();
  void Isolate(NodeId node);
  void FillDisk(SimServer* server);
  void Rot(SimServer* server);
  void Pause(SimServer* server);
  SimServer* PickServer();
  void UsualSyncTime(SimServer* server);

  const NemesisOptions options_;
  Rng rng_;
  std::vector<Fault> kinds_;  // Those of this run.
  Duration period_{};
  Duration sync_high_{};
  Duration max_downtime_{};
  bool stopped_ = false;
  uint64_t faults_ = 0;
  std::set<Incarnation> broken_disks_;
  std::set<NodeId> full_disks_;
  std::set<NodeId> rotting_;  // They have lost bits, or will when they are down.
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_NEMESIS_H_
