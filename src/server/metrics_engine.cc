// Metrics of the storage engine, of history, and of watches, leases and sessions.
#include <algorithm>

#include "server/metrics.h"

namespace sisyphus::server {

namespace {

double Ratio(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

void AddLevels(const DbStats& stats, const Labels& labels, Families* out) {
  for (int level = 0; level < kLevels; ++level) {
    const Labels with = With(labels, "level", std::to_string(level));
    const DbStats::Level& at = stats.levels[static_cast<size_t>(level)];
    out->Gauge("kv_level_file_count", "Tables in a level of the tree.", ToDouble(at.files), with);
    out->Gauge("kv_level_size_bytes", "Bytes of the tables in a level of the tree.",
               ToDouble(at.bytes), with);
  }
}

// Bytes of all tables for each byte of the deepest level, which holds what is not overwritten.
double SpaceAmplification(const DbStats& stats) {
  uint64_t all = 0;
  uint64_t deepest = 0;
  for (const DbStats::Level& level : stats.levels) {
    all += level.bytes;
    if (level.bytes > 0) deepest = level.bytes;
  }
  return Ratio(all, deepest);
}

void AddAmplification(const DbStats& stats, const Labels& labels, Families* out) {
  out->Gauge("sisyphus_write_amplification",
             "Bytes of tables written for each byte given to the tree, since the start.",
             Ratio(stats.flushed_bytes + stats.compaction_written_bytes, stats.written_bytes),
             labels);
  out->Gauge(
      "sisyphus_read_amplification", "Tables read for each read of a single key, since the start.",
      Ratio(stats.bloom_checks - std::min(stats.bloom_skips, stats.bloom_checks), stats.gets),
      labels);
  out->Gauge("sisyphus_space_amplification",
             "Bytes of all tables for each byte of the deepest level.", SpaceAmplification(stats),
             labels);
}

void AddTree(const DbStats& stats, const Labels& labels, Families* out) {
  const auto gauge = [&](const char* name, const char* help, uint64_t value) {
    out->Gauge(name, help, ToDouble(value), labels);
  };
  const auto counter = [&](const char* name, const char* help, uint64_t value) {
    out->Counter(name, help, ToDouble(value), labels);
  };
  gauge("sisyphus_memtable_bytes", "Bytes in memtables.", stats.memtable_bytes);
  gauge("sisyphus_immutable_memtables", "Full memtables that wait for their flush.",
        stats.immutable_memtables);
  gauge("sisyphus_compaction_debt_bytes", "Bytes that compaction is behind.",
        stats.compaction_debt_bytes);
  counter("sisyphus_engine_written_bytes_total", "Bytes of keys and values given to the tree.",
          stats.written_bytes);
  counter("sisyphus_engine_gets_total", "Reads of a single key in the tree.", stats.gets);
  counter("sisyphus_flushes_total", "Memtables flushed.", stats.flushes);
  counter("sisyphus_flushed_bytes_total", "Bytes of tables written by flushes.",
          stats.flushed_bytes);
  counter("sisyphus_compactions_total", "Compactions done.", stats.compactions);
  counter("sisyphus_compaction_read_bytes_total", "Bytes read by compactions.",
          stats.compaction_read_bytes);
  counter("sisyphus_compaction_written_bytes_total", "Bytes written by compactions.",
          stats.compaction_written_bytes);
  counter("sisyphus_block_cache_hits_total", "Blocks found in the cache.", stats.cache_hits);
  counter("sisyphus_block_cache_misses_total", "Blocks read from a file.", stats.cache_misses);
  gauge("sisyphus_block_cache_bytes", "Bytes in the block cache.", stats.cache_bytes);
  counter("sisyphus_bloom_checks_total", "Tables asked for a key.", stats.bloom_checks);
  counter("sisyphus_bloom_skips_total", "Reads of a table that its filter saved.",
          stats.bloom_skips);
  counter("sisyphus_bloom_false_positives_total",
          "Reads of a table that had no such key, which its filter did not save.",
          stats.bloom_false_positives);
  counter("sisyphus_write_stalls_total", "Times that applying had to wait for a flush.",
          stats.stalls);
}

void AddHistory(kv::Machine& machine, const Labels& labels, Families* out) {
  const auto gauge = [&](const char* name, const char* help, double value) {
    out->Gauge(name, help, value, labels);
  };
  gauge("sisyphus_write_stalled", "1: applying waits for a flush now.",
        machine.ReadyToApply() ? 0 : 1);
  gauge("sisyphus_write_pressure",
        "Above 0: writes are delayed because the engine is behind; 1: by a full unit.",
        machine.Pressure());
  gauge("sisyphus_history_floor_revision", "Reads and watches of the past are refused below.",
        ToDouble(machine.history_floor().value()));
  const kv::PinnedReaders::Stats readers = machine.readers().stats(machine.clock().Now());
  gauge("sisyphus_readers_pinned", "Readers of ranges that pin tables or memtables.",
        ToDouble(readers.readers));
  gauge("sisyphus_oldest_reader_seconds", "For which the oldest of them has.",
        std::chrono::duration<double>(readers.oldest).count());
}

void AddWatchesAndLeases(kv::Machine& machine, const Labels& labels, Families* out) {
  const auto gauge = [&](const char* name, const char* help, uint64_t value) {
    out->Gauge(name, help, ToDouble(value), labels);
  };
  const kv::WatchFeedStats feed = machine.feed().stats();
  gauge("sisyphus_watches", "Open watches.", feed.watches);
  gauge("sisyphus_watches_parked", "Open watches that wait for something to happen.", feed.parked);
  gauge("sisyphus_watch_lag_revisions", "Revisions that the slowest watch has yet to read.",
        feed.lag);
  gauge("sisyphus_watch_ring_bytes", "Of recent changes kept for watches.", feed.ring_bytes);
  out->Counter("sisyphus_watch_wakeups_total", "Watches woken.", ToDouble(feed.wakeups), labels);
  out->Counter("sisyphus_watch_history_reads_total",
               "Pieces that watches read from the tree, being behind the recent changes.",
               ToDouble(feed.tree_reads), labels);
  gauge("sisyphus_leases", "Leases that have not ended.", machine.deadlines().leases());
  gauge("sisyphus_sessions", "Sessions of clients whose repeats are recognised.",
        machine.deadlines().sessions());
}

}  // namespace

void AddEngineMetrics(const MetricsSources& sources, const DbStats& stats, const Labels& labels,
                      Families* out) {
  AddLevels(stats, labels, out);
  AddAmplification(stats, labels, out);
  AddTree(stats, labels, out);
  AddHistory(*sources.machine, labels, out);
  AddWatchesAndLeases(*sources.machine, labels, out);
}

}  // namespace sisyphus::server
