#include "tests/sim/nemesis.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace sisyphus::testing {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

const char* const kNames[] = {"power-loss",
                              "power-loss-of-all",
                              "kill",
                              "stop",
                              "power-loss-at-operation",
                              "kill-at-operation",
                              "wipe",
                              "disk-error",
                              "read-error",
                              "disk-full",
                              "bit-rot",
                              "slow-disk",
                              "partition",
                              "partial-partition",
                              "isolation",
                              "one-way-cut",
                              "heal",
                              "pause",
                              "clock-rate",
                              "flush",
                              "transfer",
                              "membership",
                              "delay",
                              "loss",
                              "repetition",
                              "reordering"};
static_assert(std::size(kNames) == static_cast<size_t>(Fault::kCount));

constexpr uint64_t kLargeDisk = uint64_t{1} << 50;
constexpr char kTables[] = "data/db";
constexpr char kLog[] = "data/log";

Duration Draw(Rng& rng, Duration low, Duration high) {
  return Duration(static_cast<int64_t>(
      rng.Between(static_cast<uint64_t>(low.count()), static_cast<uint64_t>(high.count()))));
}

}  // namespace

const char* NameOf(Fault fault) { return kNames[static_cast<size_t>(fault)]; }

Nemesis::Nemesis(NemesisOptions options)
    : options_(std::move(options)),
      rng_(options_.seed),
      downtime_rng_(rng_.Fork()),
      rot_rng_(rng_.Fork()) {
  for (uint8_t i = 0; i < static_cast<uint8_t>(Fault::kDelay); ++i) {
    if (rng_.Chance(2, 5)) kinds_.insert(kinds_.end(), rng_.Between(1, 3), static_cast<Fault>(i));
  }
  // The way to a snapshot: so it comes more often.
  if (rng_.Chance(1, 2)) kinds_.insert(kinds_.end(), 2, Fault::kIsolate);
  period_ = Draw(rng_, milliseconds(100), milliseconds(2000));
  max_downtime_ = Draw(rng_, milliseconds(20), milliseconds(rng_.Chance(1, 2) ? 2000 : 8000));
  sync_high_ = Draw(rng_, microseconds(100), milliseconds(10));
  options_.network->SetFaults(DrawNetworkFaults());
}

// All is drawn, whatever the filter leaves of it.
NetworkFaults Nemesis::DrawNetworkFaults() {
  NetworkFaults faults;
  const bool any = rng_.Chance(2, 3);
  const auto has = [&](Fault fault, uint64_t of_6) {
    const bool drawn = rng_.Chance(of_6, 6) && any && !options_.filter.without.contains(fault);
    if (drawn) lasting_.insert(fault);
    return drawn;
  };
  const Duration max_delay = Draw(rng_, microseconds(100), milliseconds(3));
  const auto drop = static_cast<uint32_t>(rng_.Below(100));
  const auto duplicate = static_cast<uint32_t>(rng_.Below(100));
  const auto reorder = static_cast<uint32_t>(rng_.Below(200));
  const auto slow = static_cast<uint32_t>(rng_.Below(50));
  const bool often_slow = rng_.Chance(1, 3);
  if (has(Fault::kDelay, 6)) {
    faults.max_delay = max_delay;
    if (often_slow) faults.slow = slow;
  }
  if (has(Fault::kLoss, 3)) faults.drop = drop;
  if (has(Fault::kRepetition, 3)) faults.duplicate = duplicate;
  if (has(Fault::kReordering, 3)) faults.reorder = reorder;
  return faults;
}

Duration Nemesis::DrawDowntime() { return Draw(downtime_rng_, milliseconds(1), max_downtime_); }

void Nemesis::UsualSyncTime(SimServer* server) {
  server->SetSyncTime(microseconds(50), sync_high_);
}

void Nemesis::Start() {
  for (const auto& server : options_.cluster->servers()) UsualSyncTime(server.get());
  if (!kinds_.empty()) ScheduleNext();
}

void Nemesis::Repair(SimServer* server) {
  UsualSyncTime(server);
  server->AtMutation(0, nullptr);
  server->disk()->ClearFaults();
  EmptyDisk(server);
  if (!server->up()) return;
  server->process()->SetPaused(false);
  server->process()->SetClockRate(1'000'000);
}

void Nemesis::Spare(const std::set<NodeId>& sound) {
  stopped_ = true;
  options_.network->SetSound(sound);
  for (const NodeId a : sound) {
    Repair(options_.cluster->Find(a));
    for (const NodeId b : sound) options_.network->Heal(a, b);
  }
}

