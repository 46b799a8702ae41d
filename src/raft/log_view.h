// LogView: what the core knows of the log. The terms of all entries behind the base, and the
// entries themselves as far back as memory allows.
//
//   base      evicted: on disk only     in memory
//   |.........|.........................|#################|
//   base()    first()                   memory_first()    last()
//
// Terms are kept as runs (first index of a term, term), so that an evicted entry costs nothing.
#ifndef SISYPHUS_RAFT_LOG_VIEW_H_
#define SISYPHUS_RAFT_LOG_VIEW_H_

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "base/types.h"
#include "raft/types.h"

namespace sisyphus::raft {

class LogView {
 public:
  // `term_runs` covers the entries behind `base` up to `disk_last`, which stay on disk; `entries`
  // (consecutive) follow. Runs that reach into `entries` are allowed and ignored.
  LogView(LogPosition base, std::vector<LogPosition> term_runs, Index disk_last,
          std::vector<Entry> entries);

  LogPosition base() const { return base_; }
  Index first() const { return base_.index.Next(); }
  Index last_index() const { return last_; }
  LogPosition last() const { return {last_, *TermAt(last_)}; }
  Index memory_first() const { return memory_first_; }
  size_t memory_bytes() const { return memory_bytes_; }

  // Known from the base to the last entry.
  std::optional<Term> TermAt(Index index) const;
  bool Holds(LogPosition position) const { return TermAt(position.index) == position.term; }

  // Requires: memory_first() <= index <= last_index().
  const Entry& At(Index index) const;

  // The last position that is at or before `limit` and whose term is at most `term`; the base when
  // there is none. Both sides of a rejected append use it to skip whole terms (thesis 3.5).
  LogPosition LastWithTermAtMost(Index limit, Term term) const;

  // Requires: entry.index == last_index() + 1, and its term is not below the last one's.
  void Append(Entry entry);

  // Drops `index` and everything behind it. Requires: index >= memory_first().
  void TruncateFrom(Index index);

  // Makes `index` the base. Requires: base().index <= index <= last_index().
  void CompactTo(Index index);

  // Forgets everything: the log is empty behind `base`.
  void Reset(LogPosition base);

  // Drops the payload of the oldest entry in memory. Requires: there is one.
  void EvictOldest();

 private:
  LogPosition base_;
  std::vector<LogPosition> term_runs_;
  std::deque<Entry> entries_;
  Index memory_first_;
  Index last_;
  size_t memory_bytes_ = 0;
};

}  // namespace sisyphus::raft

#endif  // SISYPHUS_RAFT_LOG_VIEW_H_
