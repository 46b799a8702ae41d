#include "tests/sim/sim_server.h"

#include <utility>

#include "node/snapshot_files.h"

namespace sisyphus::testing {
namespace {

constexpr char kLogDirectory[] = "data/log";
constexpr char kDbDirectory[] = "data/db";
constexpr char kIncomingDirectory[] = "data/incoming";
constexpr char kSnapshotDirectory[] = "data/snapshots";
constexpr size_t kDoorCapacity = 256;
constexpr Index kNoLimit(UINT64_MAX);
// Beside a sync, what an operation costs.
constexpr Duration kOperationTime = std::chrono::microseconds(2);

}  // namespace

// Shows the checker what the machine is given and what it says.
class SimServer::CheckedMachine final : public node::StateMachine {
 public:
  explicit CheckedMachine(SimServer* server) : server_(server) {}

  LogPosition durable() const override { return server_->machine_->durable(); }

  Status Apply(std::span<const node::Command> commands,
               std::vector<std::string>* results) override {
    const size_t before = results->size();
    // After an error too: readers see what came before it.
    const Status status = ApplyFlipped(commands, results);
    if (!server_->process_->alive()) return status;  // Nobody will hear of it.
    const Term term = server_->node_->View().term;
    for (size_t i = 0; before + i < results->size(); ++i) {
      server_->options_.invariants->OnApply(server_->incarnation(), term, commands[i].position,
                                            commands[i].bytes, (*results)[before + i]);
      server_->options_.history->OnApply(commands[i].position, commands[i].bytes,
                                         (*results)[before + i]);
    }
    return status;
  }

  std::shared_ptr<const std::string> Stamp(std::shared_ptr<const std::string> command,
                                           Term term) override {
    return server_->machine_->Stamp(std::move(command), term);
  }
  void ScheduleFlush() override { server_->machine_->ScheduleFlush(); }
  std::vector<node::ContentHash> ContentHashes() const override {
    return server_->machine_->ContentHashes();
  }
  StatusOr<LogPosition> Checkpoint(const std::string& directory) override {
    return server_->machine_->Checkpoint(directory);
  }
  Status Install(const std::function<Status()>& swap) override {
    server_->CountTree();
    SIS_RETURN_IF_ERROR(server_->machine_->Install(swap));
    if (!server_->process_->alive()) return OkStatus();
    server_->differs_since_.reset();
    ++server_->counters_.snapshots_installed;
    return server_->CheckRestored();
  }
  bool ReadyToApply() const override { return server_->machine_->ReadyToApply(); }
  void SetReadyCallback(std::function<void()> on_ready) override {
    server_->machine_->SetReadyCallback(std::move(on_ready));
  }
  double Pressure() const override { return server_->machine_->Pressure(); }

 private:
  Status ApplyFlipped(std::span<const node::Command> commands, std::vector<std::string>* results) {
    if (!server_->flip_) return server_->machine_->Apply(commands, results);
    for (const node::Command& command : commands) {
      std::string scratch;
      const node::Command given{command.position, server_->Flipped(command, &scratch)};
      SIS_RETURN_IF_ERROR(server_->machine_->Apply({&given, 1}, results));
    }
    return OkStatus();
  }

