// WatchFeed: tells the watches of one replica what is applied.
//
// The apply actor publishes each batch of changes into a ring of bounded size, which all watches
// share; it keeps the newest changes, and only while somebody watches. A watch that has come to the
// ring's end parks: it costs its own few hundred bytes and nothing for changes that it does not
// look at. The feed's own actor looks up which parked watches a change concerns and wakes those. A
// watch that is slower than the ring reads the past from the tree (watch.h). Nothing here waits for
// a watch, and nothing is kept for one.
//
// Threads: Restart, Note and Publish on the apply actor; the rest from any. At most one of the
// locks is held at a time.
#ifndef SISYPHUS_KV_WATCH_FEED_H_
#define SISYPHUS_KV_WATCH_FEED_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/types.h"
#include "kv/interval_index.h"
#include "sisyphus/write_batch.h"

namespace sisyphus::kv {

struct WatchFeedOptions {
  size_t ring_bytes = 16 << 20;
  size_t max_watches = 10'000;
  Duration progress_interval = std::chrono::seconds(10);
};

struct WatchFeedStats {
  uint64_t watches = 0;
  uint64_t parked = 0;
  uint64_t ring_bytes = 0;
  uint64_t wakeups = 0;     // Watches woken.
  uint64_t tree_reads = 0;  // Pieces that came from the tree, not from the ring.
  uint64_t refused = 0;     // Too many were open.
  uint64_t lag = 0;         // Revisions that the slowest watch has not read yet.
};

// What one revision changed: users' keys, ascending, each once.
struct Change {
  struct Operation {
    bool put = false;
    std::string key;
    std::string tree_value;  // Of a put.
  };
  Index revision;
  std::vector<Operation> operations;
  size_t bytes = 0;
};
using ChangePointer = std::shared_ptr<const Change>;

class WatchFeed {
 public:
  // Called once, on the feed's actor: every change that concerns the watch is at `next` or above.
  // `progress`: nothing has happened, but it is time to say so.
  using Wake = absl::AnyInvocable<void(Index next, bool progress)>;

  // A place in the feed: of one watch, while it is open. Used through the feed only.
  class Seat {
   public:
    ~Seat();
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

   private:
    friend class WatchFeed;
    Seat(WatchFeed* feed, KeyRange range) : feed_(feed), range_(std::move(range)) {}
    WatchFeed* const feed_;
    const KeyRange range_;
    // Guarded by the feed's seats_mu_.
    Wake wake_;         // While parked.
    Index seen_;        // While parked: the watch knows everything up to here.
    size_t place_ = 0;  // In seats_.
    // What its watch has read; 0: nothing yet. Written by the watch.
    std::atomic<uint64_t> read_{0};
  };

  WatchFeed(WatchFeedOptions options, Executor* executor);
  ~WatchFeed();  // No seat is taken any more.

  // The state is another one, that after `applied`.
  void Restart(Index applied);
  // What `batch` did at `revision`; seen by nobody before Publish.
  void Note(Index revision, const WriteBatch& batch);
  // Everything up to `applied` can be read from the tree.
  void Publish(Index applied);

  // kResourceExhausted: too many are open.
  StatusOr<std::unique_ptr<Seat>> Open(KeyRange range);

  struct Taken {
    bool in_ring = false;  // False: `next` is older than the ring.
    bool to_end = false;   // The changes reach `through`, which is the last that was applied.
    Index through;         // There are no other changes from `next` to here.
    std::vector<ChangePointer> changes;
  };
  // The changes from `next` on, a bounded number of them.
  Taken Take(Index next) const;

  // Parks a watch that has seen everything up to `seen`. False: there may be more, Take again;
  // `wake` is dropped.
  bool Park(Seat* seat, Index seen, Wake wake);
  // The watch has read everything up to `read`. For the statistics only.
  static void NoteRead(Seat* seat, Index read) { seat->read_.store(read.value()); }
  // Drops the seat's `wake`, if it has not been called.
  void Unpark(Seat* seat);

  Index applied() const { return Index(applied_.load()); }
  void CountTreeRead() { tree_reads_.fetch_add(1, std::memory_order_relaxed); }
  WatchFeedStats stats() const;

 private:
  struct Woken {
    Wake wake;
    Index next;
  };

  void ScheduleDispatch();
  void Dispatch();
  void Match(const Taken& taken, std::vector<Woken>* woken) SIS_REQUIRES(seats_mu_);
  void WakeSeat(Seat* seat, Index next, std::vector<Woken>* woken) SIS_REQUIRES(seats_mu_);
  void TellProgress();
  void Run(std::vector<Woken> woken, bool progress);

  const WatchFeedOptions options_;

  // Owned by the apply actor.
  bool noting_ = false;
  std::vector<ChangePointer> noted_;

  std::atomic<uint64_t> applied_{0};
  std::atomic<size_t> open_{0};
  std::atomic<size_t> parked_{0};
  std::atomic<bool> dispatch_scheduled_{false};
  std::atomic<uint64_t> wakeups_{0};
  std::atomic<uint64_t> tree_reads_{0};
  std::atomic<uint64_t> refused_{0};

  mutable Mutex ring_mu_;
  std::deque<ChangePointer> ring_ SIS_GUARDED_BY(ring_mu_);
  size_t ring_bytes_ SIS_GUARDED_BY(ring_mu_) = 0;
  Index ring_first_ SIS_GUARDED_BY(ring_mu_);    // Every change from here on is in the ring.
  Index ring_through_ SIS_GUARDED_BY(ring_mu_);  // What was published last.

  mutable Mutex seats_mu_;
  std::vector<Seat*> seats_ SIS_GUARDED_BY(seats_mu_);
  IntervalIndex<Seat> index_ SIS_GUARDED_BY(seats_mu_);
  bool index_stale_ SIS_GUARDED_BY(seats_mu_) = false;
  Index dispatched_ SIS_GUARDED_BY(seats_mu_);  // Changes up to here were looked up.
  bool progress_timer_ SIS_GUARDED_BY(seats_mu_) = false;

  std::unique_ptr<Actor> actor_;  // Last: stopped before anything else goes.
};

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_WATCH_FEED_H_
