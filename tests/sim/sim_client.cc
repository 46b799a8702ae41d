#include "tests/sim/sim_client.h"

#include <iterator>
#include <utility>

namespace sisyphus::testing {
namespace {

using Kind = RegisterOperation::Kind;
using kv::Consistency;

// Of the server's patience, in hundredths of the client's: mostly the server gives up first.
constexpr int64_t kServerShare = 80;
// True time by the time that a clock shows, in hundredths, at the most: see Nemesis.
constexpr int64_t kSlowestClock = 105;
// No more is appended to a value of this size.
constexpr size_t kLongValue = 400;

// These promise that nothing happened or will happen.
bool NeverApplied(const Status& status) {
  return status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kAborted ||
         status.code() == StatusCode::kResourceExhausted ||
         status.code() == StatusCode::kOutOfRange;
}

}  // namespace

// The way back to the client from whichever actor answers. It ends with the server's process.
class SimClient::Reply {
 public:
  Reply(SimClient* client, uint64_t request, SimProcess* process)
      : client_(client), request_(request), process_(process) {}

  void operator()(Outcome outcome) const {
    if (!process_->alive()) return;
    if (outcome.status.ok()) client_->world_->OnTold(outcome.revision);
    client_->world_->executor->After(
        client_->Hop(), [client = client_, request = request_, outcome = std::move(outcome)] {
          client->OnOutcome(request, outcome);
        });
  }

 private:
  SimClient* client_;
  uint64_t request_;
  SimProcess* process_;
};

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
  const auto mean = static_cast<uint64_t>(world_->think_time.count());
  world_->executor->After(Duration(static_cast<int64_t>(rng_.Between(0, 2 * mean))),
                          [this] { Act(); });
}

void SimClient::Act() {
  if (stopped_ || under_way_) return;
  SimServer* server = world_->cluster->Draw(rng_);
  if (!server->up()) return ThinkThenAct();  // Connection refused: nothing was asked.
  const std::string key = "key" + std::to_string(rng_.Below(world_->keys));
  if (rng_.Chance(world_->reads_of_10, 10)) {
    return Begin(server, {.operation = {.kind = Kind::kGet, .key = key}, .terms = DrawTerms(key)});
  }
  if (rng_.Chance(world_->appends_of_10, 10)) {
    append_to_ = key;
    return Read(server, key);
  }
  const uint64_t dice = rng_.Below(10);
  if (dice < 2) return Begin(server, {.operation = {.kind = Kind::kDelete, .key = key}});
  if (dice < 5 && seen_.contains(key)) return CompareAndSet(server, key, /*append=*/false);
  Write(server, key);
}

kv::ReadTerms SimClient::DrawTerms(const std::string& key) {
  kv::ReadTerms terms;
  if (rng_.Chance(world_->lease_reads_of_10, 10)) {
    terms.consistency = Consistency::kLease;
  } else if (rng_.Chance(world_->stale_reads_of_10, 10)) {
    terms.consistency = Consistency::kStale;
    if (rng_.Chance(1, 2)) {
      terms.max_staleness = std::chrono::milliseconds(static_cast<int64_t>(rng_.Between(1, 800)));
    }
  }
  // What this client has seen of the key, and sometimes a little more.
  const auto seen = seen_.find(key);
  if (seen != seen_.end() && rng_.Chance(1, 4)) {
    terms.min_revision = Index(seen->second.revision.value() + (rng_.Chance(1, 4) ? 1 : 0));
  }
  return terms;
}

// Requires: seen_ has the key.
void SimClient::CompareAndSet(SimServer* server, const std::string& key, bool append) {
  const Seen& seen = seen_[key];
  Request request{.operation = {.kind = Kind::kCompareAndSet, .key = key, .expected = seen.value}};
  if (seen.value) {
    request.condition.if_revision = seen.revision;
    if (append && seen.value->size() < kLongValue) request.operation.argument = *seen.value + "+";
  } else {
    request.condition.if_absent = true;
  }
  Begin(server, std::move(request));
}

void SimClient::Read(SimServer* server, const std::string& key) {
  Begin(server, {.operation = {.kind = Kind::kGet, .key = key}});
}

void SimClient::Write(SimServer* server, const std::string& key) {
  Begin(server, {.operation = {.kind = Kind::kPut, .key = key}});
}

void SimClient::Begin(SimServer* server, Request request) {
  under_way_ = true;
  last_answered_ = false;
  const uint64_t number = ++request_;
  RegisterOperation& operation = request.operation;
  operation.client = id_;
  operation.called = ++world_->event;
  if (operation.kind == Kind::kPut || operation.kind == Kind::kCompareAndSet) {
    operation.argument += std::to_string(id_) + "." + std::to_string(number);
    // Some values are large enough to fill a memtable or a log segment.
    if (rng_.Chance(world_->large_of_100, 100))
      operation.argument.append(rng_.Between(1, 3000), '.');
  }
  operation_ = operation;
  stale_ = operation.kind == Kind::kGet && request.terms.consistency == Consistency::kStale;
  const Incarnation target = server->incarnation();
  world_->executor->After(
      Hop(), [this, server, number, target, request = std::move(request)]() mutable {
        if (!server->up() || server->incarnation() != target) return;  // Lost on the way.
        Reply reply(this, number, server->process());
        const bool taken = server->door()->TryPost([this, server, request = std::move(request),
                                                    reply] { AtDoor(server, request, reply); });
        if (!taken) OnOutcome(number, {MakeStatus(StatusCode::kResourceExhausted, "door"), {}, {}});
      });
  world_->executor->After(world_->patience, [this, number] {
    OnOutcome(number, {MakeStatus(StatusCode::kDeadlineExceeded, "no answer"), {}, {}});
  });
}

