#include "tests/unit/raft/cluster.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "base/check.h"
#include "raft/quorum.h"

namespace sisyphus::raft::testing {

Payload MakePayload(const std::string& bytes) { return std::make_shared<const std::string>(bytes); }

std::vector<NodeId> Ids(const std::vector<uint64_t>& ids) {
  std::vector<NodeId> out;
  for (uint64_t id : ids) out.emplace_back(id);
  return out;
}

Membership MakeMembership(const std::vector<uint64_t>& voters,
                          const std::vector<uint64_t>& learners) {
  Membership m;
  m.voters = Ids(voters);
  m.learners = Ids(learners);
  return m;
}

// --- Disk ---

bool Disk::Holds(LogPosition position) const {
  if (position.index <= base.last.index) return true;  // Committed, as all that is compacted.
  return position.index <= last() &&
         log[position.index - base.last.index - 1].term == position.term;
}

const Membership& Disk::MembershipAt(Index index) const {
  scratch_ = base.membership;
  for (const Entry& entry : log) {
    if (entry.index > index) break;
    if (entry.type == EntryType::kMembership) scratch_ = *DecodeMembership(*entry.payload);
  }
  return scratch_;
}

void Disk::Write(const DiskWrite& write) {
  if (write.hard_state) hard_state = *write.hard_state;
  if (write.snapshot && !write.keep_log) {
    base = *write.snapshot;
    log.clear();
  }
  for (const Entry& entry : write.entries) {
    SIS_CHECK(entry.index > base.last.index && entry.index <= last().Next(), "gap on disk");
    log.resize(entry.index - base.last.index - 1);
    log.push_back(entry);
  }
}

void Disk::CompactTo(Index index) {
  if (index <= base.last.index) return;
  SIS_CHECK(index <= last(), "compaction beyond the disk's log");
  const Membership at = MembershipAt(index);
  const size_t n = index - base.last.index;
  base = {{index, log[n - 1].term}, at};
  log.erase(log.begin(), log.begin() + static_cast<std::ptrdiff_t>(n));
}

// --- Cluster ---

Cluster::Cluster(Options options) : options_(std::move(options)), rng_(options_.seed) {
  for (const auto* ids : {&options_.voters, &options_.learners, &options_.blank}) {
    for (uint64_t id : *ids) {
      Member& m = members_[id];
      if (ids != &options_.blank) {
        m.disk.base.membership = MakeMembership(options_.voters, options_.learners);
      }
    }
  }
  for (uint64_t id : ids()) Restart(id);
}

std::vector<uint64_t> Cluster::ids() const {
  std::vector<uint64_t> all;
  for (const auto& [id, m] : members_) all.push_back(id);
  return all;
}

void Cluster::Restart(uint64_t id) {
  Member& m = member(id);
  Config config = options_.config;
  config.id = NodeId(id);
  RestoredState state;
  state.hard_state = m.disk.hard_state;
  state.base = m.disk.base;
  state.applied = m.disk.machine.index;
  // Some of what is applied stays on disk, except for the last entry.
  const Index base = m.disk.base.last.index;
  Index split = base;
  if (!m.disk.log.empty()) {
    const Index most = std::min(m.disk.machine.index, m.disk.last().Previous());
    if (most > base) split = Index(rng_.Between(base.value(), most.value()));
  }
  for (const Entry& entry : m.disk.log) {
    if (entry.index > split) {
      state.entries.push_back(entry);
      continue;
    }
    if (state.term_runs.empty() || state.term_runs.back().term != entry.term) {
      state.term_runs.push_back({entry.index, entry.term});
    }
    if (entry.type == EntryType::kMembership) {
      state.memberships.push_back({entry.index, *DecodeMembership(*entry.payload)});
    }
  }
  m.core = std::make_unique<Core>(config, rng_.Fork(), std::move(state));
  m.machine = m.disk.machine;
  m.checked_commit = m.core->commit();
  Check(id);
}

void Cluster::TrustState(uint64_t id, bool trusted) {
  if (id == 0) return;
  if (alive(id)) core(id).TrustState(trusted);
  distrusted_ = trusted ? 0 : id;
}

void Cluster::Crash(uint64_t id) {
  if (id == distrusted_) distrusted_ = 0;
  Member& m = member(id);
  m.core.reset();
  if (!m.writes.empty() && rng_.Chance(1, 2)) {
    DiskWrite torn = m.writes.front();
    const bool applied = !torn.snapshot || torn.snapshot->last.index <= m.disk.machine.index;
    if (!torn.entries.empty()) torn.entries.resize(rng_.Below(torn.entries.size() + 1));
    if (rng_.Chance(1, 2)) torn.hard_state.reset();
    if (applied) {
      m.disk.Write(torn);
      NoteEntries(torn.entries);
    }
  }
  m.writes.clear();
  m.applying.clear();
  m.lease_sent.clear();
  m.lease_until = 0;
  for (auto it = reads_.begin(); it != reads_.end();) {
    it = it->first % 1000 == id ? reads_.erase(it) : std::next(it);
  }
}

Output Cluster::Collect(uint64_t id) {
  Member& m = member(id);
  if (!m.core) return {};
  Output output = m.core->TakeOutput(rng_.Chance(1, 4) ? 1 : 1 << 20);
  NoteLease(m, output);
  for (const Message& message : output.messages) Post(message);
  for (const DiskRead& read : output.disk_reads) ServeDiskRead(m, read);
  if (!output.write.empty()) {
    m.writes.push_back(output.write);
  }
  if (output.snapshot_to_install) {
    ++snapshots_;
    m.applying.push_back({output.snapshot_to_install, {}});
  }
  if (!output.committed.empty()) m.applying.push_back({std::nullopt, output.committed});
  for (const ReadState& read : output.reads) {
    auto it = reads_.find(read.context);
    if (it == reads_.end()) {
      ADD_FAILURE() << "a read confirmed twice or never asked";
      continue;
    }
    EXPECT_GE(read.index, it->second) << "a read would miss an acknowledged write";
    reads_.erase(it);
    ++reads_confirmed_;
  }
  for (uint64_t context : output.lost_reads) {
    EXPECT_EQ(reads_.erase(context), 1u);
    ++reads_lost_;
  }
  Check(id);
  return output;
}

void Cluster::ServeDiskRead(Member& m, DiskRead read) {
  ++disk_reads_;
  auto& request = std::get<AppendRequest>(read.request.body);
  size_t bytes = 0;
  for (Index i = read.first; i <= read.last && i <= m.disk.last(); ++i) {
    if (i <= m.disk.base.last.index) return;  // Compacted meanwhile.
    const Entry& entry = m.disk.log[i - m.disk.base.last.index - 1];
    if (!request.entries.empty() && bytes + entry.size_bytes() > read.max_bytes) break;
    bytes += entry.size_bytes();
    request.entries.push_back(entry);
  }
  EXPECT_FALSE(request.entries.empty()) << "an evicted entry is not on disk";
  Post(read.request);
}

void Cluster::Post(Message message) {
  if (const auto* append = std::get_if<AppendRequest>(&message.body)) NoteEntries(append->entries);
  network_.push_back(std::move(message));
}

// An entry counts from the moment that somebody else or a disk has seen it.
void Cluster::NoteEntries(const std::vector<Entry>& entries) {
  for (const Entry& entry : entries) {
    auto [it, fresh] = entries_.try_emplace({entry.index, entry.term}, entry.payload);
    EXPECT_EQ(*it->second, *entry.payload)
        << "two entries at index " << entry.index << " term " << entry.term;
  }
}

bool Cluster::FinishWrite(uint64_t id) {
  Member& m = member(id);
  if (!m.core || m.writes.empty()) return false;
  DiskWrite write = std::move(m.writes.front());
  m.writes.pop_front();
  // The log may only be replaced once the state machine holds the snapshot durably.
  while (write.snapshot && m.disk.machine.index < write.snapshot->last.index) {
    SIS_CHECK(FinishApply(id), "a snapshot in the log that nobody installs");
  }
  m.disk.Write(write);
  NoteEntries(write.entries);
  for (Message& message : write.messages) Post(std::move(message));
  m.core->Persisted(write.id);
  Check(id);
  return true;
}

bool Cluster::FinishApply(uint64_t id) {
  Member& m = member(id);
  if (!m.core || m.applying.empty()) return false;
  Applying work = std::move(m.applying.front());
  m.applying.pop_front();
  if (work.snapshot) {
    m.machine = m.disk.machine = work.snapshot->last;
    EXPECT_EQ(committed_.at(m.machine.index.value() - 1).term, m.machine.term);
    if (id == distrusted_) {
      ++reseeds_;
      TrustState(id, true);
    }
  }
  for (const Entry& entry : work.entries) {
    EXPECT_EQ(entry.index, m.machine.index.Next()) << "applied out of order";
    const Committed& agreed = committed_.at(entry.index.value() - 1);
    EXPECT_EQ(entry.term, agreed.term) << "state machine safety, index " << entry.index;
    EXPECT_EQ(*entry.payload, *agreed.payload) << "state machine safety, index " << entry.index;
    m.machine = {entry.index, entry.term};
  }
  m.core->Applied(m.machine.index);
  Check(id);
  return true;
}

void Cluster::Deliver(size_t position) {
  const Message message = network_[position];
  network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(position));
  auto to = members_.find(message.to.value());
  const bool arrives = to != members_.end() && to->second.core != nullptr;
  if (arrives) {
    to->second.core->Step(message);
    Check(message.to.value());
  }
  if (!std::holds_alternative<SnapshotRequest>(message.body)) return;
  if (alive(message.from.value())) core(message.from.value()).SnapshotSent(message.to, arrives);
}

