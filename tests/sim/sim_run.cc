#include "tests/sim/sim_run.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <utility>

#include "tests/sim/crash_note.h"

namespace sisyphus::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// After everything is healed: to elect, catch up and answer, at each member.
constexpr Duration kRecoveryLimit = seconds(30);
// A snapshot whose transfer was broken off is offered again after some ten seconds.
constexpr Duration kConvergenceLimit = seconds(60);
// Nobody asks for a longer lease, or keeps one alive, when clients have stopped.
constexpr Duration kLeaseLimit = seconds(15);

double Seconds(MonotonicTime time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

}  // namespace

SimRun::SimRun(SimRunOptions options)
    : options_(options),
      rng_(options.seed),
      executor_({.seed = rng_.Next()}),
      network_(&executor_, rng_.Next()) {
  NoteSeed(options.seed);
  network_.SetTap([this](NodeId from, NodeId to, const node::PeerMessage& message) {
    if (const auto* raft = std::get_if<raft::Message>(&message)) {
      invariants_.OnSend(cluster_->Find(from)->incarnation(), *raft);
    } else if (options_.verbose) {
      SayTransfer(from, to, message);
    }
  });
  const auto say = [this](const std::string& what) { Say(what); };
  founders_ = DrawFounders();
  cluster_ = std::make_unique<SimCluster>(DrawSizes(), founders_, rng_.Next());
  MakeClients();
  OperatorOptions administrator{.seed = rng_.Next(),
                                .executor = &executor_,
                                .cluster = cluster_.get(),
                                .boot = nullptr,
                                .say = nullptr};
  administrator.boot = [this](SimServer* server) {
    nemesis_->OnNew(server);
    Boot(server);
  };
  if (options_.verbose) administrator.say = say;
  operator_ = std::make_unique<SimOperator>(std::move(administrator));
  NemesisOptions nemesis{.seed = rng_.Next(),
                         .filter = options_.filter,
                         .executor = &executor_,
                         .network = &network_,
                         .cluster = cluster_.get(),
                         .administrator = operator_.get(),
                         .say = nullptr};
  if (options_.verbose) nemesis.say = say;
  nemesis_ = std::make_unique<Nemesis>(std::move(nemesis));
}

SimRun::~SimRun() = default;

uint64_t SimRun::DrawFounders() {
  static constexpr uint64_t kFounders[] = {1, 2, 3, 3, 3, 3, 3, 4, 5, 5, 6, 7};
  const uint64_t drawn = kFounders[rng_.Below(std::size(kFounders))];
  return options_.nodes != 0 ? options_.nodes : drawn;
}

// Small, so that ten seconds of work fill tables, levels and log segments many times.
SimServerOptions SimRun::DrawSizes() {
  SimServerOptions sizes;
  sizes.executor = &executor_;
  sizes.network = &network_;
  sizes.invariants = &invariants_;
  sizes.history = &history_;
  // Replicas that differ would be a bug here, and so would be to say that they do.
  sizes.on_content = [this](NodeId who, const node::ContentFinding& finding) {
    Fail("node " + ToString(who) + ": " + Describe(finding));
  };
  sizes.engine.memtable_bytes = size_t{1} << rng_.Between(12, 16);
  sizes.engine.max_immutable_memtables = rng_.Between(1, 4);
  sizes.engine.block_cache_bytes = size_t{1} << rng_.Between(10, 20);
  sizes.engine.block_bytes = size_t{1} << rng_.Between(8, 12);
  sizes.engine.max_open_tables = rng_.Between(2, 64);
  sizes.engine.level0_compaction_trigger = rng_.Between(2, 4);
  sizes.engine.level1_bytes = uint64_t{1} << rng_.Between(13, 16);
  sizes.engine.table_bytes = uint64_t{1} << rng_.Between(12, 15);
  sizes.engine.manifest_rewrite_bytes = uint64_t{1} << rng_.Between(9, 14);
  sizes.engine.compress = rng_.Chance(1, 2);
  sizes.kept_history.max_revisions = uint64_t{1} << rng_.Between(4, 12);
  sizes.node.log_segment_bytes = uint64_t{1} << rng_.Between(13, 15);
  sizes.node.log_keep_bytes = uint64_t{1} << rng_.Between(11, 15);
  sizes.node.log_max_bytes = sizes.node.log_keep_bytes * rng_.Between(1, 4);
  if (rng_.Chance(1, 3)) sizes.node.min_free_bytes = uint64_t{1} << rng_.Between(12, 17);
  if (rng_.Chance(1, 3)) sizes.node.snapshot_bytes_per_second = rng_.Between(50, 1000) << 10;
  return sizes;
}

