// A cluster of cores with disks and state machines made of vectors, on a network that is a list of
// messages. Nothing moves unless a test says so. After every step the safety properties of the
// thesis (figure 3.2) are checked, and that what is committed lies on the disks of a majority.
#ifndef SISYPHUS_TESTS_UNIT_RAFT_CLUSTER_H_
#define SISYPHUS_TESTS_UNIT_RAFT_CLUSTER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "raft/core.h"

namespace sisyphus::raft::testing {

// What survives a crash.
struct Disk {
  HardState hard_state;
  SnapshotMeta base;
  std::vector<Entry> log;  // Behind `base`.
  LogPosition machine;     // The state machine, durably.

  Index last() const { return base.last.index + log.size(); }
  bool Holds(LogPosition position) const;
  const Membership& MembershipAt(Index index) const;
  void Write(const DiskWrite& write);
  void CompactTo(Index index);

 private:
  mutable Membership scratch_;
};

class Cluster {
 public:
  struct Options {
    uint64_t seed = 1;
    Config config;                   // `id` is filled in.
    std::vector<uint64_t> voters;    // Founders.
    std::vector<uint64_t> blank;     // Replicas without a configuration.
    std::vector<uint64_t> learners;  // Founding learners.
  };

  explicit Cluster(Options options);

  // --- One thing at a time. ---

  Core& core(uint64_t id) { return *member(id).core; }
  bool alive(uint64_t id) { return member(id).core != nullptr; }
  Disk& disk(uint64_t id) { return member(id).disk; }
  Index machine(uint64_t id) { return member(id).machine.index; }
  size_t writes_queued(uint64_t id) { return member(id).writes.size(); }
  std::deque<Message>& network() { return network_; }

  // Takes the output: messages to the network, writes and applies to their queues. The output is
  // returned with its messages and entries still in it.
  Output Collect(uint64_t id);
  bool FinishWrite(uint64_t id);
  bool FinishApply(uint64_t id);
  void Deliver(size_t position);
  void Drop(size_t position);
  void Tick(uint64_t id);
  void TickAll();
  void Crash(uint64_t id);  // With the queued writes lost, but maybe a beginning of the first.
  void Restart(uint64_t id);
  void Flush(uint64_t id);  // The state machine becomes durable as it is.
  void Compact(uint64_t id, Index index);

  Status ReadIndex(uint64_t id);

  // Of one member at most: trusted again when it has installed a snapshot, or restarts.
  void TrustState(uint64_t id, bool trusted);
  uint64_t distrusted() const { return distrusted_; }  // 0: nobody.
  uint64_t reseeds() const { return reseeds_; }

  // --- Many things. ---

  // Work, writes, applies and messages until nothing is left. Messages that `drop` picks are lost.
  void Settle(const std::function<bool(const Message&)>& drop = nullptr);
  // Settles with one id's traffic cut.
  void SettleWithout(uint64_t id);
  // Campaigns and settles; fails the test if it does not lead then.
  void Elect(uint64_t id);
  LogPosition Propose(uint64_t id, const std::string& payload);

  std::vector<uint64_t> ids() const;
  std::optional<uint64_t> leader() const;  // The one with the highest term.
  // Terms from the first to the last entry, e.g. "1 1 2".
  std::string Terms(uint64_t id);

  size_t committed_count() const { return committed_.size(); }
  uint64_t reads_confirmed() const { return reads_confirmed_; }
  uint64_t reads_lost() const { return reads_lost_; }
  uint64_t elections() const { return leaders_.size(); }
  uint64_t snapshots() const { return snapshots_; }
  uint64_t disk_reads() const { return disk_reads_; }
  uint64_t leases_seen() const { return leases_seen_; }
  uint64_t now() const { return now_; }
  Rng& rng() { return rng_; }

 private:
  struct Applying {
    std::optional<SnapshotMeta> snapshot;
    std::vector<Entry> entries;
  };
  struct Member {
    std::unique_ptr<Core> core;
    Disk disk;
    LogPosition machine;
    std::deque<DiskWrite> writes;
    std::deque<Applying> applying;
    // For the checks.
    Index checked_commit;
    std::map<Round, uint64_t> lease_sent;  // When.
    Term lease_term;
    uint64_t lease_until = 0;
  };

  Member& member(uint64_t id) { return members_.at(id); }
  Membership DiskMembership(const Disk& disk, Index index) const;
  void ServeDiskRead(Member& m, DiskRead read);
  void Post(Message message);
  void NoteEntries(const std::vector<Entry>& entries);
  void NoteLease(Member& m, const Output& output);
  void Check(uint64_t id);
  void CheckLeader(uint64_t id);
  void CheckCommit(uint64_t id);
  void CheckLogs(uint64_t id);

  Options options_;
  Rng rng_;
  std::map<uint64_t, Member> members_;
  std::deque<Message> network_;
  uint64_t now_ = 0;

  // What the whole cluster has agreed on.
  struct Committed {
    Term term;
    Payload payload;
    Term leader_term;  // The lowest term of a replica that knew it as committed.
  };
  std::vector<Committed> committed_;  // From index 1.
  std::map<Term, uint64_t> leaders_;
  std::map<LogPosition, Payload> entries_;
  std::map<uint64_t, Index> reads_;  // Context to the commit index that it must see.
  uint64_t next_read_ = 0;
  uint64_t reads_confirmed_ = 0;
  uint64_t reads_lost_ = 0;
  uint64_t snapshots_ = 0;
  uint64_t distrusted_ = 0;
  uint64_t reseeds_ = 0;
  uint64_t disk_reads_ = 0;
  uint64_t leases_seen_ = 0;
};

Payload MakePayload(const std::string& bytes);
std::vector<NodeId> Ids(const std::vector<uint64_t>& ids);
Membership MakeMembership(const std::vector<uint64_t>& voters,
                          const std::vector<uint64_t>& learners = {});

}  // namespace sisyphus::raft::testing

#endif  // SISYPHUS_TESTS_UNIT_RAFT_CLUSTER_H_
