#include "tests/sim/nemesis.h"

#include <cerrno>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace sisyphus::testing {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

const char* const kNames[] = {"power loss",
                              "power loss of all",
                              "kill",
                              "stop",
                              "power loss at an operation",
                              "kill at an operation",
                              "disk error",
                              "read error",
                              "disk full",
                              "bit rot",
                              "slow disk",
                              "partition",
                              "isolation",
                              "one-way cut",
                              "heal",
                              "pause",
                              "clock rate",
                              "flush",
                              "transfer"};

constexpr uint64_t kLargeDisk = uint64_t{1} << 50;
constexpr char kTables[] = "data/db";
constexpr char kLog[] = "data/log";

Duration Draw(Rng& rng, Duration low, Duration high) {
  return Duration(static_cast<int64_t>(
      rng.Between(static_cast<uint64_t>(low.count()), static_cast<uint64_t>(high.count()))));
}

NetworkFaults DrawNetworkFaults(Rng& rng) {
  NetworkFaults faults;
  faults.max_delay = Draw(rng, microseconds(100), milliseconds(3));
  if (rng.Chance(1, 2)) faults.drop = static_cast<uint32_t>(rng.Below(100));
  if (rng.Chance(1, 2)) faults.duplicate = static_cast<uint32_t>(rng.Below(100));
  if (rng.Chance(1, 2)) faults.reorder = static_cast<uint32_t>(rng.Below(200));
  if (rng.Chance(1, 3)) faults.slow = static_cast<uint32_t>(rng.Below(50));
  return faults;
}

}  // namespace

Nemesis::Nemesis(NemesisOptions options) : options_(std::move(options)), rng_(options_.seed) {
  static_assert(std::size(kNames) == static_cast<size_t>(Fault::kCount));
  for (uint8_t i = 0; i < static_cast<uint8_t>(Fault::kCount); ++i) {
    if (rng_.Chance(2, 5)) kinds_.push_back(static_cast<Fault>(i));
  }
  // The way to a snapshot: so it comes more often.
  if (rng_.Chance(1, 2)) kinds_.insert(kinds_.end(), 2, Fault::kIsolate);
  period_ = Draw(rng_, milliseconds(100), milliseconds(2000));
  max_downtime_ = Draw(rng_, milliseconds(20), milliseconds(rng_.Chance(1, 2) ? 2000 : 8000));
  sync_high_ = Draw(rng_, microseconds(100), milliseconds(10));
  if (rng_.Chance(2, 3)) options_.network->SetFaults(DrawNetworkFaults(rng_));
}

Duration Nemesis::DrawDowntime() { return Draw(rng_, milliseconds(1), max_downtime_); }

void Nemesis::UsualSyncTime(SimServer* server) {
  server->SetSyncTime(microseconds(50), sync_high_);
}

void Nemesis::Start() {
  for (const auto& server : *options_.servers) UsualSyncTime(server.get());
  if (!kinds_.empty()) ScheduleNext();
}

void Nemesis::Stop() {
  stopped_ = true;
  options_.network->SetFaults({});
  options_.network->HealAll();
  for (const auto& server : *options_.servers) {
    UsualSyncTime(server.get());
    server->AtMutation(0, nullptr);
    server->disk()->ClearFaults();
    server->disk()->SetCapacity(kLargeDisk);
    if (!server->up()) continue;
    server->process()->SetPaused(false);
    server->process()->SetClockRate(1'000'000);
  }
}

void Nemesis::ScheduleNext() {
  options_.executor->After(Draw(rng_, milliseconds(1), 2 * period_), [this] {
    if (stopped_) return;
    Strike();
    ScheduleNext();
  });
}

SimServer* Nemesis::PickServer() {
  auto& servers = *options_.servers;
  SimServer* server = servers[rng_.Below(servers.size())].get();
  // Half of the time the leader: that is where it hurts.
  if (rng_.Chance(1, 2)) {
    for (const auto& candidate : servers) {
      if (candidate->up() && candidate->node()->View().role == raft::Role::kLeader) {
        return candidate.get();
      }
    }
  }
  return server;
}

void Nemesis::Strike() {
  const Fault fault = kinds_[rng_.Below(kinds_.size())];
  SimServer* server = PickServer();
  if (!server->up()) return;
  ++faults_;
  if (options_.say) {
    options_.say(std::string(kNames[static_cast<size_t>(fault)]) + ", node " +
                 ToString(server->id()));
  }
  Do(fault, server);
}