void SimRun::MakeClients() {
  world_.executor = &executor_;
  world_.invariants = &invariants_;
  world_.history = &history_;
  world_.cluster = cluster_.get();
  history_.SetExpiryListener([this](uint64_t lease) { world_.OnExpired(lease); });
  const uint64_t keys = rng_.Chance(3, 4) ? rng_.Between(1, 8) : rng_.Between(20, 200);
  for (uint64_t i = 0; i < keys; ++i) world_.keys.push_back("key" + std::to_string(i));
  std::sort(world_.keys.begin(), world_.keys.end());
  DrawMix(&world_.mix);
  const uint64_t clients = rng_.Between(2, 8);
  for (uint64_t i = 1; i <= clients; ++i) {
    clients_.push_back(std::make_unique<SimClient>(&world_, i, rng_.Next()));
  }
}

void SimRun::DrawMix(ClientMix* mix) {
  const auto some = [this](uint64_t most) {
    return rng_.Chance(1, 2) ? static_cast<uint32_t>(rng_.Between(1, most)) : 0;
  };
  mix->think_time = milliseconds(static_cast<int64_t>(rng_.Between(1, 40)));
  mix->period = milliseconds(static_cast<int64_t>(rng_.Between(2'000, 20'000)));
  mix->busy_of_8 = rng_.Chance(1, 8) ? 8 : static_cast<uint32_t>(rng_.Between(1, 4));
  mix->reads_of_10 = static_cast<uint32_t>(rng_.Between(1, 8));
  mix->lease_reads_of_10 = some(10);
  mix->stale_reads_of_10 = some(7);
  mix->appends_of_10 = some(7);
  mix->large_of_100 = static_cast<uint32_t>(rng_.Between(5, 60));
  mix->sessions_of_10 = some(10);
  mix->special_of_10 = some(5);
  using Kind = SimRequest::Kind;
  for (const Kind kind :
       {Kind::kRange, Kind::kDeleteRange, Kind::kTxn, Kind::kGrant, Kind::kCompact}) {
    if (rng_.Chance(1, 2)) mix->special.push_back(kind);
  }
}

void SimRun::Fail(const std::string& what) {
  if (failure_.empty()) failure_ = what;
}

void SimRun::Say(const std::string& what) {
  if (options_.verbose) std::printf("%10.6f  %s\n", Seconds(executor_.now()), what.c_str());
}

void SimRun::SayTransfer(NodeId from, NodeId to, const node::PeerMessage& message) {
  const std::string link = "node " + ToString(from) + " to " + ToString(to) + ": ";
  if (const auto* offer = std::get_if<node::SnapshotOffer>(&message)) {
    const auto& meta = std::get<raft::SnapshotRequest>(offer->request.body).meta;
    Say(link + "offers a snapshot at " + ToString(meta.last.index) + ", " +
        std::to_string(offer->files.size()) + " files");
  } else if (const auto* request = std::get_if<node::SnapshotChunkRequest>(&message)) {
    Say(link + (request->done ? "has the snapshot"
                              : "asks for file " + std::to_string(request->file) + " from " +
                                    std::to_string(request->offset)));
  }
}

// What a reader of a failed run wants to know of each server.
void SimRun::SayStatus() {
  for (const auto& server : cluster_->servers()) {
    const std::string name = "node " + ToString(server->id()) + ": ";
    if (!server->up()) {
      Say(name + (server->lost() ? "lost" : server->gone() ? "dismissed" : "down"));
      continue;
    }
    const node::NodeStatus status = server->node()->Status();
    const raft::CoreStatus& core = status.core;
    Say(name + "term " + ToString(core.term) + ", leader " + ToString(core.leader) + ", log " +
        ToString(core.first) + " to " + ToString(core.last) + ", commit " + ToString(core.commit) +
        ", applied " + ToString(server->machine()->revision()) + ", flushed " +
        ToString(server->machine()->durable().index));
    for (const raft::PeerProgress& peer : status.progress) {
      Say("  of node " + ToString(peer.id) + ": match " + ToString(peer.match) + ", next " +
          ToString(peer.next) + ", state " + std::to_string(static_cast<int>(peer.state)) +
          (peer.active ? "" : ", silent"));
    }
  }
}

void SimRun::Boot(SimServer* server) {
  const Status status = server->Boot();
  if (options_.verbose) {
    Say("node " + ToString(server->id()) + " boots: " +
        (status.ok() ? "applied " + ToString(server->machine()->revision())
                     : std::string(MessageOf(status))));
  }
  if (status.ok() || !server->up()) return;  // Or struck while booting.
  if (!Excused(server, status)) {
    Fail("node " + ToString(server->id()) + " refuses to start: " + std::string(MessageOf(status)));
  }
  server->Die(Death::kKilled);
}

