#include "raft/log_view.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace sisyphus::raft {
namespace {

bool IndexBefore(Index index, const LogPosition& run) { return index < run.index; }

}  // namespace

LogView::LogView(LogPosition base, std::vector<LogPosition> term_runs, Index disk_last,
                 std::vector<Entry> entries)
    : base_(base), memory_first_(disk_last.Next()), last_(disk_last) {
  SIS_CHECK(disk_last >= base.index, "the log ends before its base");
  LogPosition before;
  for (LogPosition run : term_runs) {
    if (run.index > disk_last) break;
    SIS_CHECK(before.index < run.index && before.term < run.term, "term runs are not ascending");
    before = run;
    // A run that began before the base covers the first entries behind it.
    if (run.index <= base.index) {
      run.index = base.index.Next();
      term_runs_.clear();
    }
    if (!term_runs_.empty() && term_runs_.back().index == run.index) term_runs_.pop_back();
    if (run.index <= disk_last) term_runs_.push_back(run);
  }
  SIS_CHECK(disk_last == base.index ||
                (!term_runs_.empty() && term_runs_.front().index == base.index.Next()),
            "entries on disk without their terms");
  for (Entry& entry : entries) Append(std::move(entry));
}

std::optional<Term> LogView::TermAt(Index index) const {
  if (index == base_.index) return base_.term;
  if (index < base_.index || index > last_) return std::nullopt;
  if (index >= term_runs_.back().index) return term_runs_.back().term;
  auto it = std::upper_bound(term_runs_.begin(), term_runs_.end(), index, IndexBefore);
  return std::prev(it)->term;
}

const Entry& LogView::At(Index index) const {
  SIS_CHECK(index >= memory_first_ && index <= last_, "entry is not in memory");
  return entries_[index - memory_first_];
}

LogPosition LogView::LastWithTermAtMost(Index limit, Term term) const {
  limit = std::min(limit, last_);
  Index run_last = last_;
  for (auto run = term_runs_.rbegin(); run != term_runs_.rend(); ++run) {
    if (run->index <= limit && run->term <= term) return {std::min(limit, run_last), run->term};
    run_last = run->index.Previous();
  }
  return base_;
}

void LogView::Append(Entry entry) {
  SIS_CHECK(entry.index == last_.Next(), "the log would have a gap");
  SIS_CHECK(entry.payload != nullptr, "an entry has no payload");
  const Term last_term = term_runs_.empty() ? base_.term : term_runs_.back().term;
  SIS_CHECK(entry.term >= last_term, "terms in the log would go back");
  if (term_runs_.empty() || term_runs_.back().term != entry.term) {
    term_runs_.push_back({entry.index, entry.term});
  }
  last_ = entry.index;
  memory_bytes_ += entry.size_bytes();
  entries_.push_back(std::move(entry));
}

void LogView::TruncateFrom(Index index) {
  SIS_CHECK(index >= memory_first_, "an evicted entry would be truncated");
  while (last_ >= index) {
    memory_bytes_ -= entries_.back().size_bytes();
    entries_.pop_back();
    last_ = last_.Previous();
  }
  while (!term_runs_.empty() && term_runs_.back().index >= index) term_runs_.pop_back();
}

void LogView::CompactTo(Index index) {
  const std::optional<Term> term = TermAt(index);
  SIS_CHECK(term.has_value(), "compaction of an entry that is not in the log");
  base_ = {index, *term};
  while (!entries_.empty() && entries_.front().index <= index) EvictOldest();
  memory_first_ = std::max(memory_first_, index.Next());
  auto it = std::upper_bound(term_runs_.begin(), term_runs_.end(), index.Next(), IndexBefore);
  if (it != term_runs_.begin()) {
    --it;  // The run that the next entry belongs to, if there is a next entry.
    it->index = index.Next();
    term_runs_.erase(term_runs_.begin(), it);
  }
  if (last_ == index) term_runs_.clear();
}

void LogView::Reset(LogPosition base) {
  base_ = base;
  term_runs_.clear();
  entries_.clear();
  memory_first_ = base.index.Next();
  last_ = base.index;
  memory_bytes_ = 0;
}

void LogView::EvictOldest() {
  SIS_CHECK(!entries_.empty(), "nothing to evict");
  memory_bytes_ -= entries_.front().size_bytes();
  entries_.pop_front();
  memory_first_ = memory_first_.Next();
}

}  // namespace sisyphus::raft
