#include "tests/sim/nemesis.h"

#include <cerrno>
#include <iterator>
#include <utility>

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
                              "slow disk",
                              "partition",
                              "one-way cut",
                              "heal",
                              "pause",
                              "clock rate",
                              "flush",
                              "transfer"};

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
  period_ = Draw(rng_, milliseconds(100), milliseconds(2000));
  max_downtime_ = Draw(rng_, milliseconds(20), milliseconds(3000));
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
    case Fault::kSlowDisk:
      server->SetSyncTime(milliseconds(20), Draw(rng_, milliseconds(30), milliseconds(800)));
      options_.executor->After(Draw(rng_, milliseconds(100), milliseconds(3000)),
                               [this, server] { UsualSyncTime(server); });
      return;
    case Fault::kPartition:
      return Partition();
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

void Nemesis::Pause(SimServer* server) {
  server->process()->SetPaused(true);
  const Incarnation who = server->incarnation();
  options_.executor->After(Draw(rng_, milliseconds(10), milliseconds(2000)), [server, who] {
    if (server->up() && server->incarnation() == who) server->process()->SetPaused(false);
  });
}

}  // namespace sisyphus::testing