bool SimRun::Excused(SimServer* server, const Status& status) {
  if (server->rotten() && status.code() == StatusCode::kDataLoss) {
    server->Lose();
    return MessageOf(status).find("data/") != std::string_view::npos;
  }
  return nemesis_->Expected(server->incarnation());
}

void SimRun::BuryTheDead() {
  for (const auto& each : cluster_->servers()) {
    SimServer* server = each.get();
    if (!server->needs_burial()) continue;
    ++deaths_;
    if (!server->fatal().ok()) {
      Say("node " + ToString(server->id()) + " stops: " + std::string(MessageOf(server->fatal())));
      if (!Excused(server, server->fatal())) {
        Fail("node " + ToString(server->id()) +
             " stops by itself: " + std::string(MessageOf(server->fatal())));
      }
    }
    server->Bury();
    nemesis_->OnDown(server);
    BootLater(server);
  }
}

void SimRun::BootLater(SimServer* server) {
  if (server->gone()) return;
  executor_.After(nemesis_->DrawDowntime(), [this, server] {
    if (server->gone() || server->up()) return;
    if (held_ && !majority_.contains(server->id())) return;
    server->SetContacts(cluster_->membership().addresses);
    Boot(server);
  });
}

bool SimRun::Step(MonotonicTime limit) {
  if (!failure_.empty() || !executor_.Step(limit)) return false;
  bool deaths = false;
  for (const auto& server : cluster_->servers()) {
    const SimProcess* process = server->process();
    if (process == nullptr) continue;
    if (!process->alive()) {
      deaths = true;
    } else if (process == executor_.last() && server->node() != nullptr) {
      invariants_.OnView(server->incarnation(), server->node()->View());
    }
  }
  if (deaths) BuryTheDead();
  if (!invariants_.ok()) Fail(invariants_.violation());
  if (!history_.ok()) Fail(history_.violation());
  if (!world_.violation.empty()) Fail(world_.violation);
  if (!operator_->violation().empty()) Fail(operator_->violation());
  return failure_.empty();
}

template <typename Done>
bool SimRun::RunUntil(Duration limit, Done done) {
  const MonotonicTime end = executor_.now() + limit;
  while (!done()) {
    if (Step(end)) continue;
    if (failure_.empty()) executor_.RunFor(end - executor_.now());  // Nothing is due: time passes.
    return false;
  }
  return true;
}

void SimRun::SafetyPhase() {
  for (const auto& server : cluster_->servers()) Boot(server.get());
  nemesis_->Start();
  for (const auto& client : clients_) client->Start();
  RunUntil(seconds(static_cast<int64_t>(options_.seconds)), [] { return false; });
}

// One request; whether it was answered with success.
bool SimRun::Probe(SimServer* server, const std::string& key, bool write) {
  SimClient* client = clients_.front().get();
  if (write) {
    client->Write(server, key);
  } else {
    client->Read(server, key);
  }
  return RunUntil(2 * world_.patience, [&] { return client->idle(); }) && client->last_answered();
}

// Heals and starts as many servers as are a majority of whatever membership they know of; whether
// that needed more of them than before.
bool SimRun::GrowMajority() {
  cluster_->LearnMemberships();
  const std::set<NodeId> before = majority_;
  if (!cluster_->CompleteMajority(rng_, &majority_)) {
    Fail("the nemesis left no majority to heal");
    return false;
  }
  if (majority_ == before) return false;
  nemesis_->Spare(majority_);
  for (const NodeId id : majority_) {
    if (!before.contains(id) && !cluster_->Find(id)->up()) BootLater(cluster_->Find(id));
  }
  return true;
}

// One of them must answer, not all: who is cut off from a leader that works need not.
void SimRun::MajorityPhase() {
  for (const auto& client : clients_) client->Stop();
  held_ = true;
  GrowMajority();
  RunUntil(2 * world_.patience, [&] {
    return std::all_of(clients_.begin(), clients_.end(), [](const auto& c) { return c->idle(); });
  });
  MonotonicTime begin = executor_.now();
  std::string text;
  for (const NodeId id : majority_) text += " " + ToString(id);
  Say("healed:" + text);
  // A leader that nobody writes to must be able to answer a read, too.
  const bool write_first = rng_.Chance(1, 2);
  for (const bool write : {write_first, !write_first}) {
    while (failure_.empty()) {
      if (GrowMajority()) begin = executor_.now();
      auto at = majority_.begin();
      std::advance(at, rng_.Below(majority_.size()));
      SimServer* server = cluster_->Find(*at);
      if (server->up() && Probe(server, "key0", write)) break;
      RunUntil(milliseconds(100), [] { return false; });
      if (executor_.now() - begin < kAnswerLimit) continue;
      return Fail(std::string("liveness: a healed majority answers no ") +
                  (write ? "write: " : "read: ") +
                  std::string(MessageOf(clients_.front()->last_status())));
    }
  }
  recovery_ = Seconds(executor_.now()) - Seconds(begin);
  Say("the majority answers");
}