void Cluster::Drop(size_t position) {
  const Message message = network_[position];
  network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(position));
  if (!std::holds_alternative<SnapshotRequest>(message.body)) return;
  if (alive(message.from.value())) core(message.from.value()).SnapshotSent(message.to, false);
}

void Cluster::Tick(uint64_t id) {
  if (!alive(id)) return;
  core(id).Tick();
  Check(id);
}

void Cluster::TickAll() {
  ++now_;
  for (uint64_t id : ids()) Tick(id);
}

void Cluster::Flush(uint64_t id) { disk(id).machine = member(id).machine; }

void Cluster::Compact(uint64_t id, Index index) {
  const Index first = core(id).status().first;
  core(id).LogCompacted(index);
  if (core(id).status().first == first) return;
  disk(id).CompactTo(core(id).status().first.Previous());
  Check(id);
}

Status Cluster::ReadIndex(uint64_t id) {
  const uint64_t context = ++next_read_ * 1000 + id;
  const Status status = core(id).ReadIndex(context);
  if (status.ok()) reads_[context] = Index(committed_.size());
  return status;
}

void Cluster::Settle(const std::function<bool(const Message&)>& drop) {
  for (bool busy = true; busy && !::testing::Test::HasFailure();) {
    busy = false;
    for (uint64_t id : ids()) {
      if (!alive(id)) continue;
      if (core(id).HasOutput()) {
        Collect(id);
        busy = true;
      }
      while (FinishWrite(id)) busy = true;
      while (FinishApply(id)) busy = true;
    }
    for (size_t left = network_.size(); left > 0; --left) {
      busy = true;
      if (drop && drop(network_.front())) {
        Drop(0);
      } else {
        Deliver(0);
      }
    }
  }
}

