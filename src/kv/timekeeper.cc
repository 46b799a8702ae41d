#include "kv/timekeeper.h"

#include <algorithm>
#include <utility>

#include "base/mutex.h"
#include "kv/log_time.h"

namespace sisyphus::kv {

namespace {

constexpr Duration kLookInterval = std::chrono::seconds(1);
static_assert(kLookInterval < LogClock::kMaxStep, "a look that comes in time counts in full");

// An entry that has no answer in this time is proposed again: nothing is lost if both count.
constexpr Duration kPatience = std::chrono::seconds(10);

}  // namespace

struct Timekeeper::Door {
  Mutex mu;
  Actor* actor SIS_GUARDED_BY(mu) = nullptr;
  bool wake_posted SIS_GUARDED_BY(mu) = false;

  // At most one wake-up waits in the mailbox.
  void Wake(Timekeeper* keeper) {
    MutexLock lock(mu);
    if (actor == nullptr || std::exchange(wake_posted, true)) return;
    actor->Post([keeper, this] {
      {
        MutexLock inner(mu);
        wake_posted = false;
      }
      keeper->Review();
    });
  }
};

Timekeeper::Timekeeper(node::Node* node, Machine* machine)
    : node_(node),
      machine_(machine),
      door_(std::make_shared<Door>()),
      actor_(machine->executor()->CreateActor({.name = "time"})) {
  {
    MutexLock lock(door_->mu);
    door_->actor = actor_.get();
  }
  machine_->SetTimeCallback([door = door_, this] { door->Wake(this); });
  door_->Wake(this);
}

Timekeeper::~Timekeeper() {
  machine_->SetTimeCallback(nullptr);
  {
    MutexLock lock(door_->mu);
    door_->actor = nullptr;
  }
  actor_->Stop();
}

void Timekeeper::Review() {
  if (timer_) actor_->Cancel(*std::exchange(timer_, std::nullopt));
  const node::NodeView view = node_->View();
  const std::optional<uint64_t> earliest = machine_->deadlines().Earliest();
  // The entries of earlier terms are applied when the first one of the own term is: the machine
  // wakes us then.
  if (view.role != raft::Role::kLeader || machine_->applied_term() != view.term || !earliest) {
    machine_->log_clock().Stop();
    return;
  }
  const uint64_t log_time = machine_->deadlines().log_time();
  const uint64_t now =
      machine_->log_clock().Run(view.term, log_time, machine_->executor()->clock().Now());
  const auto late = std::chrono::milliseconds(now - std::min(now, log_time));
  if (!proposing_ && (*earliest <= now || late >= kEntryInterval)) {
    Propose({view.term, now});
  }
  const Duration left = std::chrono::milliseconds(*earliest - std::min(*earliest, now));
  ReviewAfter(proposing_ ? kLookInterval : std::min<Duration>(left, kLookInterval));
}

void Timekeeper::ReviewAfter(Duration delay) {
  timer_ = actor_->PostAfter(delay, [this] {
    timer_.reset();
    Review();
  });
}

void Timekeeper::Propose(const TimePassed& passed) {
  proposing_ = true;
  node_->Propose(EncodeTimePassed(passed), machine_->executor()->clock().Now() + kPatience,
                 [door = door_, this](const StatusOr<node::ProposalResult>& result) {
                   MutexLock lock(door->mu);
                   if (door->actor == nullptr) return;
                   door->actor->Post([this, applied = result.ok()] { OnProposed(applied); });
                 });
}

void Timekeeper::OnProposed(bool applied) {
  proposing_ = false;
  // After a refusal the timer looks again.
  if (applied) Review();
}

}  // namespace sisyphus::kv
