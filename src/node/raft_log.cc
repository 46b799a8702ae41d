#include "node/raft_log.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/coding.h"
#include "base/planted.h"
#include "raft/membership.h"

namespace sisyphus::node {

namespace {

enum RecordType : uint8_t { kEntry = 1, kHardState = 2, kBase = 3 };

constexpr size_t kEntryHeadBytes = 8 + 8 + 1;

std::string EncodeEntryHead(const raft::Entry& entry) {
  std::string head(kEntryHeadBytes, '\0');
  EncodeFixed64(head.data(), entry.index.value());
  EncodeFixed64(head.data() + 8, entry.term.value());
  head[16] = static_cast<char>(entry.type);
  return head;
}

std::optional<raft::Entry> DecodeEntry(std::string_view bytes, bool with_payload) {
  Decoder in(bytes);
  raft::Entry entry;
  entry.index = Index(in.Fixed64());
  entry.term = Term(in.Fixed64());
  const uint8_t type = in.Byte();
  if (!in.ok() || type > static_cast<uint8_t>(raft::EntryType::kMembership)) return std::nullopt;
  entry.type = static_cast<raft::EntryType>(type);
  if (with_payload) entry.payload = std::make_shared<const std::string>(in.rest());
  return entry;
}

std::string EncodeHardState(const raft::HardState& state) {
  std::string bytes;
  PutFixed64(&bytes, state.term.value());
  PutFixed64(&bytes, SIS_PLANTED(kVoteNotWritten) ? 0 : state.vote.value());
  PutFixed64(&bytes, state.commit.value());
  return bytes;
}

std::string EncodeBase(const raft::SnapshotMeta& base, bool keep) {
  std::string bytes;
  PutFixed64(&bytes, base.last.index.value());
  PutFixed64(&bytes, base.last.term.value());
  bytes.push_back(keep ? 1 : 0);
  bytes += raft::EncodeMembership(base.membership);
  return bytes;
}

Status Damage(const wal::RecordLocation& location, const std::string& what) {
  return MakeStatus(StatusCode::kDataLoss, "log segment " + std::to_string(location.segment) +
                                               " offset " + std::to_string(location.offset) + ": " +
                                               what);
}

}  // namespace

// Builds the state from the records, in order.
class RaftLog::Recovery {
 public:
  Recovery(RaftLog* log, Index applied) : log_(*log), applied_(applied) {}

  Status Replay(uint8_t type, std::string_view bytes, const wal::RecordLocation& location) {
    switch (type) {
      case kEntry:
        return ReplayEntry(bytes, location);
      case kHardState:
        return ReplayHardState(bytes, location);
      case kBase:
        return ReplayBase(bytes, location);
      default:
        return Damage(location, "unknown record type " + std::to_string(type));
    }
  }

  bool blank() const { return !seen_base_; }

  StatusOr<raft::RestoredState> Finish() {
    raft::RestoredState state;
    if (base_to_come_) {
      return MakeStatus(StatusCode::kDataLoss,
                        log_.options_.directory + ": the entries before index " +
                            ToString(log_.base_.last.index.Next()) + " are missing");
    }
    const Index last = log_.base_.last.index + log_.locations_.size();
    if (applied_ < log_.base_.last.index) {
      return MakeStatus(StatusCode::kDataLoss,
                        log_.options_.directory + ": the log begins behind index " +
                            ToString(log_.base_.last.index) + ", but the tables end at index " +
                            ToString(applied_) + ": table files are missing or damaged");
    }
    if (last < applied_ && !log_.options_.installed) {
      return MakeStatus(StatusCode::kDataLoss, log_.options_.directory +
                                                   ": the log ends at index " + ToString(last) +
                                                   ", but the tables hold index " +
                                                   ToString(applied_) + ": log files are missing");
    }
    state.hard_state = log_.hard_state_;
    // A torn write can leave entries of a term whose hard state is lost: nothing was promised in
    // that term yet.
    const Term last_term = !entries_.empty()     ? entries_.back().term
                           : !term_runs_.empty() ? term_runs_.back().term
                                                 : log_.base_.last.term;
    if (last_term > state.hard_state.term)
      state.hard_state = {last_term, kNoNode, state.hard_state.commit};
    state.hard_state.commit = std::min(std::max(state.hard_state.commit, applied_), last);
    state.base = log_.base_;
    state.term_runs = std::move(term_runs_);
    state.memberships = std::move(memberships_);
    state.entries = {std::make_move_iterator(entries_.begin()),
                     std::make_move_iterator(entries_.end())};
    state.applied = applied_;
    return state;
  }

