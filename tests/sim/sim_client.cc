#include "tests/sim/sim_client.h"

#include <utility>

namespace sisyphus::testing {
namespace {

using Kind = RegisterOperation::Kind;
using kv::Consistency;

// Of the server's patience, in hundredths of the client's: mostly the server gives up first.
constexpr int64_t kServerShare = 80;

// These promise that nothing happened or will happen.
bool NeverApplied(const Status& status) {
  return status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kAborted ||
         status.code() == StatusCode::kResourceExhausted;
}

}  // namespace

// The way back to the client from whichever actor answers. It ends with the server's process.
class SimClient::Reply {
 public:
  Reply(SimClient* client, uint64_t request, SimProcess* process)
      : client_(client), request_(request), process_(process) {}

  void operator()(Outcome outcome) const {
    if (!process_->alive()) return;
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
  SimServer* server = (*world_->servers)[rng_.Below(world_->servers->size())].get();
  if (!server->up()) return ThinkThenAct();  // Connection refused: nothing was asked.
  const std::string key = "key" + std::to_string(rng_.Below(world_->keys));
  if (rng_.Chance(world_->reads_of_10, 10)) {
    const bool lease = rng_.Chance(world_->lease_reads_of_10, 10);
    return Begin(server, {.operation = {.kind = Kind::kGet, .key = key},
                          .consistency = lease ? Consistency::kLease : Consistency::kLinearizable});
  }
  const uint64_t dice = rng_.Below(10);
  if (dice < 2) return Begin(server, {.operation = {.kind = Kind::kDelete, .key = key}});
  if (dice < 5 && seen_.contains(key)) {
    const Seen& seen = seen_[key];
    Request request{
        .operation = {.kind = Kind::kCompareAndSet, .key = key, .expected = seen.value}};
    if (seen.value) {
      request.condition.if_revision = seen.revision;
    } else {
      request.condition.if_absent = true;
    }
    return Begin(server, std::move(request));
  }
  Write(server, key);
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
    operation.argument = std::to_string(id_) + "." + std::to_string(number);
    // Some values are large enough to fill a memtable or a log segment.
    if (rng_.Chance(1, 20)) operation.argument.append(rng_.Between(1, 3000), '.');
  }
  operation_ = operation;
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
          request.consistency, deadline,
          [this, server, key = operation.key, consistency = request.consistency,
           reply](const Status& status) {
            if (!status.ok()) return reply({status, {}, {}});
            // The node's actors do not read tables.
            server->door()->Post([this, server, key, consistency, reply] {
              ReadAtDoor(server, key, consistency, reply);
            });
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

void SimClient::ReadAtDoor(SimServer* server, const std::string& key, Consistency consistency,
                           Reply reply) {
  StatusOr<kv::GetResult> result = server->store()->Read({.key = key, .consistency = consistency});
  if (!result.ok()) return reply({result.status(), {}, {}});
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
  if (outcome.status.ok()) {
    operation_.returned = ++world_->event;
    operation_.read = outcome.read;
    operation_.succeeded = outcome.succeeded;
    last_answered_ = true;
    ++world_->answered;
    if (operation_.kind != Kind::kGet) world_->invariants->OnAcknowledged(outcome.revision);
    if (operation_.kind == Kind::kGet) {
      seen_[operation_.key] = {outcome.read, outcome.revision};
    } else if (operation_.kind == Kind::kDelete) {
      seen_[operation_.key] = {};
    } else if (outcome.succeeded) {
      seen_[operation_.key] = {operation_.argument, outcome.revision};
    } else {
      seen_.erase(operation_.key);
    }
    world_->history.push_back(operation_);
  } else if (NeverApplied(outcome.status)) {
    ++world_->refused;  // If it happens all the same, a read will see a value that nobody wrote.
  } else {
    ++world_->unknown;
    world_->history.push_back(operation_);
  }
  if (started_ && !stopped_) ThinkThenAct();
}

}  // namespace sisyphus::testing
