// SimRun: one run of a whole cluster in simulated time, decided by one seed.
//
// Safety phase: clients work while the nemesis breaks machines, disks, clocks and the network, and
// changes who is a member, each run with faults of its own drawing. Liveness phase: a majority of
// the voters is healed, everything else stays as broken as it is, and the cluster must answer
// within kAnswerLimit; then everything is healed, and each member must answer. Checked: the Raft
// invariants all along; that no server stops by itself or refuses to start without a fault of its
// disk that explains it; that every answer and every restored state is what a model says of it; in
// the end, that all members hold the same, and what the clients were told is linearizable. A server
// whose disk has rotted may refuse to start, naming the file; it stays down for good.
#ifndef SISYPHUS_TESTS_SIM_SIM_RUN_H_
#define SISYPHUS_TESTS_SIM_SIM_RUN_H_

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tests/sim/nemesis.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_cluster.h"
#include "tests/sim/sim_operator.h"
#include "tests/sim/sim_server.h"
#include "tests/support/raft_invariants.h"
#include "tests/support/sim_executor.h"
#include "tests/support/sim_network.h"

namespace sisyphus::testing {

// A majority that is healed answers a write and a read after this much simulated time.
inline constexpr Duration kAnswerLimit = std::chrono::seconds(20);

struct SimRunOptions {
  uint64_t seed = 1;
  uint64_t nodes = 0;     // Founders; 0: one to seven, as the seed says.
  uint64_t seconds = 10;  // Of the safety phase, simulated.
  FaultFilter filter = {};
  bool verbose = false;
};

struct SimRunResult {
  std::string failure;   // Empty: all is well.
  bool gave_up = false;  // The search for a linear order did.
  uint64_t trace_hash = 0;
  double seconds = 0;  // Simulated.
  uint64_t steps = 0;
  uint64_t answered = 0;
  uint64_t refused = 0;
  uint64_t unknown = 0;
  uint64_t replayed = 0;                   // Writes that were asked for again, having been done.
  std::array<uint64_t, kKinds> by_kind{};  // Answered, by SimRequest::Kind.
  uint64_t faults = 0;
  uint64_t deaths = 0;
  uint64_t entries = 0;
  uint64_t founders = 0;
  uint64_t lost = 0;     // Servers whose disk was wiped or found rotten.
  uint64_t changed = 0;  // Changes of membership that were asked for and granted,
  uint64_t denied = 0;   // and that were not.
  uint64_t memberships = 0;
  double recovery = 0;  // Simulated seconds from a healed majority to its answers.
  std::vector<Strike> strikes;
  std::set<Fault> lasting;
  ServerCounters servers;
};

class SimRun {
 public:
  explicit SimRun(SimRunOptions options);
  ~SimRun();

  SimRunResult Execute();

 private:
  void MakeClients();
  void DrawMix(ClientMix* mix);
  SimServerOptions DrawSizes();
  uint64_t DrawFounders();
  void Boot(SimServer* server);
  void BootLater(SimServer* server);
  // Whether `status`, by which `server` ended, is no fault of ours.
  bool Excused(SimServer* server, const Status& status);
  void BuryTheDead();
  bool Step(MonotonicTime limit);
  // Steps until `done` or the limit or a failure; whether `done` came true.
  template <typename Done>
  bool RunUntil(Duration limit, Done done);
  void SafetyPhase();
  void MajorityPhase();
  bool GrowMajority();
  void RecoveryPhase();
  bool Probe(SimServer* server, const std::string& key, bool write);
  void ProbeUntil(MonotonicTime end, SimServer* server, const std::string& key, bool write);
  void CheckConvergence();
  void CheckHistory();
  void Fail(const std::string& what);
  void Say(const std::string& what);
  void SayTransfer(NodeId from, NodeId to, const node::PeerMessage& message);
  void SayStatus();

  const SimRunOptions options_;
  Rng rng_;
  SimExecutor executor_;
  SimNetwork network_;
  RaftInvariants invariants_;
  StateHistory history_;
  std::string failure_;
  bool gave_up_ = false;
  uint64_t deaths_ = 0;
  std::unique_ptr<SimCluster> cluster_;
  std::unique_ptr<SimOperator> operator_;
  uint64_t founders_ = 0;
  bool held_ = false;          // Only those in majority_ are started.
  std::set<NodeId> majority_;  // Those that are healed.
  double recovery_ = 0;
  ClientWorld world_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::unique_ptr<Nemesis> nemesis_;
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_SIM_RUN_H_