 private:
  Status ReplayEntry(std::string_view bytes, const wal::RecordLocation& location) {
    std::optional<raft::Entry> entry = DecodeEntry(bytes, /*with_payload=*/true);
    if (!entry) return Damage(location, "malformed entry");
    if (log_.locations_.empty() && entry->index > log_.base_.last.index.Next()) {
      // The segments before were dropped by a compaction whose record is still to come.
      log_.base_.last = {entry->index.Previous(), Term(0)};
      base_to_come_ = true;
    }
    if (base_to_come_ && entry->index <= log_.base_.last.index) {
      // It replaces all that was found, which began behind it.
      Truncate(entry->index);
      log_.locations_.clear();
      log_.base_.last.index = entry->index.Previous();
    }
    const Index base = log_.base_.last.index;
    if (entry->index <= base) return OkStatus();  // Compacted since.
    if (entry->index > base + log_.locations_.size() + 1) {
      return Damage(location, "entry " + ToString(entry->index) + " follows entry " +
                                  ToString(base + log_.locations_.size()));
    }
    Truncate(entry->index);
    log_.PutEntryLocation(entry->index, location);
    if (entry->type == raft::EntryType::kMembership) {
      StatusOr<raft::Membership> membership = raft::DecodeMembership(*entry->payload);
      if (!membership.ok()) return Damage(location, "malformed membership entry");
      if (entry->index <= applied_) memberships_.push_back({entry->index, *std::move(membership)});
    }
    if (entry->index <= applied_) {
      if (term_runs_.empty() || term_runs_.back().term != entry->term) {
        term_runs_.push_back({entry->index, entry->term});
      }
    } else {
      entries_.push_back(*std::move(entry));
    }
    return OkStatus();
  }

  // Forgets the entries at `index` and behind.
  void Truncate(Index index) {
    while (!entries_.empty() && entries_.back().index >= index) entries_.pop_back();
    while (!term_runs_.empty() && term_runs_.back().index >= index) term_runs_.pop_back();
    while (!memberships_.empty() && memberships_.back().index >= index) memberships_.pop_back();
  }

  Status ReplayHardState(std::string_view bytes, const wal::RecordLocation& location) {
    Decoder in(bytes);
    raft::HardState state;
    state.term = Term(in.Fixed64());
    state.vote = NodeId(in.Fixed64());
    state.commit = Index(in.Fixed64());
    if (!in.Done()) return Damage(location, "malformed hard state");
    log_.hard_state_ = state;
    return OkStatus();
  }

  Status ReplayBase(std::string_view bytes, const wal::RecordLocation& location) {
    Decoder in(bytes);
    raft::SnapshotMeta base;
    base.last.index = Index(in.Fixed64());
    base.last.term = Term(in.Fixed64());
    const bool keep = in.Byte() != 0;
    if (!in.ok()) return Damage(location, "malformed base");
    StatusOr<raft::Membership> membership = raft::DecodeMembership(in.rest());
    if (!membership.ok()) return Damage(location, "malformed membership in base");
    base.membership = *std::move(membership);
    MoveBase(base, keep);
    return OkStatus();
  }

  void MoveBase(const raft::SnapshotMeta& base, bool keep) {
    const Index old = log_.base_.last.index;
    const Index index = base.last.index;
    if (base_to_come_ && keep && index < old) return;  // From before the compaction.
    base_to_come_ = false;
    if (!keep || !seen_base_ || index > old + log_.locations_.size()) {
      log_.locations_.clear();
      entries_.clear();
      term_runs_.clear();
      memberships_.clear();
    } else if (index > old) {
      log_.locations_.erase(log_.locations_.begin(),
                            log_.locations_.begin() + static_cast<ptrdiff_t>(index - old));
      while (!entries_.empty() && entries_.front().index <= index) entries_.pop_front();
      std::erase_if(memberships_, [&](const auto& m) { return m.index <= index; });
      DropTermRuns(index);
    }
    log_.base_ = base;
    seen_base_ = true;
  }

