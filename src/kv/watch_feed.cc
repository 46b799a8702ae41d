#include "kv/watch_feed.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "kv/value.h"

namespace sisyphus::kv {
namespace {

// Changes handed out, or looked up, in one go.
constexpr size_t kTakeChanges = 256;

// Beside its keys and values.
constexpr size_t kChangeOverheadBytes = 128;

ChangePointer MakeChange(Index revision, const WriteBatch& batch) {
  auto change = std::make_shared<Change>();
  change->revision = revision;
  change->bytes = kChangeOverheadBytes;
  std::vector<Change::Operation>& operations = change->operations;
  for (size_t i = 0; i < batch.count(); ++i) {
    const WriteBatch::Operation operation = batch.at(i);
    if (!IsUserTreeKey(operation.key)) continue;
    operations.push_back({operation.kind == WriteBatch::Kind::kPut,
                          std::string(UserKey(operation.key)), std::string(operation.value)});
    change->bytes += sizeof(Change::Operation) + operation.key.size() + operation.value.size();
  }
  if (operations.size() > 1) {
    std::stable_sort(operations.begin(), operations.end(),
                     [](const auto& a, const auto& b) { return a.key < b.key; });
    // Of several on one key the last one counts.
    const auto first = std::unique(operations.rbegin(), operations.rend(),
                                   [](const auto& a, const auto& b) { return a.key == b.key; });
    operations.erase(operations.begin(), first.base());
  }
  return change;
}

}  // namespace

WatchFeed::WatchFeed(WatchFeedOptions options, Executor* executor)
    : options_(options), actor_(executor->CreateActor({.name = "watch-feed"})) {}

WatchFeed::~WatchFeed() {
  actor_->Stop();
  SIS_CHECK(open_ == 0, "a watch outlives its feed");
}

WatchFeed::Seat::~Seat() {
  Wake dropped;
  MutexLock lock(feed_->seats_mu_);
  if (wake_) {
    dropped = std::move(wake_);
    --feed_->parked_;
  }
  feed_->seats_.back()->place_ = place_;
  feed_->seats_[place_] = feed_->seats_.back();
  feed_->seats_.pop_back();
  feed_->index_stale_ = true;
  --feed_->open_;
}

// --- The apply actor ---

void WatchFeed::Restart(Index applied) {
  noting_ = false;
  noted_.clear();
  applied_ = applied.value();
  {
    MutexLock lock(ring_mu_);
    ring_.clear();
    ring_bytes_ = 0;
    ring_first_ = applied.Next();
    ring_through_ = applied;
  }
  // Parked watches have missed what led here: the dispatcher finds that the ring begins behind what
  // it has seen, and wakes them all.
  if (parked_ > 0) ScheduleDispatch();
}

void WatchFeed::Note(Index revision, const WriteBatch& batch) {
  if (!noting_) return;
  ChangePointer change = MakeChange(revision, batch);
  if (!change->operations.empty()) noted_.push_back(std::move(change));
}

void WatchFeed::Publish(Index applied) {
  // What was not noted may concern a watch that was opened, and parked, since.
  const bool news = !noting_ || !noted_.empty();
  std::vector<ChangePointer> dropped;
  {
    MutexLock lock(ring_mu_);
    if (!noting_) {
      dropped.assign(ring_.begin(), ring_.end());
      ring_.clear();
      ring_bytes_ = 0;
      ring_first_ = applied.Next();
    }
    for (ChangePointer& change : noted_) {
      ring_bytes_ += change->bytes;
      ring_.push_back(std::move(change));
    }
    while (ring_bytes_ > options_.ring_bytes) {
      ring_bytes_ -= ring_.front()->bytes;
      ring_first_ = ring_.front()->revision.Next();
      dropped.push_back(std::move(ring_.front()));
      ring_.pop_front();
    }
    ring_through_ = applied;
  }
  noted_.clear();
  // For everything up to the next call alike: the ring has no holes.
  noting_ = open_ > 0;
  applied_ = applied.value();
  // Before parked_ is read: Park adds to it, and then reads applied_.
  if (news && parked_ > 0) ScheduleDispatch();
}

// --- Watches ---

StatusOr<std::unique_ptr<WatchFeed::Seat>> WatchFeed::Open(KeyRange range) {
  if (open_.fetch_add(1) >= options_.max_watches) {
    --open_;
    refused_.fetch_add(1, std::memory_order_relaxed);
    return MakeStatus(StatusCode::kResourceExhausted, "too many watches are open on this node");
  }
  std::unique_ptr<Seat> seat(new Seat(this, std::move(range)));
  MutexLock lock(seats_mu_);
  seat->place_ = seats_.size();
  seats_.push_back(seat.get());
  index_stale_ = true;
  return seat;
}

WatchFeed::Taken WatchFeed::Take(Index next) const {
  Taken taken;
  MutexLock lock(ring_mu_);
  taken.through = ring_through_;
  taken.in_ring = next >= ring_first_;
  if (!taken.in_ring) return taken;
  auto it = std::lower_bound(
      ring_.begin(), ring_.end(), next,
      [](const ChangePointer& change, Index index) { return change->revision < index; });
  for (; it != ring_.end() && taken.changes.size() < kTakeChanges; ++it) {
    taken.changes.push_back(*it);
  }
  taken.to_end = it == ring_.end();
  if (!taken.to_end) taken.through = taken.changes.back()->revision;
  return taken;
}

bool WatchFeed::Park(Seat* seat, Index seen, Wake wake) {
  bool start_timer = false;
  {
    MutexLock lock(seats_mu_);
    SIS_CHECK(!seat->wake_, "a watch parks once at a time");
    // With nobody parked nothing was looked up, nor has to be.
    if (parked_ == 0) dispatched_ = std::max(dispatched_, std::min(seen, applied()));
    if (dispatched_ > seen) return false;
    seat->wake_ = std::move(wake);
    seat->seen_ = seen;
    ++parked_;
    start_timer = !std::exchange(progress_timer_, true);
  }
  if (start_timer) actor_->PostAfter(options_.progress_interval, [this] { TellProgress(); });
  if (applied() > seen) ScheduleDispatch();
  return true;
}

void WatchFeed::Unpark(Seat* seat) {
  Wake dropped;
  MutexLock lock(seats_mu_);
  if (!seat->wake_) return;
  dropped = std::move(seat->wake_);
  seat->wake_ = nullptr;
  --parked_;
}

WatchFeedStats WatchFeed::stats() const {
  WatchFeedStats stats;
  stats.watches = open_;
  stats.parked = parked_;
  stats.wakeups = wakeups_;
  stats.tree_reads = tree_reads_;
  stats.refused = refused_;
  {
    MutexLock lock(ring_mu_);
    stats.ring_bytes = ring_bytes_;
  }
  const uint64_t newest = applied_;
  MutexLock lock(seats_mu_);
  for (const Seat* seat : seats_) {
    const uint64_t read = seat->read_;
    // A parked one has missed nothing that concerns it, or is being woken.
    if (seat->wake_ || read == 0 || read >= newest) continue;
    stats.lag = std::max(stats.lag, newest - read);
  }
  return stats;
}

// --- The feed's actor ---

void WatchFeed::ScheduleDispatch() {
  if (dispatch_scheduled_.exchange(true)) return;
  actor_->Post([this] {
    dispatch_scheduled_ = false;
    Dispatch();
  });
}

void WatchFeed::Dispatch() {
  Index next;
  {
    MutexLock lock(seats_mu_);
    if (parked_ == 0) return;
    next = dispatched_.Next();
  }
  const Taken taken = Take(next);
  std::vector<Woken> woken;
  {
    MutexLock lock(seats_mu_);
    if (taken.in_ring) {
      Match(taken, &woken);
    } else {
      for (Seat* seat : seats_) WakeSeat(seat, std::max(next, seat->seen_.Next()), &woken);
    }
    dispatched_ = std::max(dispatched_, taken.through);
  }
  Run(std::move(woken), /*progress=*/false);
  if (taken.in_ring && !taken.to_end) ScheduleDispatch();
}

void WatchFeed::Match(const Taken& taken, std::vector<Woken>* woken) {
  if (std::exchange(index_stale_, false)) {
    std::vector<IntervalIndex<Seat>::Element> elements;
    elements.reserve(seats_.size());
    for (Seat* seat : seats_) elements.push_back({&seat->range_, seat});
    index_.Build(std::move(elements));
  }
  for (const ChangePointer& change : taken.changes) {
    for (const Change::Operation& operation : change->operations) {
      index_.Find(operation.key, [&](Seat* seat) {
        if (change->revision > seat->seen_) WakeSeat(seat, change->revision, woken);
      });
    }
  }
}

void WatchFeed::WakeSeat(Seat* seat, Index next, std::vector<Woken>* woken) {
  if (!seat->wake_) return;
  woken->push_back({std::move(seat->wake_), next});
  seat->wake_ = nullptr;
  --parked_;
}

void WatchFeed::TellProgress() {
  std::vector<Woken> woken;
  {
    MutexLock lock(seats_mu_);
    progress_timer_ = parked_ > 0;
    if (!progress_timer_) return;
    for (Seat* seat : seats_) WakeSeat(seat, std::max(dispatched_, seat->seen_).Next(), &woken);
  }
  actor_->PostAfter(options_.progress_interval, [this] { TellProgress(); });
  Run(std::move(woken), /*progress=*/true);
}

void WatchFeed::Run(std::vector<Woken> woken, bool progress) {
  wakeups_.fetch_add(woken.size(), std::memory_order_relaxed);
  for (Woken& one : woken) one.wake(one.next, progress);
}

}  // namespace sisyphus::kv