// Runs on the server's door actor.
void SimClient::AtDoor(SimServer* server, const Request& request, Reply reply) {
  const RegisterOperation& operation = request.operation;
  const MonotonicTime deadline =
      server->process()->clock().Now() + world_->patience * kServerShare / 100;
  switch (operation.kind) {
    case Kind::kGet:
      server->store()->WaitReadable(
          request.terms, deadline,
          [this, server, key = operation.key, terms = request.terms, reply](const Status& status) {
            if (!status.ok()) return reply({status, {}, {}});
            // The node's actors do not read tables.
            server->door()->Post(
                [this, server, key, terms, reply] { ReadAtDoor(server, key, terms, reply); });
          });
      return;
    case Kind::kDelete:
      server->store()->Delete({.key = operation.key, .condition = {}}, deadline,
                              [reply](StatusOr<kv::DeleteResult> result) {
                                if (!result.ok()) return reply({result.status(), {}, {}});
                                reply({OkStatus(), {}, result->revision});
                              });
      return;
    default:
      break;
  }
  kv::PutRequest put{
      .key = operation.key, .value = operation.argument, .condition = request.condition};
  server->store()->Put(std::move(put), deadline, [reply](StatusOr<kv::PutResult> result) {
    if (!result.ok()) return reply({result.status(), {}, {}});
    reply({OkStatus(), {}, result->revision, result->succeeded});
  });
}

void ClientWorld::OnTold(Index revision) {
  if (!told.empty() && told.rbegin()->second >= revision) return;
  told[executor->now()] = revision;
}

void SimClient::CheckTerms(const std::string& who, const kv::ReadTerms& terms,
                           const kv::GetResult& result) {
  if (!world_->violation.empty()) return;
  const std::string says = who + " shows the state after entry " + ToString(result.store_revision);
  if (result.store_revision < terms.min_revision) {
    world_->violation = says + ", not " + ToString(terms.min_revision);
  }
  if (!result.staleness) return;
  if (terms.max_staleness && *result.staleness > *terms.max_staleness) {
    world_->violation = says + ", older than allowed";
  }
  // It was measured by a clock that may be slow.
  const auto then =
      world_->told.upper_bound(world_->executor->now() - *result.staleness * kSlowestClock / 100);
  if (then == world_->told.begin()) return;
  if (const Index missed = std::prev(then)->second; missed > result.store_revision) {
    world_->violation = says + " and says that it lacks nothing told " +
                        std::to_string(result.staleness->count()) + " ns ago; it lacks " +
                        ToString(missed);
  }
}

void SimClient::ReadAtDoor(SimServer* server, const std::string& key, const kv::ReadTerms& terms,
                           Reply reply) {
  StatusOr<kv::GetResult> result = server->store()->Read({.key = key, .terms = terms});
  if (!result.ok()) return reply({result.status(), {}, {}});
  const std::string who = "node " + ToString(server->id());
  world_->history->OnRead(who, key, result->store_revision, result->found);
  CheckTerms(who, terms, *result);
  Index& shown = world_->shown[server->incarnation()];
  if (result->store_revision < shown && world_->violation.empty()) {
    world_->violation = who + " shows the state after entry " + ToString(result->store_revision) +
                        ", having shown that after " + ToString(shown);
  }
  shown = result->store_revision;
  Outcome outcome;
  if (result->found) {
    outcome.read = std::move(result->found->value);
    outcome.revision = result->found->mod_revision;
  }
  reply(std::move(outcome));
}

void SimClient::OnOutcome(uint64_t request, Outcome outcome) {
  if (request != request_ || !under_way_) return;  // Given up before.
  under_way_ = false;
  last_status_ = outcome.status;
  const bool append = !std::exchange(append_to_, "").empty();
  if (outcome.status.ok()) {
    operation_.returned = ++world_->event;
    operation_.read = outcome.read;
    operation_.succeeded = outcome.succeeded;
    last_answered_ = true;
    ++world_->answered;
    Remember(outcome);
  } else if (NeverApplied(outcome.status)) {
    ++world_->refused;  // If it happens all the same, a read will see a value that nobody wrote.
  } else {
    ++world_->unknown;
    if (!stale_) world_->operations.push_back(operation_);
  }
  if (!started_ || stopped_) return;
  if (append && last_answered_) {
    SimServer* server = world_->cluster->Draw(rng_);
    if (server->up()) return CompareAndSet(server, operation_.key, /*append=*/true);
  }
  ThinkThenAct();
}

void SimClient::Remember(const Outcome& outcome) {
  if (operation_.kind != Kind::kGet) {
    world_->invariants->OnAcknowledged(outcome.revision);
  }
  if (stale_) return;  // Any earlier state would do: the state's own history has judged it.
  if (operation_.kind == Kind::kGet) {
    seen_[operation_.key] = {outcome.read, outcome.revision};
  } else if (operation_.kind == Kind::kDelete) {
    seen_[operation_.key] = {};
  } else if (outcome.succeeded) {
    seen_[operation_.key] = {operation_.argument, outcome.revision};
  } else {
    seen_.erase(operation_.key);
  }
  world_->operations.push_back(operation_);
}

}  // namespace sisyphus::testing