  // Term runs begin at or before the first entry behind `index`.
  void DropTermRuns(Index index) {
    const Index first = index.Next();
    auto keep = std::find_if(term_runs_.rbegin(), term_runs_.rend(),
                             [&](const LogPosition& run) { return run.index <= first; });
    if (keep != term_runs_.rend()) term_runs_.erase(term_runs_.begin(), keep.base() - 1);
    if (!term_runs_.empty()) term_runs_.front().index = std::max(term_runs_.front().index, first);
    const bool none_left = log_.locations_.empty() || entries_.size() == log_.locations_.size();
    if (none_left) term_runs_.clear();
  }

  RaftLog& log_;
  const Index applied_;
  bool seen_base_ = false;
  bool base_to_come_ = false;        // The entries do not begin where the last base says.
  std::deque<raft::Entry> entries_;  // Those behind applied_.
  std::vector<LogPosition> term_runs_;
  std::vector<raft::RestoredState::MembershipAt> memberships_;
};

StatusOr<std::unique_ptr<RaftLog>> RaftLog::Open(FileSystem& fs, const Options& options,
                                                 raft::RestoredState* restored) {
  std::unique_ptr<RaftLog> log(new RaftLog(options));
  // A log that is begun now: its first segment's preamble already carries the founding membership.
  Recovery recovery(log.get(), options.applied.index);
  wal::LogOptions wal_options;
  wal_options.segment_bytes = options.segment_bytes;
  wal_options.clock = options.clock;
  wal_options.measures = options.measures;
  SIS_ASSIGN_OR_RETURN(log->log_, wal::Log::Open(
                                      fs, options.directory, wal_options,
                                      [&](uint8_t type, std::string_view bytes,
                                          const wal::RecordLocation& location) {
                                        return recovery.Replay(type, bytes, location);
                                      },
                                      [log = log.get(), &recovery, opened = false]() mutable {
                                        if (!opened && recovery.blank())
                                          log->base_.membership = log->options_.initial_membership;
                                        opened = true;
                                        return log->Preamble();
                                      }));
  SIS_ASSIGN_OR_RETURN(*restored, recovery.Finish());
  SIS_RETURN_IF_ERROR(log->AdoptInstalled(restored));
  return log;
}

bool RaftLog::Holds(LogPosition position, const raft::RestoredState& restored) const {
  if (position.index > base_.last.index + locations_.size()) return false;
  Term term = base_.last.term;
  for (const LogPosition& run : restored.term_runs) {
    if (run.index <= position.index) term = run.term;
  }
  for (const raft::Entry& entry : restored.entries) {
    if (entry.index <= position.index) term = entry.term;
  }
  return term == position.term;
}

// A crash came between the snapshot's acceptance and the log's record of it.
Status RaftLog::AdoptInstalled(raft::RestoredState* restored) {
  if (!options_.installed || base_.last.index >= options_.installed->last.index) return OkStatus();
  // It reaches beyond: only the state was replaced (DiskWrite::keep_log), or it has grown since.
  if (Holds(options_.installed->last, *restored)) return OkStatus();
  raft::DiskWrite write;
  write.snapshot = options_.installed;
  SIS_RETURN_IF_ERROR(Write({&write, 1}));
  raft::RestoredState fresh;
  fresh.hard_state = restored->hard_state;
  fresh.hard_state.term = std::max(fresh.hard_state.term, base_.last.term);
  if (fresh.hard_state.term != restored->hard_state.term) fresh.hard_state.vote = kNoNode;
  fresh.hard_state.commit = base_.last.index;
  fresh.base = base_;
  fresh.applied = base_.last.index;
  *restored = std::move(fresh);
  return OkStatus();
}

std::vector<wal::Record> RaftLog::Preamble() {
  preamble_base_ = EncodeBase(base_, /*keep=*/true);
  preamble_hard_state_ = EncodeHardState(hard_state_);
  return {{kBase, preamble_base_, {}}, {kHardState, preamble_hard_state_, {}}};
}

Status RaftLog::AppendRecords(std::span<const wal::Record> records,
                              std::vector<wal::RecordLocation>* locations) {
  SIS_ASSIGN_OR_RETURN(*locations, log_->AppendBatch(records));
  SIS_CHECK(locations->size() == records.size(), "a location for every record");
  return OkStatus();
}

void RaftLog::PutEntryLocation(Index index, const wal::RecordLocation& location) {
  SIS_CHECK(index > base_.last.index && index <= base_.last.index + locations_.size() + 1,
            "entries are consecutive");
  locations_.resize(index - base_.last.index - 1);
  locations_.push_back(location);
}

Status RaftLog::Write(std::span<const raft::DiskWrite> writes) {
  std::vector<wal::Record> records;
  std::deque<std::string> heads;  // Stable addresses: the records view them.
  for (const raft::DiskWrite& write : writes) {
    if (write.snapshot && !write.keep_log) {
      heads.push_back(EncodeBase(*write.snapshot, /*keep=*/false));
      records.push_back({kBase, heads.back(), {}});
    }
    for (const raft::Entry& entry : write.entries) {
      heads.push_back(EncodeEntryHead(entry));
      records.push_back({kEntry, heads.back(), *entry.payload});
    }
    // Behind the entries: a torn tail then never leaves a commit index without its entries.
    if (write.hard_state) {
      heads.push_back(EncodeHardState(*write.hard_state));
      records.push_back({kHardState, heads.back(), {}});
    }
  }
  if (records.empty()) return OkStatus();
  std::vector<wal::RecordLocation> locations;
  SIS_RETURN_IF_ERROR(AppendRecords(records, &locations));
  size_t next = 0;
  for (const raft::DiskWrite& write : writes) {
    if (write.snapshot && !write.keep_log) {
      base_ = *write.snapshot;
      locations_.clear();
      ++next;
    }
    for (const raft::Entry& entry : write.entries) PutEntryLocation(entry.index, locations[next++]);
    if (write.hard_state) {
      hard_state_ = *write.hard_state;
      ++next;
    }
  }
  return OkStatus();
}

Status RaftLog::Compact(const raft::SnapshotMeta& base) {
  const Index old = base_.last.index;
  if (base.last.index <= old) return OkStatus();  // A snapshot has taken its place.
  SIS_CHECK(base.last.index <= old + locations_.size(), "compacting what the log holds");

  const std::string bytes = EncodeBase(base, /*keep=*/true);
  const wal::Record record{kBase, bytes, {}};
  std::vector<wal::RecordLocation> ignored;
  SIS_RETURN_IF_ERROR(AppendRecords({&record, 1}, &ignored));
  locations_.erase(locations_.begin(),
                   locations_.begin() + static_cast<ptrdiff_t>(base.last.index - old));
  base_ = base;
  const uint64_t oldest = locations_.empty() ? log_->current_segment() : locations_.front().segment;
  return log_->DropSegmentsBefore(oldest);
}

Index RaftLog::CompactionPoint(Index limit, uint64_t keep_bytes) const {
  const Index base = base_.last.index;
  const uint64_t keep_segments = std::max<uint64_t>(1, keep_bytes / options_.segment_bytes);
  if (log_->current_segment() < keep_segments) return base;
  const uint64_t first_kept = log_->current_segment() - keep_segments + 1;
  // Later entries stand in later segments: what replaces an entry replaces all behind it too.
  const auto end =
      std::partition_point(locations_.begin(), locations_.end(),
                           [&](const wal::RecordLocation& l) { return l.segment < first_kept; });
  const Index point = base + static_cast<uint64_t>(end - locations_.begin());
  return std::max(base, std::min(point, limit));
}

StatusOr<std::vector<wal::RecordLocation>> RaftLog::Locate(Index first, Index last,
                                                           size_t max_bytes) const {
  const Index base = base_.last.index;
  if (first <= base || first > base + locations_.size()) {
    return MakeStatus(StatusCode::kNotFound, "entry " + ToString(first) + " is not in the log");
  }
  std::vector<wal::RecordLocation> found;
  size_t bytes = 0;
  for (Index i = first; i <= last && i <= base + locations_.size(); ++i) {
    const wal::RecordLocation& location = locations_[i - base - 1];
    bytes += location.length;
    if (!found.empty() && bytes > max_bytes) break;
    found.push_back(location);
  }
  return found;
}

StatusOr<std::vector<raft::Entry>> RaftLog::ReadEntries(
    std::span<const wal::RecordLocation> locations) const {
  std::vector<raft::Entry> entries;
  entries.reserve(locations.size());
  std::string bytes;
  for (const wal::RecordLocation& location : locations) {
    SIS_RETURN_IF_ERROR(log_->Read(location, &bytes));
    std::optional<raft::Entry> entry = DecodeEntry(bytes, /*with_payload=*/true);
    if (!entry) return Damage(location, "malformed entry");
    entries.push_back(*std::move(entry));
  }
  return entries;
}

}  // namespace sisyphus::node