// A server that has fallen behind the others' logs answers reads only when it has its snapshot.
void SimRun::ProbeUntil(MonotonicTime end, SimServer* server, const std::string& key, bool write) {
  while (failure_.empty() && !server->gone() && !Probe(server, key, write)) {
    if (executor_.now() < end) continue;
    // A damaged table spoils the reads that meet it, and nothing else.
    if (server->rotten() && clients_.front()->last_status().code() == StatusCode::kDataLoss) return;
    return Fail("liveness: node " + ToString(server->id()) + " answers no " +
                (write ? "write: " : "read: ") +
                std::string(MessageOf(clients_.front()->last_status())));
  }
}

void SimRun::RecoveryPhase() {
  Say("all healed");
  nemesis_->Stop();
  held_ = false;
  operator_->DismissOutsiders();
  for (const auto& server : cluster_->servers()) {
    if (!server->up()) BootLater(server.get());
  }
  const bool all_up = RunUntil(kRecoveryLimit, [&] {
    for (const auto& server : cluster_->servers()) {
      if (!server->up() && !server->gone()) return false;
    }
    return true;
  });
  if (!all_up) return Fail("the servers do not come up again");
  operator_->DismissOutsiders();
  const MonotonicTime end = executor_.now() + kRecoveryLimit;
  for (const auto& server : cluster_->servers()) {
    ProbeUntil(end, server.get(), "key0", /*write=*/true);
  }
  for (const std::string& key : world_.keys) {
    if (failure_.empty()) ProbeUntil(end, cluster_->Draw(rng_), key, /*write=*/false);
  }
  if (!RunUntil(kLeaseLimit, [this] { return history_.leases() == 0; })) {
    Fail("liveness: " + std::to_string(history_.leases()) + " leases do not end");
  }
  CheckConvergence();
}

void SimRun::CheckConvergence() {
  const bool equal = RunUntil(kConvergenceLimit, [&] {
    for (const auto& server : cluster_->servers()) {
      if (server->gone()) continue;
      if (!server->up() || server->machine()->revision() != invariants_.chosen()) return false;
    }
    return true;
  });
  if (!equal) return Fail("the replicas do not converge");
  for (const auto& server : cluster_->servers()) {
    if (server->rotten() || server->gone()) continue;
    const std::string who = "in the end node " + ToString(server->id());
    const Status status = history_.CheckTree(who, *server->machine()->db());
    if (!status.ok()) return Fail(who + ": " + std::string(MessageOf(status)));
  }
  if (!history_.ok()) Fail(history_.violation());
}

void SimRun::CheckHistory() {
  const verify::LinearizabilityResult result = verify::CheckLinearizable(world_.operations);
  if (result.verdict == verify::LinearizabilityResult::Verdict::kNotLinearizable) {
    Fail("not linearizable: " + result.key + "\n" + result.report);
  }
  // Too many unknown outcomes for the search. The model has judged every answer all the same.
  gave_up_ = result.verdict == verify::LinearizabilityResult::Verdict::kGaveUp;
}

SimRunResult SimRun::Execute() {
  SafetyPhase();
  if (failure_.empty()) MajorityPhase();
  if (failure_.empty()) RecoveryPhase();
  if (options_.verbose && !failure_.empty()) SayStatus();
  if (failure_.empty()) CheckHistory();
  for (const verify::RegisterOperation& operation : world_.operations) {
    executor_.Trace(static_cast<uint64_t>(operation.returned));
  }
  SimRunResult result;
  result.failure = failure_;
  result.trace_hash = executor_.trace_hash();
  result.gave_up = gave_up_;
  result.seconds = Seconds(executor_.now());
  result.steps = executor_.steps();
  result.answered = world_.answered;
  result.refused = world_.refused;
  result.unknown = world_.unknown;
  result.replayed = world_.replayed;
  std::copy(std::begin(world_.by_kind), std::end(world_.by_kind), result.by_kind.begin());
  result.faults = nemesis_->strikes().size();
  result.strikes = nemesis_->strikes();
  result.lasting = nemesis_->lasting();
  result.founders = founders_;
  result.changed = operator_->changed();
  result.denied = operator_->refused();
  result.memberships = invariants_.memberships();
  result.recovery = recovery_;
  result.deaths = deaths_;
  result.entries = invariants_.chosen().value();
  for (const auto& server : cluster_->servers()) {
    result.lost += server->lost() ? 1 : 0;
    result.servers.Add(server->counters());
  }
  return result;
}

}  // namespace sisyphus::testing