  SimServer* const server_;
};

void ServerCounters::Add(const ServerCounters& other) {
  flushes += other.flushes;
  tree_compactions += other.tree_compactions;
  log_segments_deleted += other.log_segments_deleted;
  log_reads += other.log_reads;
  snapshots_installed += other.snapshots_installed;
  snapshots_resumed += other.snapshots_resumed;
}

SimServer::SimServer(SimServerOptions options)
    : options_(std::move(options)),
      rng_(options_.seed),
      latency_rng_(rng_.Fork()),
      disk_(std::make_unique<SimFileSystem>()) {}

SimServer::~SimServer() {
  if (up()) Die(Death::kKilled);
  if (needs_burial()) Bury();
}

void SimServer::OnFileOperation(const FileOperation& operation) {
  if (operation.mutates() && mutations_until_action_ > 0 && --mutations_until_action_ == 0) {
    std::exchange(action_, nullptr)();
  }
  Duration time = kOperationTime;
  if (operation.kind == FileOperation::Kind::kSync ||
      operation.kind == FileOperation::Kind::kSyncDirectory) {
    time += Duration(static_cast<int64_t>(latency_rng_.Between(
        static_cast<uint64_t>(sync_low_.count()), static_cast<uint64_t>(sync_high_.count()))));
  }
  options_.executor->Accrue(time);
  if (node_ != nullptr && operation.path.starts_with(kLogDirectory)) {
    if (operation.kind == FileOperation::Kind::kDelete) ++counters_.log_segments_deleted;
    if (operation.kind == FileOperation::Kind::kRead) ++counters_.log_reads;
  }
}

void SimServer::CountTree() {
  const DbStats stats = machine_->stats();
  counters_.flushes += stats.flushes;
  counters_.tree_compactions += stats.compactions;
}

ServerCounters SimServer::counters() const {
  ServerCounters all = counters_;
  if (machine_ == nullptr) return all;
  const DbStats stats = machine_->stats();
  all.flushes += stats.flushes;
  all.tree_compactions += stats.compactions;
  return all;
}

std::string_view SimServer::Flipped(const node::Command& command, std::string* scratch) {
  if (!flip_ || command.bytes.empty()) return command.bytes;
  const StatusOr<kv::Command> decoded = kv::DecodeCommand(command.bytes);
  if (!decoded.ok() || decoded->kind != kv::Command::Kind::kPut || decoded->key != *flip_ ||
      decoded->value.empty()) {
    return command.bytes;
  }
  scratch->assign(command.bytes);
  scratch->back() ^= 1;  // The value is the last of it.
  flip_.reset();
  differs_since_ = command.position.index;
  return *scratch;
}

Status SimServer::CheckRestored() {
  const std::shared_ptr<DB> tree = machine_->db();
  const Position at = tree->last_written();
  options_.invariants->OnRestored(incarnation(), {Index(at.sequence), Term(at.term)});
  // Gone with what was not flushed, and applied anew as it should be.
  if (differs_since_ && at.sequence < differs_since_->value()) differs_since_.reset();
  if (rotten_ || differs()) return OkStatus();
  const std::string who = "node " + ToString(options_.id);
  SIS_RETURN_IF_ERROR(options_.history->CheckTree(who, *tree));
  const Index floor = machine_->history_floor();
  SIS_RETURN_IF_ERROR(options_.history->CheckChanges(who, *tree, floor));
  // The past, as far as it is held.
  const Index past(rng_.Between(floor.value(), at.sequence));
  return options_.history->CheckTreeAt(who + ", of the past,", *tree, past);
}

Status SimServer::Boot() {
  ++incarnation_;
  fatal_ = OkStatus();
  process_ = options_.executor->CreateProcess("node" + ToString(options_.id));
  disk_->SetObserver([this](const FileOperation& operation) { OnFileOperation(operation); });
  return OpenEverything();
}

Status SimServer::OpenEverything() {
  SIS_RETURN_IF_ERROR(disk_->CreateDirectory("data"));
  SIS_RETURN_IF_ERROR(disk_->SyncDirectory("."));
  const auto on_fatal = [this](const Status& status) {
    if (!up()) return;  // The dead process's code cannot know that it is dead.
    fatal_ = status;
    Die(Death::kKilled);
  };
  node::NodeOptions node = options_.node;
  SIS_ASSIGN_OR_RETURN(node.installed_snapshot,
                       node::RecoverIncoming(*disk_, kIncomingDirectory, kDbDirectory));
  kv::Machine::MachineOptions machine;
  machine.directory = kDbDirectory;
  machine.engine = options_.engine;
  machine.engine.file_system = disk_.get();
  machine.engine.executor = process_.get();
  machine.content_range = options_.content_range;
  machine.on_fatal = on_fatal;
  SIS_ASSIGN_OR_RETURN(machine_, kv::Machine::Open(std::move(machine)));
  if (node.installed_snapshot) {
    ++counters_.snapshots_resumed;
    differs_since_.reset();
  }
  SIS_RETURN_IF_ERROR(CheckRestored());
  keeper_ = std::make_unique<kv::HistoryKeeper>(options_.kept_history, machine_.get(),
                                                &process_->clock());
  checked_ = std::make_unique<CheckedMachine>(this);
  transport_ = options_.network->CreateTransport(options_.id, process_.get());
  node.id = options_.id;
  node.log_directory = kLogDirectory;
  node.incoming_directory = kIncomingDirectory;
  node.snapshot_directory = kSnapshotDirectory;
  node.state_directory = kDbDirectory;
  node.initial_membership = options_.membership;
  node.contacts = contacts_;
  node.seed = rng_.Next();
  node.file_system = disk_.get();
  node.executor = process_.get();
  node.transport = transport_.get();
  node.state_machine = checked_.get();
  node.on_fatal = on_fatal;
  node.on_content = [this](const node::ContentFinding& finding) {
    if (options_.on_content) options_.on_content(options_.id, finding);
  };
  const bool took_snapshot = node.installed_snapshot.has_value();
  SIS_ASSIGN_OR_RETURN(node_, node::Node::Start(std::move(node)));
  keeper_->Attach(node_.get());
  if (!rotten_ && process_->alive()) {
    const raft::CoreStatus core = node_->Status().core;
    // A snapshot may have taken the place of more entries than it stands for.
    options_.invariants->OnStarted(options_.id, core.term, core.vote,
                                   took_snapshot ? kNoLimit : core.last);
  }
  store_ = std::make_unique<kv::Store>(node_.get(), machine_.get());
  door_ = process_->CreateActor({.name = "door", .capacity = kDoorCapacity});
  return OkStatus();
}

void SimServer::Die(Death death) {
  if (!up()) return;
  death_ = death;
  if (death == Death::kStopped && node_ != nullptr) node_->Stop();
  if (death == Death::kPowerLoss) disk_after_ = disk_->CrashClone(rng_);
  process_->Kill();
  disk_->Halt();
}

void SimServer::Bury() {
  mutations_until_action_ = 0;
  action_ = nullptr;
  disk_->SetObserver(nullptr);
  disk_->ClearFaults();
  if (death_ == Death::kPowerLoss) {
    options_.network->Vanish(options_.id);
  } else {
    options_.network->Disconnect(options_.id);
  }
  door_.reset();
  store_.reset();
  node_.reset();
  transport_.reset();
  checked_.reset();
  keeper_.reset();
  if (machine_ != nullptr) CountTree();
  machine_.reset();
  process_.reset();
  if (disk_after_ != nullptr) {
    disk_ = std::move(disk_after_);
  } else {
    disk_->Revive();
  }
}

void SimServer::AtMutation(uint64_t countdown, std::function<void()> action) {
  mutations_until_action_ = countdown;
  action_ = std::move(action);
}

void SimServer::SetSyncTime(Duration low, Duration high) {
  sync_low_ = low;
  sync_high_ = high;
}

}  // namespace sisyphus::testing
