// SimServer: one whole server without its HTTP and gRPC ends, on a simulated machine.
//
// Disk, log, core, node, state machine and store are the real ones; a "door" actor stands for the
// HTTP threads. A machine outlives its processes: Boot after Die finds on the disk what the crash
// left.
#ifndef SISYPHUS_TESTS_SIM_SIM_SERVER_H_
#define SISYPHUS_TESTS_SIM_SIM_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "base/status.h"
#include "kv/history_keeper.h"
#include "kv/machine.h"
#include "kv/store.h"
#include "node/node.h"
#include "tests/sim/state_history.h"
#include "tests/support/raft_invariants.h"
#include "tests/support/sim_executor.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/sim_network.h"

namespace sisyphus::testing {

enum class Death : uint8_t {
  kPowerLoss,  // The disk loses what was not synced; peers hear nothing.
  kKilled,     // The page cache stays; connections break.
  kStopped,    // In order: waiters are answered first.
};

struct SimServerOptions {
  NodeId id;
  raft::Membership membership;  // Whom it founds the cluster with; empty: it waits to be added.
  uint64_t seed = 0;
  Options engine;          // Sizes only.
  node::NodeOptions node;  // Sizes and paces only.
  kv::HistoryOptions kept_history;
  SimExecutor* executor = nullptr;
  SimNetwork* network = nullptr;
  RaftInvariants* invariants = nullptr;
  StateHistory* history = nullptr;
  uint64_t content_range = 64;
  // What the node says of the content of others and its own.
  std::function<void(NodeId who, const node::ContentFinding&)> on_content;
};

// Of all incarnations of a server, or of all servers.
struct ServerCounters {
  uint64_t flushes = 0;
  uint64_t tree_compactions = 0;
  uint64_t log_segments_deleted = 0;
  uint64_t log_reads = 0;            // By a running node: for followers that lag.
  uint64_t snapshots_installed = 0;  // By a running node,
  uint64_t snapshots_resumed = 0;    // or by the start after a crash in the middle.

  void Add(const ServerCounters& other);
};

class SimServer {
 public:
  explicit SimServer(SimServerOptions options);
  ~SimServer();

  // Starts a process on what the disk holds. An error while no death was asked for is a bug.
  Status Boot();

  // The process ends. In the middle of one of its tasks this only marks it dead: nothing that it
  // does reaches the world any more, and Bury() clears it away after the task.
  void Die(Death death);
  void Bury();

  bool up() const { return process_ != nullptr && process_->alive(); }
  bool needs_burial() const { return process_ != nullptr && !process_->alive(); }
  Death death() const { return death_; }

  // This machine's disk decays: its tables may be unreadable, and are not looked at.
  void SetRotten() { rotten_ = true; }
  bool rotten() const { return rotten_; }
  // It will never be started again: its disk is lost, or it was taken out of the cluster.
  void Lose() { lost_ = true; }
  bool lost() const { return lost_; }
  void Dismiss() { dismissed_ = true; }
  bool gone() const { return lost_ || dismissed_; }

  // Whom it answers as long as it is blank.
  void SetContacts(std::vector<raft::Membership::Address> contacts) {
    contacts_ = std::move(contacts);
  }

  // Before operation number `countdown` that changes the disk, `action` runs, once.
  void AtMutation(uint64_t countdown, std::function<void()> action);
  // The next put of `key` that its state machine applies gets one bit of its value flipped: this
  // replica's content differs from then on, until it installs a snapshot, or restarts before it has
  // flushed that.
  void FlipBitOfNextPut(const std::string& key) { flip_ = key; }
  bool differs() const { return differs_since_.has_value(); }
  // How long a sync takes from now on: uniform in [low, high].
  void SetSyncTime(Duration low, Duration high);

  NodeId id() const { return options_.id; }
  Incarnation incarnation() const { return {options_.id, incarnation_}; }
  SimProcess* process() const { return process_.get(); }
  SimFileSystem* disk() const { return disk_.get(); }
  kv::Machine* machine() const { return machine_.get(); }
  node::Node* node() const { return node_.get(); }
  kv::Store* store() const { return store_.get(); }
  Actor* door() const { return door_.get(); }

  ServerCounters counters() const;

  // What stopped the process by itself; OK if nothing did.
  const Status& fatal() const { return fatal_; }

 private:
  class CheckedMachine;

  // `bytes`, or what becomes of them by the flipped bit.
  std::string_view Flipped(const node::Command& command, std::string* scratch);
  Status OpenEverything();
  void OnFileOperation(const FileOperation& operation);
  // The state machine begins anew with what its tables hold.
  Status CheckRestored();
  void CountTree();

  const SimServerOptions options_;
  Rng rng_;
  Rng latency_rng_;
  uint64_t incarnation_ = 0;
  Death death_ = Death::kStopped;
  Status fatal_;
  bool rotten_ = false;
  bool lost_ = false;
  bool dismissed_ = false;
  std::vector<raft::Membership::Address> contacts_;
  ServerCounters counters_;  // The open tree's excluded.
  Duration sync_low_{};
  Duration sync_high_{};
  std::optional<std::string> flip_;
  std::optional<Index> differs_since_;
  uint64_t mutations_until_action_ = 0;
  std::function<void()> action_;

  std::unique_ptr<SimFileSystem> disk_;
  std::unique_ptr<SimFileSystem> disk_after_;  // What the power loss leaves.

  // In the order of their making; destroyed the other way round.
  std::unique_ptr<SimProcess> process_;
  std::unique_ptr<kv::Machine> machine_;
  std::unique_ptr<kv::HistoryKeeper> keeper_;
  std::unique_ptr<CheckedMachine> checked_;
  std::unique_ptr<node::Transport> transport_;
  std::unique_ptr<node::Node> node_;
  std::unique_ptr<kv::Store> store_;
  std::unique_ptr<Actor> door_;
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_SIM_SERVER_H_