void Nemesis::Stop() {
  stopped_ = true;
  options_.network->SetFaults({});
  options_.network->HealAll();
  for (const auto& server : options_.cluster->servers()) Repair(server.get());
}

void Nemesis::ScheduleNext() {
  options_.executor->After(Draw(rng_, milliseconds(1), 2 * period_), [this] {
    if (stopped_) return;
    StrikeNow();
    ScheduleNext();
  });
}

SimServer* Nemesis::PickServer(Rng& rng) {
  SimServer* server = options_.cluster->Draw(rng);
  // Half of the time the leader: that is where it hurts.
  if (rng.Chance(1, 2)) {
    SimServer* leader = options_.cluster->Leader();
    if (leader != nullptr) return leader;
  }
  return server;
}

void Nemesis::StrikeNow() {
  Rng rng = rng_.Fork();
  const Fault fault = kinds_[rng.Below(kinds_.size())];
  ++number_;
  if (options_.filter.without.contains(fault) || options_.filter.skip.contains(number_)) return;
  SimServer* server = PickServer(rng);
  if (!server->up()) return;
  strikes_.push_back({number_, fault});
  if (options_.say) {
    options_.say("strike " + std::to_string(number_) + ": " + NameOf(fault) + ", node " +
                 ToString(server->id()));
  }
  Do(fault, server, rng);
}