void Cluster::SettleWithout(uint64_t id) {
  Settle([id](const Message& m) { return m.from == NodeId(id) || m.to == NodeId(id); });
}

void Cluster::Elect(uint64_t id) {
  core(id).Campaign();
  Settle();
  ASSERT_EQ(core(id).role(), Role::kLeader);
}

LogPosition Cluster::Propose(uint64_t id, const std::string& payload) {
  const Payload bytes = MakePayload(payload);
  StatusOr<LogPosition> position = core(id).Propose({&bytes, 1});
  EXPECT_TRUE(position.ok()) << position.status();
  return position.ok() ? *position : LogPosition{};
}

std::optional<uint64_t> Cluster::leader() const {
  std::optional<uint64_t> best;
  for (const auto& [id, m] : members_) {
    if (!m.core || m.core->role() != Role::kLeader) continue;
    if (!best || members_.at(*best).core->term() < m.core->term()) best = id;
  }
  return best;
}

std::string Cluster::Terms(uint64_t id) {
  const CoreStatus status = core(id).status();
  std::string out;
  for (Index i = status.first; i <= status.last; ++i) {
    if (!out.empty()) out += ' ';
    out += ToString(*core(id).TermAt(i));
  }
  return out;
}

// --- Checks ---

void Cluster::NoteLease(Member& m, const Output& output) {
  if (m.lease_term != m.core->term()) {
    m.lease_term = m.core->term();
    m.lease_sent.clear();
    m.lease_until = 0;
  }
  for (const Message& message : output.messages) {
    const auto* heartbeat = std::get_if<HeartbeatRequest>(&message.body);
    if (heartbeat != nullptr && heartbeat->lease) m.lease_sent.try_emplace(heartbeat->round, now_);
  }
  if (output.lease_round == 0) {
    m.lease_until = 0;
  } else if (auto it = m.lease_sent.find(output.lease_round); it != m.lease_sent.end()) {
    // Every replica's clock ticks once a step of `now_`.
    m.lease_until = std::max(m.lease_until, it->second + options_.config.election_ticks);
    ++leases_seen_;
  }
}