void Nemesis::Do(Fault fault, SimServer* server) {
  switch (fault) {
    case Fault::kPowerLoss:
      return server->Die(Death::kPowerLoss);
    case Fault::kPowerLossOfAll:
      for (const auto& each : *options_.servers) each->Die(Death::kPowerLoss);
      return;
    case Fault::kKill:
      return server->Die(Death::kKilled);
    case Fault::kStop:
      return server->Die(Death::kStopped);
    case Fault::kPowerLossAtOperation:
      return AtOperation(server, Death::kPowerLoss);
    case Fault::kKillAtOperation:
      return AtOperation(server, Death::kKilled);
    case Fault::kDiskError:
      broken_disks_.insert(server->incarnation());
      return server->disk()->AddFault(
          {.countdown = rng_.Between(1, 20), .status = ErrnoStatus(EIO, "fault")});
    case Fault::kReadError:
      broken_disks_.insert(server->incarnation());
      return server->disk()->AddFault({.countdown = rng_.Between(1, 10),
                                       .status = ErrnoStatus(EIO, "fault"),
                                       .only = FileOperation::Kind::kRead});
    case Fault::kDiskFull:
      return FillDisk(server);
    case Fault::kBitRot:
      return Rot(server);
    case Fault::kSlowDisk:
      server->SetSyncTime(milliseconds(20), Draw(rng_, milliseconds(30), milliseconds(800)));
      options_.executor->After(Draw(rng_, milliseconds(100), milliseconds(3000)),
                               [this, server] { UsualSyncTime(server); });
      return;
    case Fault::kPartition:
      return Partition();
    case Fault::kIsolate:
      return Isolate(server->id());
    case Fault::kOneWayCut: {
      auto& servers = *options_.servers;
      const NodeId to = servers[rng_.Below(servers.size())]->id();
      if (to != server->id()) options_.network->Cut(server->id(), to);
      return;
    }
    case Fault::kHeal:
      return options_.network->HealAll();
    case Fault::kPause:
      return Pause(server);
    case Fault::kClockRate:
      // Leases rely on clocks that differ by less than a tenth.
      return server->process()->SetClockRate(
          static_cast<uint32_t>(rng_.Between(960'000, 1'040'000)));
    case Fault::kFlush:
      return server->machine()->db()->ScheduleFlush();
    case Fault::kTransfer:
      return server->node()->TransferLeadership(kNoNode, [](const Status&) {});
    case Fault::kCount:
      break;
  }
}

void Nemesis::AtOperation(SimServer* server, Death death) {
  server->AtMutation(rng_.Between(1, 60), [server, death] { server->Die(death); });
}

// Two sides; it heals after a while.
void Nemesis::Partition() {
  auto& servers = *options_.servers;
  uint64_t sides = rng_.Below(uint64_t{1} << servers.size());
  if (rng_.Chance(1, 3)) sides = uint64_t{1} << rng_.Below(servers.size());
  for (size_t a = 0; a < servers.size(); ++a) {
    for (size_t b = 0; b < servers.size(); ++b) {
      if (((sides >> a) & 1) != ((sides >> b) & 1)) {
        options_.network->Cut(servers[a]->id(), servers[b]->id());
      }
    }
  }
  options_.executor->After(Draw(rng_, milliseconds(50), milliseconds(4000)),
                           [this] { options_.network->HealAll(); });
}

// One server hears nothing for so long that the others' logs may forget what it lacks.
void Nemesis::Isolate(NodeId node) {
  const auto each_link = [this, node](auto&& change) {
    for (const auto& other : *options_.servers) {
      if (other->id() == node) continue;
      change(node, other->id());
      change(other->id(), node);
    }
  };
  each_link([this](NodeId from, NodeId to) { options_.network->Cut(from, to); });
  options_.executor->After(Draw(rng_, milliseconds(2000), milliseconds(8000)), [this, each_link] {
    each_link([this](NodeId from, NodeId to) { options_.network->Heal(from, to); });
  });
}

// What does not fit any more may stop the server, now or when it starts again.
void Nemesis::FillDisk(SimServer* server) {
  if (!full_disks_.insert(server->id()).second) return;
  broken_disks_.insert(server->incarnation());
  server->disk()->SetCapacity(server->disk()->used_bytes() + rng_.Below(64 << 10));
  options_.executor->After(Draw(rng_, milliseconds(100), milliseconds(4000)), [this, server] {
    server->disk()->SetCapacity(kLargeDisk);
    full_disks_.erase(server->id());
    // A start under way may have met the end of the disk.
    broken_disks_.insert(server->incarnation());
  });
}

// Of a minority only: the others must be able to go on without them for good.
void Nemesis::Rot(SimServer* server) {
  const size_t most = (options_.servers->size() - 1) / 2;
  if (!rotting_.contains(server->id()) && rotting_.size() >= most) return;
  rotting_.insert(server->id());
  server->Die(Death::kKilled);
}

// The end of the log is spared: a flipped bit there is taken for a torn write, as it must be.
void Nemesis::OnDown(SimServer* server) {
  if (stopped_ || server->retired() || !rotting_.contains(server->id())) return;
  SimFileSystem* disk = server->disk();
  std::vector<std::string> files;
  if (const auto tables = disk->List(kTables); tables.ok()) {
    for (const std::string& name : *tables) {
      if (name.ends_with(".sst")) files.push_back(std::string(kTables) + "/" + name);
    }
  }
  if (const auto log = disk->List(kLog); log.ok()) {  // In order.
    for (size_t i = 0; i + 1 < log->size(); ++i) files.push_back(kLog + ("/" + (*log)[i]));
  }
  if (files.empty()) return;
  const std::string& path = files[rng_.Below(files.size())];
  const StatusOr<uint64_t> size = disk->FileSize(path);
  if (!size.ok() || *size == 0) return;
  const uint64_t offset = rng_.Below(*size);
  const Status flipped = disk->FlipBit(path, offset, static_cast<unsigned>(rng_.Below(8)));
  SIS_CHECK(flipped.ok(), std::string(MessageOf(flipped)));
  server->SetRotten();
  if (options_.say) options_.say("a bit of " + path + " flips at " + std::to_string(offset));
}

void Nemesis::Pause(SimServer* server) {
  server->process()->SetPaused(true);
  const Incarnation who = server->incarnation();
  options_.executor->After(Draw(rng_, milliseconds(10), milliseconds(2000)), [server, who] {
    if (server->up() && server->incarnation() == who) server->process()->SetPaused(false);
  });
}

}  // namespace sisyphus::testing
