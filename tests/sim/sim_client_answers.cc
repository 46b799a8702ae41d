// What a client makes of an answer, or of none.
#include <algorithm>
#include <utility>

#include "tests/sim/sim_client.h"

namespace sisyphus::testing {
namespace {

using Kind = SimRequest::Kind;
using kv::Consistency;

// How often a write with a session's tag is asked for.
constexpr uint32_t kMostTries = 6;
// True time by the time that a clock shows, in hundredths, at the least: see Nemesis. Log time is
// cut to milliseconds.
constexpr int64_t kFastestClock = 95;
constexpr Duration kLogTimeStep = std::chrono::milliseconds(2);

// These promise that nothing happened or will happen.
bool NeverApplied(const Status& status) {
  return status.code() == StatusCode::kUnavailable || status.code() == StatusCode::kAborted ||
         status.code() == StatusCode::kResourceExhausted ||
         status.code() == StatusCode::kOutOfRange;
}

// Likewise; and they are answers: the state says so.
bool Refused(const Status& status) {
  return status.code() == StatusCode::kNotFound ||
         status.code() == StatusCode::kFailedPrecondition ||
         status.code() == StatusCode::kInvalidArgument;
}

}  // namespace

void SimClient::OnOutcome(uint64_t number, SimOutcome outcome) {
  if (number != number_ || !under_way_) return;  // Given up before.
  last_status_ = outcome.status;
  const bool answered = outcome.status.ok() || Refused(outcome.status);
  if (!answered && !NeverApplied(outcome.status)) maybe_done_ = true;
  const bool again = request_.retry && purpose_ == Purpose::kAnswer && tries_ < kMostTries;
  if (!answered && again && started_ && !stopped_) return SendAgain();
  under_way_ = false;
  if (answered && request_.retry && purpose_ == Purpose::kAnswer) {
    answered_sequence_ = request_.retry->sequence;
  }
  if (purpose_ != Purpose::kAnswer) {
    OnEcho(outcome);
  } else if (outcome.status.ok()) {
    OnAnswer(outcome);
  } else {
    OnNoAnswer(outcome.status);
  }
  if (!started_ || stopped_) return;
  const std::string append_to = std::exchange(append_to_, "");
  if (!append_to.empty() && last_answered_) {
    SimServer* server = world_->cluster->Draw(rng_);
    if (server->up()) return Begin(server, CompareAndSet(append_to, /*append=*/true));
  }
  ThinkThenAct();
}

void SimClient::OnAnswer(const SimOutcome& outcome) {
  call_.returned = ++world_->event;
  last_answered_ = true;
  ++world_->answered;
  ++world_->by_kind[static_cast<size_t>(request_.kind)];
  if (outcome.replayed) ++world_->replayed;
  if (outcome.replayed && tries_ == 1) {
    world_->Violate(Describe(request_) + " is called a repeat, and is none");
  }
  CheckOrder(outcome);
  if (request_.retry) answer_ = outcome;
  Remember(outcome);
  RememberLeases(outcome);
}

void SimClient::OnNoAnswer(const Status& status) {
  const bool refused = Refused(status);
  const bool unfounded = status.code() == StatusCode::kInvalidArgument ||
                         (request_.retry && status.code() == StatusCode::kFailedPrecondition);
  if (unfounded) {
    world_->Violate(Describe(request_) + " is refused: " + std::string(MessageOf(status)));
  }
  if (refused || !maybe_done_) {
    ++world_->refused;  // If it happens all the same, a read will see a value that nobody wrote.
  } else {
    ++world_->unknown;
    Record(nullptr);
  }
  if (status.code() == StatusCode::kNotFound) leases_.clear();  // One of them has ended.
}

void SimClient::OnEcho(const SimOutcome& outcome) {
  const bool old = purpose_ == Purpose::kOld;
  if (!outcome.status.ok()) {
    if (!old && Refused(outcome.status)) {
      world_->Violate(Describe(request_) + ", answered before, is refused now: " +
                      std::string(MessageOf(outcome.status)));
    }
    return;
  }
  if (old) return world_->Violate(Describe(request_) + ", of long ago, is done");
  ++world_->replayed;
  if (!outcome.replayed || !SameAnswer(outcome, answer_)) {
    world_->Violate(Describe(request_) + ", asked for again, is answered otherwise");
  }
}

// One order explains all answers, that of the log, and real time agrees with it: what was called
// after somebody was told of a state is a later change, or reads that state or a later one.
void SimClient::CheckOrder(const SimOutcome& outcome) {
  if (request_.reads()) {
    if (request_.terms.consistency == Consistency::kStale || request_.past) return;
    if (outcome.revision >= told_before_) return;
  } else if (outcome.revision > told_before_) {
    return;
  }
  world_->Violate("order in time: " + Describe(request_) + " is answered with " +
                  ToString(outcome.revision) + ", called when " + ToString(told_before_) +
                  " had been told");
}

void SimClient::Remember(const SimOutcome& outcome) {
  if (!request_.reads()) world_->invariants->OnAcknowledged(outcome.revision);
  Record(&outcome);
  switch (request_.kind) {
    case Kind::kGet:
      if (request_.terms.consistency == Consistency::kStale) break;
      seen_[request_.key] = {outcome.read, outcome.mod_revision};
      break;
    case Kind::kDelete:
      seen_[request_.key] = {};
      break;
    case Kind::kPut:
    case Kind::kCompareAndSet:
      if (outcome.succeeded) {
        seen_[request_.key] = {request_.value, outcome.revision};
      } else {
        seen_.erase(request_.key);
      }
      break;
    case Kind::kDeleteRange:
      seen_.clear();
      break;
    case Kind::kTxn:
      for (const kv::TxnOperation& operation : request_.txn.then) seen_.erase(operation.key);
      if (outcome.succeeded) seen_[request_.key] = {request_.value, outcome.revision};
      break;
    default:
      break;
  }
}

// Its time counts from when the leader put the time in, which was after the call.
void SimClient::RememberLeases(const SimOutcome& outcome) {
  const auto lives = [this](uint64_t id, uint64_t ttl_ms) {
    const Duration ttl = std::chrono::milliseconds(static_cast<int64_t>(ttl_ms));
    MonotonicTime& until = world_->leases[id];
    until = std::max(until, called_at_ + ttl * kFastestClock / 100 - kLogTimeStep);
  };
  if (request_.kind == Kind::kGrant) {
    leases_.push_back({outcome.lease.id, request_.ttl_ms});
    lives(outcome.lease.id, request_.ttl_ms);
  } else if (request_.kind == Kind::kRevoke) {
    std::erase_if(leases_, [&](const Lease& lease) { return lease.id == request_.ids.front(); });
  } else if (request_.kind == Kind::kKeepAlive) {
    for (size_t i = 0; i < request_.ids.size() && i < outcome.lease.ttls_ms.size(); ++i) {
      const uint64_t id = request_.ids[i];
      const uint64_t ttl_ms = outcome.lease.ttls_ms[i];
      if (ttl_ms != 0) lives(id, ttl_ms);
    }
  }
}

// Stale reads may be of any earlier state: the state's own history has judged them.
void SimClient::Record(const SimOutcome* outcome) {
  const bool stale =
      request_.kind == Kind::kGet && request_.terms.consistency == Consistency::kStale;
  if (stale) return;
  for (verify::RegisterOperation& operation : Project(request_, outcome, call_, world_->keys)) {
    world_->operations.push_back(std::move(operation));
  }
}

}  // namespace sisyphus::testing
