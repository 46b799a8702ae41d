#include "tests/sim/sim_client.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "kv/history.h"

namespace sisyphus::testing {
namespace {

using Kind = SimRequest::Kind;
using kv::Consistency;

// Of the server's patience, in hundredths of the client's: mostly the server gives up first.
constexpr int64_t kServerShare = 80;
// True time by the time that a clock shows, in hundredths, at the most: see Nemesis.
constexpr int64_t kSlowestClock = 105;
}  // namespace

// The way back to the client from whichever actor answers. It ends with the server's process.
class SimClient::Reply {
 public:
  Reply(SimClient* client, uint64_t number, SimProcess* process)
      : client_(client), number_(number), process_(process) {}

  void operator()(SimOutcome outcome) const {
    if (!process_->alive()) return;
    if (outcome.status.ok()) client_->world_->OnTold(outcome.revision);
    client_->world_->executor->After(client_->Hop(), [client = client_, number = number_,
                                                      outcome = std::move(outcome)]() mutable {
      client->OnOutcome(number, std::move(outcome));
    });
  }

 private:
  SimClient* client_;
  uint64_t number_;
  SimProcess* process_;
};

void ClientWorld::OnTold(Index revision) {
  if (newest_told() < revision) told[executor->now()] = revision;
}

void ClientWorld::Violate(const std::string& what) {
  if (violation.empty()) violation = what;
}

void ClientWorld::OnExpired(uint64_t lease) {
  const auto until = leases.find(lease);
  if (until == leases.end() || executor->now() >= until->second) return;
  const std::chrono::duration<double> left = until->second - executor->now();
  Violate("lease " + std::to_string(lease) + " ends " + std::to_string(left.count()) +
          " s before its time");
}

SimClient::SimClient(ClientWorld* world, uint64_t id, uint64_t seed)
    : world_(world), id_(id), rng_(seed) {}

Duration SimClient::Hop() {
  return std::chrono::microseconds(static_cast<int64_t>(rng_.Between(50, 400)));
}

void SimClient::Start() {
  started_ = true;
  ThinkThenAct();
}

void SimClient::ThinkThenAct() {
  world_->executor->After(DrawPause(), [this] { Act(); });
}

void SimClient::Act() {
  if (stopped_ || under_way_) return;
  SimServer* server = world_->cluster->Draw(rng_);
  if (!server->up()) return ThinkThenAct();  // Connection refused: nothing was asked.
  if (answer_.status.ok() && request_.retry && last_answered_ && rng_.Chance(1, 6)) {
    return Begin(server, request_, Purpose::kEcho);
  }
  SimRequest request = Choose();
  if (!request.reads() && request.kind != Kind::kCompact &&
      rng_.Chance(world_->mix.sessions_of_10, 10)) {
    if (answered_sequence_ > 1 && rng_.Chance(1, 20))
      return Begin(server, OldWrite(), Purpose::kOld);
    request.retry = {{"c" + std::to_string(id_), ++sequence_}};
  }
  Begin(server, std::move(request));
}

void SimClient::Read(SimServer* server, const std::string& key) {
  Begin(server, {.kind = Kind::kGet, .key = key});
}

void SimClient::Write(SimServer* server, const std::string& key) {
  Begin(server, {.kind = Kind::kPut, .key = key, .value = NewValue()});
}

void SimClient::Begin(SimServer* server, SimRequest request, Purpose purpose) {
  under_way_ = true;
  last_answered_ = false;
  request_ = std::move(request);
  purpose_ = purpose;
  call_ = {.client = id_, .called = ++world_->event};
  called_at_ = world_->executor->now();
  told_before_ = world_->newest_told();
  tries_ = 0;
  maybe_done_ = false;
  Send(server);
}

void SimClient::Send(SimServer* server) {
  ++tries_;
  const uint64_t number = ++number_;
  const Incarnation target = server->incarnation();
  // A copy travels: the client may have given up by then.
  world_->executor->After(Hop(), [this, server, number, target, request = request_]() mutable {
    if (!server->up() || server->incarnation() != target) return;  // Lost on the way.
    Reply reply(this, number, server->process());
    const bool taken = server->door()->TryPost(
        [this, server, request = std::move(request), reply] { AtDoor(server, request, reply); });
    if (!taken) OnOutcome(number, {.status = MakeStatus(StatusCode::kResourceExhausted, "door")});
  });
  world_->executor->After(world_->patience, [this, number] {
    OnOutcome(number, {.status = MakeStatus(StatusCode::kDeadlineExceeded, "no answer")});
  });
}

void SimClient::SendAgain() {
  ++number_;  // An answer to the last try comes too late now.
  world_->executor->After(DrawPause(), [this] {
    SimServer* server = world_->cluster->Draw(rng_);
    if (server->up()) return Send(server);
    ++tries_;
    OnOutcome(number_, {.status = MakeStatus(StatusCode::kUnavailable, "connection refused")});
  });
}

// Runs on the server's door actor.
void SimClient::AtDoor(SimServer* server, const SimRequest& request, Reply reply) {
  const MonotonicTime deadline =
      server->process()->clock().Now() + world_->patience * kServerShare / 100;
  if (!request.reads()) return Submit(*server->store(), request, deadline, reply);
  server->store()->WaitReadable(request.terms, deadline,
                                [this, server, request, reply](const Status& status) {
                                  if (!status.ok()) return reply({.status = status});
                                  // The node's actors do not read tables.
                                  server->door()->Post([this, server, request, reply] {
                                    if (request.kind == Kind::kRange)
                                      return StartWalk(server, request, reply);
                                    ReadAtDoor(server, request, reply);
                                  });
                                });
}

void SimClient::CheckTerms(const std::string& who, const kv::ReadTerms& terms,
                           const kv::GetResult& result) {
  const std::string says = who + " shows the state after entry " + ToString(result.store_revision);
  if (result.store_revision < terms.min_revision) {
    world_->Violate(says + ", not " + ToString(terms.min_revision));
  }
  if (!result.staleness) return;
  if (terms.max_staleness && *result.staleness > *terms.max_staleness) {
    world_->Violate(says + ", older than allowed");
  }
  // It was measured by a clock that may be slow.
  const auto then =
      world_->told.upper_bound(world_->executor->now() - *result.staleness * kSlowestClock / 100);
  if (then == world_->told.begin()) return;
  if (const Index missed = std::prev(then)->second; missed > result.store_revision) {
    world_->Violate(says + " and says that it lacks nothing told " +
                    std::to_string(result.staleness->count()) + " ns ago; it lacks " +
                    ToString(missed));
  }
}

void SimClient::ReadAtDoor(SimServer* server, const SimRequest& request, Reply reply) {
  StatusOr<kv::GetResult> result =
      server->store()->Read({.key = request.key, .terms = request.terms});
  if (!result.ok()) return reply({.status = result.status()});
  const std::string who = "node " + ToString(server->id());
  world_->history->OnRead(who, request.key, result->store_revision, result->found);
  CheckTerms(who, request.terms, *result);
  Index& shown = world_->shown[server->incarnation()];
  if (result->store_revision < shown) {
    world_->Violate(who + " shows the state after entry " + ToString(result->store_revision) +
                    ", having shown that after " + ToString(shown));
  }
  shown = result->store_revision;
  SimOutcome outcome{.revision = result->store_revision};
  if (result->found) {
    outcome.read = std::move(result->found->value);
    outcome.mod_revision = result->found->mod_revision;
  }
  reply(std::move(outcome));
}

// A walk over a range, some keys a step, while the server works on.
class SimClient::Walk {
 public:
  Walk(SimClient* client, SimServer* server, const SimRequest& request, Index revision,
       bool reverse, Reply reply)
      : client_(client),
        server_(server),
        request_(request),
        revision_(revision),
        reader_(server->store()->NewRangeReader({request.key, request.end}, revision, reverse)),
        reply_(reply) {}