void Cluster::Check(uint64_t id) {
  Member& m = member(id);
  const CoreStatus status = m.core->status();
  EXPECT_LE(status.commit, status.last);
  EXPECT_LE(m.checked_commit, status.commit) << "commit went back";
  EXPECT_LE(status.first, status.last.Next());
  CheckCommit(id);
  if (status.role == Role::kLeader) CheckLeader(id);
  CheckLogs(id);
}

void Cluster::CheckLeader(uint64_t id) {
  const Core& leader = core(id);
  const auto [it, fresh] = leaders_.try_emplace(leader.term(), id);
  EXPECT_EQ(it->second, id) << "election safety, term " << leader.term();
  if (!fresh) return;
  // Leader completeness.
  const Index base = leader.status().first.Previous();
  for (Index i = base; i.value() <= committed_.size(); ++i) {
    if (i == Index(0) || committed_[i.value() - 1].leader_term >= leader.term()) continue;
    EXPECT_EQ(leader.TermAt(i), committed_[i.value() - 1].term)
        << "leader completeness, leader " << id << " index " << i;
  }
  // Nobody may lead while another holds a lease.
  for (const auto& [other, m] : members_) {
    if (other == id || !m.core || m.core->role() != Role::kLeader) continue;
    if (m.core->term() != m.lease_term || m.core->term() > leader.term()) continue;
    EXPECT_GE(now_, m.lease_until) << other << " has a lease while " << id << " is elected";
  }
}

void Cluster::CheckCommit(uint64_t id) {
  Member& m = member(id);
  const CoreStatus status = m.core->status();
  for (Index i = m.checked_commit.Next(); i <= status.commit; ++i) {
    const std::optional<Term> term = m.core->TermAt(i);
    if (!term) continue;  // Behind a snapshot.
    if (i.value() <= committed_.size()) {
      Committed& agreed = committed_[i.value() - 1];
      EXPECT_EQ(*term, agreed.term) << "committed twice, index " << i;
      agreed.leader_term = std::min(agreed.leader_term, status.term);
      continue;
    }
    ASSERT_EQ(i.value(), committed_.size() + 1);
    // It may have removed itself with that, and step down at once.
    EXPECT_TRUE(status.role == Role::kLeader || !IsVoter(status.membership, status.id))
        << "only a leader commits first";
    auto entry = entries_.find({i, *term});
    ASSERT_NE(entry, entries_.end()) << "committed but written nowhere";
    committed_.push_back({*term, entry->second, status.term});
  }
  if (status.role == Role::kLeader && m.checked_commit < status.commit) {
    const LogPosition at{status.commit, *m.core->TermAt(status.commit)};
    EXPECT_EQ(at.term, status.term) << "an old term's entry committed by counting";
    const VoteResult held = CountVotes(
        status.membership.voters, status.membership.outgoing,
        [&](NodeId voter) -> std::optional<bool> { return disk(voter.value()).Holds(at); });
    // A change that this commit brought about may hold already; then the count was by the one
    // before.
    if (status.membership_index < status.commit) {
      EXPECT_EQ(held, VoteResult::kWon);
    }
  }
  m.checked_commit = status.commit;
}

void Cluster::CheckLogs(uint64_t id) {
  const Core& mine = core(id);
  const CoreStatus a = mine.status();
  for (const auto& [other, m] : members_) {
    if (other == id || !m.core) continue;
    const CoreStatus b = m.core->status();
    const Index first = std::max(a.first, b.first);
    bool equal_above = false;
    for (Index i = std::min(a.last, b.last); i >= first; i = i.Previous()) {
      const bool equal = mine.TermAt(i) == m.core->TermAt(i);
      if (equal_above && !equal) {
        ADD_FAILURE() << "log matching, replicas " << id << " and " << other << " index " << i;
        return;
      }
      equal_above |= equal;
    }
  }
}

}  // namespace sisyphus::raft::testing