void Nemesis::Do(Fault fault, SimServer* server, Rng& rng) {
  switch (fault) {
    case Fault::kPowerLoss:
      return server->Die(Death::kPowerLoss);
    case Fault::kPowerLossOfAll:
      for (const auto& each : options_.cluster->servers()) each->Die(Death::kPowerLoss);
      return;
    case Fault::kKill:
      return server->Die(Death::kKilled);
    case Fault::kStop:
      return server->Die(Death::kStopped);
    case Fault::kPowerLossAtOperation:
      return AtOperation(server, Death::kPowerLoss, rng);
    case Fault::kKillAtOperation:
      return AtOperation(server, Death::kKilled, rng);
    case Fault::kWipe:
      return Wipe(server);
    case Fault::kDiskError:
      broken_disks_.insert(server->incarnation());
      return server->disk()->AddFault(
          {.countdown = rng.Between(1, 20), .status = ErrnoStatus(EIO, "fault")});
    case Fault::kReadError:
      broken_disks_.insert(server->incarnation());
      return server->disk()->AddFault({.countdown = rng.Between(1, 10),
                                       .status = ErrnoStatus(EIO, "fault"),
                                       .only = FileOperation::Kind::kRead});
    case Fault::kDiskFull:
      return FillDisk(server, rng);
    case Fault::kBitRot:
      return Rot(server);
    case Fault::kSlowDisk:
      server->SetSyncTime(milliseconds(20), Draw(rng, milliseconds(30), milliseconds(800)));
      options_.executor->After(Draw(rng, milliseconds(100), milliseconds(3000)), [this, server] {
        if (!stopped_) UsualSyncTime(server);
      });
      return;
    case Fault::kPause:
      return Pause(server, rng);
    case Fault::kClockRate:
      // Leases rely on clocks that differ by less than a tenth.
      return server->process()->SetClockRate(
          static_cast<uint32_t>(rng.Between(960'000, 1'040'000)));
    case Fault::kFlush:
      return server->machine()->db()->ScheduleFlush();
    case Fault::kTransfer:
      return server->node()->TransferLeadership(kNoNode, [](const Status&) {});
    case Fault::kMembership:
      return options_.administrator->Act();
    default:
      return DoToNetwork(fault, server, rng);
  }
}

void Nemesis::DoToNetwork(Fault fault, SimServer* server, Rng& rng) {
  const NodeId node = server->id();
  const Duration duration = Draw(rng, milliseconds(50), milliseconds(4000));
  switch (fault) {
    case Fault::kPartition:
      return Partition(rng);
    case Fault::kPartialPartition: {
      // Two that do not hear each other, while all others hear both.
      const NodeId other = options_.cluster->Draw(rng)->id();
      if (other != node) CutForAWhile({{node, other}, {other, node}}, duration);
      return;
    }
    case Fault::kIsolate:
      // For so long that the others' logs may forget what it lacks.
      return CutForAWhile(AllLinksOf(node), Draw(rng, milliseconds(2000), milliseconds(8000)));
    case Fault::kOneWayCut: {
      const NodeId to = options_.cluster->Draw(rng)->id();
      if (to != node) CutForAWhile({{node, to}}, 2 * duration);
      return;
    }
    case Fault::kHeal:
      return options_.network->HealAll();
    default:
      SIS_CHECK(false, "a fault that nobody commits");
  }
}

void Nemesis::AtOperation(SimServer* server, Death death, Rng& rng) {
  server->AtMutation(rng.Between(1, 60), [server, death] { server->Die(death); });
}

// Its directory is gone, and with it what it promised: it must not come back as who it was.
void Nemesis::Wipe(SimServer* server) {
  options_.cluster->LearnMemberships();
  if (!options_.cluster->CanLose(*server)) return;
  server->Lose();
  server->Die(Death::kPowerLoss);
}

void Nemesis::CutForAWhile(std::vector<std::pair<NodeId, NodeId>> links, Duration duration) {
  for (const auto& [from, to] : links) options_.network->Cut(from, to);
  options_.executor->After(duration, [this, links = std::move(links)] {
    if (stopped_) return;
    for (const auto& [from, to] : links) options_.network->Heal(from, to);
  });
}

std::vector<std::pair<NodeId, NodeId>> Nemesis::AllLinksOf(NodeId node) const {
  std::vector<std::pair<NodeId, NodeId>> links;
  for (const auto& other : options_.cluster->servers()) {
    if (other->id() == node) continue;
    links.push_back({node, other->id()});
    links.push_back({other->id(), node});
  }
  return links;
}

// Two sides; it heals after a while.
void Nemesis::Partition(Rng& rng) {
  const auto& servers = options_.cluster->servers();
  uint64_t sides = rng.Below(uint64_t{1} << servers.size());
  if (rng.Chance(1, 3)) sides = uint64_t{1} << (options_.cluster->Draw(rng)->id().value() - 1);
  std::vector<std::pair<NodeId, NodeId>> links;
  for (size_t a = 0; a < servers.size(); ++a) {
    for (size_t b = 0; b < servers.size(); ++b) {
      if (((sides >> a) & 1) != ((sides >> b) & 1)) {
        links.push_back({servers[a]->id(), servers[b]->id()});
      }
    }
  }
  CutForAWhile(std::move(links), Draw(rng, milliseconds(50), milliseconds(4000)));
}

// What does not fit any more may stop the server, now or when it starts again.
void Nemesis::FillDisk(SimServer* server, Rng& rng) {
  if (!full_disks_.insert(server->id()).second) return;
  broken_disks_.insert(server->incarnation());
  server->disk()->SetCapacity(server->disk()->used_bytes() + rng.Below(64 << 10));
  options_.executor->After(Draw(rng, milliseconds(100), milliseconds(4000)), [this, server] {
    if (!stopped_) EmptyDisk(server);
  });
}

void Nemesis::EmptyDisk(SimServer* server) {
  server->disk()->SetCapacity(kLargeDisk);
  // A start under way may have met the end of the disk.
  if (full_disks_.erase(server->id()) > 0) broken_disks_.insert(server->incarnation());
}

// Only where the others can go on without it for good.
void Nemesis::Rot(SimServer* server) {
  options_.cluster->LearnMemberships();
  if (!server->rotten() && !options_.cluster->CanLose(*server)) return;
  server->SetRotten();
  server->Die(Death::kKilled);
}

// The end of the log is spared: a flipped bit there is taken for a torn write, as it must be.
void Nemesis::OnDown(SimServer* server) {
  if (stopped_ || server->gone() || !server->rotten()) return;
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
  const std::string& path = files[rot_rng_.Below(files.size())];
  const StatusOr<uint64_t> size = disk->FileSize(path);
  if (!size.ok() || *size == 0) return;
  const uint64_t offset = rot_rng_.Below(*size);
  const Status flipped = disk->FlipBit(path, offset, static_cast<unsigned>(rot_rng_.Below(8)));
  SIS_CHECK(flipped.ok(), std::string(MessageOf(flipped)));
  if (options_.say) options_.say("a bit of " + path + " flips at " + std::to_string(offset));
}

void Nemesis::Pause(SimServer* server, Rng& rng) {
  server->process()->SetPaused(true);
  const Incarnation who = server->incarnation();
  options_.executor->After(Draw(rng, milliseconds(10), milliseconds(2000)), [this, server, who] {
    if (!stopped_ && server->up() && server->incarnation() == who) {
      server->process()->SetPaused(false);
    }
  });
}

}  // namespace sisyphus::testing
