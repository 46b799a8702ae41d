#include "lsm/compaction_picker.h"

#include <algorithm>

#include "base/planted.h"

namespace sisyphus::lsm {
namespace {

constexpr int kLastLevel = kLevels - 1;

double TargetBytes(const Options& options, int level) {
  double target = static_cast<double>(options.level1_bytes);
  for (int i = 1; i < level; ++i) target *= static_cast<double>(options.level_multiplier);
  return std::max(target, 1.0);
}

// How far a level is beyond its target; 1 and more asks for a compaction.
double Score(const Options& options, const Version& version, int level) {
  const TableList& tables = version.level(level);
  if (level == 0) {
    const size_t trigger = std::max<size_t>(options.level0_compaction_trigger, 1);
    return static_cast<double>(tables.size()) / static_cast<double>(trigger);
  }
  return static_cast<double>(TotalBytes(tables)) / TargetBytes(options, level);
}

struct Range {
  std::string smallest;
  std::string largest;
};

Range RangeOf(const TableList& tables) {
  Range range;
  bool first = true;
  for (const TablePointer& table : tables) {
    const std::string_view smallest = table->meta.smallest().user_key;
    const std::string_view largest = table->meta.largest().user_key;
    if (first || smallest < range.smallest) range.smallest = smallest;
    if (first || largest > range.largest) range.largest = largest;
    first = false;
  }
  return range;
}

// Everything of level 0: a partial choice would rewrite the same part of level 1 again soon.
// A single table may be picked when it is all there is.
TableList PickFrom(const Version& version, int level) {
  const TableList& tables = version.level(level);
  if (level == 0 && SIS_PLANTED(kCompactNewestAlone)) return {tables.front()};
  if (level == 0) return tables;
  TablePointer best;
  double best_cost = 0;
  for (const TablePointer& table : tables) {
    const TableList below = version.Overlapping(level + 1, table->meta.smallest().user_key,
                                                table->meta.largest().user_key);
    const double cost = static_cast<double>(TotalBytes(below)) /
                        static_cast<double>(std::max<uint64_t>(table->meta.size_bytes, 1));
    if (best == nullptr || cost < best_cost) {
      best = table;
      best_cost = cost;
    }
  }
  return {best};
}

}  // namespace

bool Compaction::IsTrivialMove() const {
  return inputs.size() == 1 && inputs[0].tables.size() == 1 && inputs[0].level != output_level;
}

uint64_t Compaction::input_bytes() const {
  uint64_t sum = 0;
  for (const Input& input : inputs) sum += TotalBytes(input.tables);
  return sum;
}

std::optional<Compaction> PickCompaction(const Options& options,
                                         std::shared_ptr<const Version> version) {
  int level = -1;
  double best = 1.0;
  for (int i = 0; i < kLastLevel; ++i) {
    if (version->level(i).empty()) continue;
    if (const double score = Score(options, *version, i); score >= best) {
      // On a tie the upper level: it is what reads suffer from.
      if (level >= 0 && score == best) continue;
      best = score;
      level = i;
    }
  }
  if (level < 0) return std::nullopt;
  Compaction compaction;
  compaction.output_level = level + 1;
  TableList upper = PickFrom(*version, level);
  const Range range = RangeOf(upper);
  TableList lower = version->Overlapping(level + 1, range.smallest, range.largest);
  compaction.inputs.push_back({level, std::move(upper)});
  if (!lower.empty()) compaction.inputs.push_back({level + 1, std::move(lower)});
  compaction.version = std::move(version);
  return compaction;
}

std::optional<Compaction> PickEverything(std::shared_ptr<const Version> version) {
  Compaction compaction;
  compaction.output_level = kLastLevel;
  for (int i = 0; i < kLevels; ++i) {
    if (!version->level(i).empty()) compaction.inputs.push_back({i, version->level(i)});
  }
  if (compaction.inputs.empty()) return std::nullopt;
  compaction.version = std::move(version);
  return compaction;
}

uint64_t CompactionDebt(const Options& options, const Version& version) {
  uint64_t debt = 0;
  if (version.level(0).size() > options.level0_compaction_trigger) {
    debt += TotalBytes(version.level(0));
  }
  for (int i = 1; i < kLastLevel; ++i) {
    const auto bytes = static_cast<double>(TotalBytes(version.level(i)));
    const double target = TargetBytes(options, i);
    if (bytes > target) debt += static_cast<uint64_t>(bytes - target);
  }
  return debt;
}

}  // namespace sisyphus::lsm