  // Runs on the door.
  static void Step(const std::shared_ptr<Walk>& walk) {
    const Status status = walk->Read();
    ClientWorld* world = walk->client_->world_;
    if (status.ok() && !walk->reader_->done()) {
      return walk->server_->door()->Post([walk] { Step(walk); });
    }
    const std::string who = "node " + ToString(walk->server_->id());
    if (status.ok()) {
      world->history->OnRange(who, walk->request_.key, walk->request_.end, walk->revision_,
                              walk->found_);
    } else if (kv::IsCompacted(status) && world->history->floor() <= walk->revision_) {
      world->Violate(who + " says that it lacks the past after entry " + ToString(walk->revision_));
    }
    walk->reply_({.status = status, .revision = walk->revision_});
  }

 private:
  Status Read() {
    uint64_t left = client_->rng_.Between(1, 4);
    Status decoded = OkStatus();
    SIS_RETURN_IF_ERROR(reader_->Read([&](const kv::RangeReader::Entry& entry) {
      StatusOr<kv::VersionedValue> value =
          kv::DecodeTreeValue(entry.tree_value, entry.mod_revision);
      if (!value.ok()) {
        decoded = value.status();
        return false;
      }
      found_.emplace_back(entry.key, *std::move(value));
      return --left > 0;
    }));
    if (client_->rng_.Chance(1, 4)) {
      reader_->ReleaseOlderThan(Duration(0), server_->process()->clock().Now());
    }
    return decoded;
  }

  SimClient* const client_;
  SimServer* const server_;
  const SimRequest request_;
  const Index revision_;
  const std::unique_ptr<kv::RangeReader> reader_;
  const Reply reply_;
  StateHistory::Found found_;
};

void SimClient::StartWalk(SimServer* server, const SimRequest& request, Reply reply) {
  const uint64_t now = server->store()->revision().value();
  uint64_t revision = now;
  if (request.past) {
    // Sometimes below what is held.
    const uint64_t floor = server->store()->history_floor().value();
    revision = rng_.Between(std::min(now, floor - std::min<uint64_t>(floor, 3)), now);
  }
  Walk::Step(
      std::make_shared<Walk>(this, server, request, Index(revision), rng_.Chance(1, 3), reply));
}

}  // namespace sisyphus::testing
