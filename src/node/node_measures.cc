#include "node/node_measures.h"

#include <algorithm>

namespace sisyphus::node {

void RoundTrips::Sent(Term term, raft::Round round, MonotonicTime now) {
  if (term != term_) rounds_.clear();
  term_ = term;
  if (!rounds_.empty() && rounds_.back().first >= round) return;
  rounds_.emplace_back(round, now);
  if (rounds_.size() > kKept) rounds_.pop_front();
}

void RoundTrips::Answered(NodeId peer, Term term, raft::Round round, MonotonicTime now) {
  if (term != term_) return;
  const auto sent =
      std::lower_bound(rounds_.begin(), rounds_.end(), round,
                       [](const auto& one, raft::Round wanted) { return one.first < wanted; });
  if (sent == rounds_.end() || sent->first != round) return;
  peers_[peer].Record(now - sent->second);
}

std::map<NodeId, DurationHistogram::Snapshot> RoundTrips::Snapshots() const {
  std::map<NodeId, DurationHistogram::Snapshot> snapshots;
  for (const auto& [peer, histogram] : peers_) snapshots.emplace(peer, histogram.snapshot());
  return snapshots;
}

void LagMeter::Note(Index last, uint64_t bytes, MonotonicTime now) {
  if (!samples_.empty() && samples_.back().last >= last) return;
  samples_.push_back({last, bytes, now});
  if (samples_.size() < kMaxSamples) return;
  // The older they are, the further apart they may be.
  size_t kept = 1;
  for (size_t i = 1; i + 1 < samples_.size(); ++i) {
    const MonotonicTime next = samples_[i + 1].time;
    if (next - samples_[kept - 1].time <= (now - next) / kRelativeDistance) continue;
    samples_[kept++] = samples_[i];
  }
  samples_[kept++] = samples_.back();
  samples_.resize(kept);
  if (kept == kMaxSamples) samples_.erase(samples_.begin());
}

LagMeter::Lag LagMeter::Of(Index match, MonotonicTime now) const {
  const auto ahead =
      std::upper_bound(samples_.begin(), samples_.end(), match,
                       [](Index wanted, const Sample& sample) { return wanted < sample.last; });
  if (ahead == samples_.end()) return {};
  Lag lag;
  lag.time = now - ahead->time;
  lag.bytes = samples_.back().bytes - ahead->bytes;
  if (ahead != samples_.begin()) {
    const Sample& before = *std::prev(ahead);
    const double share =
        static_cast<double>(ahead->last - match) / static_cast<double>(ahead->last - before.last);
    lag.bytes += static_cast<uint64_t>(share * static_cast<double>(ahead->bytes - before.bytes));
  }
  return lag;
}

}  // namespace sisyphus::node
