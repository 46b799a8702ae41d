// Machine: the replicated state machine: keys, values and their revisions on the LSM tree.
//
// Every command is one atomic batch at the entry's index, which is its revision. Commands are
// decided here and only here, from the state alone, so every replica decides alike. Threads: Apply
// on the apply actor; reads and the rest from any thread. What a crash leaves: the tree up to
// durable(); the log has the rest.
#ifndef SISYPHUS_KV_MACHINE_H_
#define SISYPHUS_KV_MACHINE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/file_system.h"
#include "base/mutex.h"
#include "base/status.h"
#include "kv/command.h"
#include "kv/content_chain.h"
#include "kv/deadlines.h"
#include "kv/lease.h"
#include "kv/log_time.h"
#include "kv/range_reader.h"
#include "kv/value.h"
#include "kv/watch_feed.h"
#include "node/state_machine.h"
#include "sisyphus/db.h"
#include "sisyphus/options.h"

namespace sisyphus::kv {

class Machine final : public node::StateMachine, private EventListener {
 public:
  struct MachineOptions {
    std::string directory;
    uint64_t content_range = kContentRange;  // The same on every replica; smaller in tests.
    Options engine;  // Its file system and executor are used; its listener is replaced.
    WatchFeedOptions watches;
    // The tree can take no more writes. Called on a background actor; the process should end.
    std::function<void(const Status&)> on_fatal;
  };

  static StatusOr<std::unique_ptr<Machine>> Open(MachineOptions options);
  ~Machine() override;

  // The newest version of `key`, and the revision of the state it was read from.
  struct ReadOutcome {
    std::optional<VersionedValue> found;
    Index state;
  };
  StatusOr<ReadOutcome> Read(std::string_view key);

  // Reads of the past are exact from here on, and refused below. Check it after reading: what was
  // read before it passed the revision was whole (history.h).
  Index history_floor() const { return Index(history_floor_.load()); }

  WatchFeed& feed() { return *feed_; }
  PinnedReaders& readers() { return readers_; }
  Clock& clock() { return options_.engine.executor->clock(); }

  // Called with the last index of each batch that was applied, on the apply actor. Before the first
  // Apply.
  void SetAppliedCallback(std::function<void(Index)> on_applied) {
    on_applied_ = std::move(on_applied);
  }

  // The last applied index.
  Index revision() const { return Index(db()->last_written().sequence); }

  // Leases as the newest state has them. ListLeases: those with ids above `after`, ascending. They
  // may read tables from disk.
  StatusOr<std::optional<Lease>> FindLease(uint64_t id);
  StatusOr<std::vector<Lease>> ListLeases(uint64_t after, size_t limit);

  // Time (log_time.h). `on_time` is called on the apply actor when the earliest deadline is another
  // one, or an entry of a new term has been applied.
  const Deadlines& deadlines() const { return deadlines_; }
  LogClock& log_clock() { return log_clock_; }
  Term applied_term() const { return Term(applied_term_.load()); }
  void SetTimeCallback(std::function<void()> on_time);
  // As exactly as this node knows it: exact on the leader, up to some seconds behind elsewhere.
  uint64_t LogTimeNow();
  Executor* executor() const { return options_.engine.executor; }

  // The tree as it is now; another one takes its place when a snapshot is installed.
  std::shared_ptr<DB> db() const {
    MutexLock lock(mu_);
    return db_;
  }
  DbStats stats() const { return db()->stats(); }

  // node::StateMachine.
  LogPosition durable() const override;
  Status Apply(std::span<const node::Command> commands, std::vector<std::string>* results) override;
  std::shared_ptr<const std::string> Stamp(std::shared_ptr<const std::string> command,
                                           Term term) override;
  void ScheduleFlush() override { db()->ScheduleFlush(); }
  std::vector<node::ContentHash> ContentHashes() const override { return content_.recent(); }
  StatusOr<LogPosition> Checkpoint(const std::string& directory) override;
  Status Install(const std::function<Status()>& swap) override;
  bool ReadyToApply() const override { return !db()->WriteStalled(); }
  void SetReadyCallback(std::function<void()> on_ready) override;
  double Pressure() const override { return pressure_.load(std::memory_order_relaxed); }

 private:
  explicit Machine(MachineOptions options)
      : options_(std::move(options)), content_(options_.content_range) {}

  // Also restarts the content chain at what the tree says.
  StatusOr<std::unique_ptr<DB>> OpenTree();
  // Answers what the client is told; the changes are in batch_.
  StatusOr<std::string> Decide(DB& db, const node::Command& entry, DeadlineChanges* changes);
  void CallOnTime();
  // Answers the floor after the command of the entry at `index`.
  StatusOr<Index> Compact(std::string_view command, Index index);
  void ReviewPressure();

  // EventListener.
  void OnFlushed(const Position& position) override;
  void OnWritable() override;
  void OnBackgroundError(const Status& status) override;

  const MachineOptions options_;

  // Owned by the apply actor.
  uint64_t applied_since_review_ = 0;
  WriteBatch batch_;  // Reused.
  std::function<void(Index)> on_applied_;

  std::atomic<uint64_t> history_floor_{0};
  PinnedReaders readers_;
  std::unique_ptr<WatchFeed> feed_;
  // Owned by the tree's flush actor.
  uint64_t tree_floor_ = 0;
  ContentChain content_;

  std::atomic<double> pressure_{0};
  std::atomic<uint64_t> applied_term_{0};
  Deadlines deadlines_;
  LogClock log_clock_;

  mutable Mutex mu_;
  std::shared_ptr<DB> db_
      SIS_GUARDED_BY(mu_);  // Another one after Install; readers keep theirs alive.
  std::function<void()> on_ready_ SIS_GUARDED_BY(mu_);
  std::function<void()> on_time_ SIS_GUARDED_BY(mu_);
};

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_MACHINE_H_
