#include "lsm/version.h"

#include <algorithm>

namespace sisyphus::lsm {
namespace {

// The first table whose largest key is at or after `key`. Requires: ascending tables.
TableList::const_iterator FirstReaching(const TableList& list, std::string_view user_key) {
  return std::lower_bound(list.begin(), list.end(), user_key,
                          [](const TablePointer& table, std::string_view key) {
                            return table->meta.largest().user_key < key;
                          });
}

bool Contains(const TableMeta& table, std::string_view user_key) {
  return table.smallest().user_key <= user_key && user_key <= table.largest().user_key;
}

}  // namespace

void PurgeQueue::Add(uint64_t number) {
  {
    MutexLock lock(mu_);
    numbers_.push_back(number);
    if (numbers_.size() > 1) return;
  }
  wake_();
}

std::vector<uint64_t> PurgeQueue::Take() {
  MutexLock lock(mu_);
  return std::exchange(numbers_, {});
}

uint64_t TotalBytes(const TableList& tables) {
  uint64_t sum = 0;
  for (const TablePointer& table : tables) sum += table->meta.size_bytes;
  return sum;
}

StatusOr<std::shared_ptr<const Version>> Version::Apply(const VersionEdit& edit,
                                                        PurgeQueue* purge) const {
  auto next = std::make_shared<Version>(*this);
  if (edit.flushed) next->flushed_ = *edit.flushed;
  std::vector<TablePointer> moved;  // Removed from one level, perhaps added to another.
  for (const VersionEdit::Removed& removed : edit.removed) {
    TableList& list = next->MutableLevel(removed.level);
    const auto it = std::find_if(list.begin(), list.end(), [&](const TablePointer& table) {
      return table->meta.number() == removed.number;
    });
    if (it == list.end()) {
      return MakeStatus(
          StatusCode::kDataLoss,
          "an edit removes table " + std::to_string(removed.number) + ", which is not there");
    }
    moved.push_back(std::move(*it));
    list.erase(it);
  }
  for (const VersionEdit::Added& added : edit.added) {
    TablePointer table;
    for (const TablePointer& candidate : moved) {
      if (candidate->meta.number() == added.table.number()) table = candidate;
    }
    if (table == nullptr) table = std::make_shared<TableFile>(added.table, purge);
    next->MutableLevel(added.level).push_back(std::move(table));
  }
  for (int level = 0; level < kLevels; ++level) {
    TableList& list = next->MutableLevel(level);
    std::sort(list.begin(), list.end(), [level](const TablePointer& a, const TablePointer& b) {
      return level == 0 ? a->meta.properties.largest_sequence > b->meta.properties.largest_sequence
                        : Compare(a->meta.smallest(), b->meta.smallest()) < 0;
    });
  }
  SIS_RETURN_IF_ERROR(next->CheckOrder());
  return std::shared_ptr<const Version>(std::move(next));
}

Status Version::CheckOrder() const {
  for (int i = 0; i < kLevels; ++i) {
    const TableList& list = level(i);
    for (size_t j = 1; j < list.size(); ++j) {
      const TableMeta& before = list[j - 1]->meta;
      const TableMeta& after = list[j]->meta;
      const bool apart =
          i == 0 ? before.properties.smallest_sequence > after.properties.largest_sequence
                 : before.largest().user_key < after.smallest().user_key;
      if (!apart) {
        return MakeStatus(StatusCode::kDataLoss, "tables " + std::to_string(before.number()) +
                                                     " and " + std::to_string(after.number()) +
                                                     " of level " + std::to_string(i) + " overlap");
      }
    }
  }
  return OkStatus();
}

VersionEdit Version::Whole() const {
  VersionEdit edit;
  edit.flushed = flushed_;
  for (int i = 0; i < kLevels; ++i) {
    for (const TablePointer& table : level(i)) edit.added.push_back({i, table->meta});
  }
  return edit;
}

StatusOr<bool> Version::Get(TableCache& tables, Counters& counters, const ReadOptions& options,
                            std::string_view key, ReadResult* result) const {
  const auto look_into = [&](const TableFile& file) -> StatusOr<std::optional<Kind>> {
    // A table of newer versions only cannot answer.
    if (file.meta.properties.smallest_sequence > options.sequence) return std::nullopt;
    SIS_ASSIGN_OR_RETURN(const auto table, tables.Find(file.meta.number()));
    Counters::Add(counters.bloom_checks);
    if (!table->MayContain(key)) {
      Counters::Add(counters.bloom_skips);
      return std::nullopt;
    }
    SIS_ASSIGN_OR_RETURN(const auto found,
                         table->Get(key, options.sequence, options.fill_cache, &result->value));
    if (!found) {
      Counters::Add(counters.bloom_false_positives);
      return std::nullopt;
    }
    result->sequence = found->sequence;
    return found->kind;
  };
  // From the newest place to the oldest: the first version that is found is the newest one.
  for (const TablePointer& file : level(0)) {
    if (!Contains(file->meta, key)) continue;
    SIS_ASSIGN_OR_RETURN(const std::optional<Kind> kind, look_into(*file));
    if (kind) return *kind == Kind::kPut;
  }
  for (int i = 1; i < kLevels; ++i) {
    const auto it = FirstReaching(level(i), key);
    if (it == level(i).end() || !Contains((*it)->meta, key)) continue;
    SIS_ASSIGN_OR_RETURN(const std::optional<Kind> kind, look_into(**it));
    if (kind) return *kind == Kind::kPut;
  }
  return false;
}

TableList Version::Overlapping(int level_number, std::string_view smallest,
                               std::string_view largest) const {
  TableList out;
  for (const TablePointer& table : level(level_number)) {
    if (table->meta.largest().user_key < smallest || table->meta.smallest().user_key > largest) {
      continue;
    }
    out.push_back(table);
  }
  return out;
}

bool Version::MayBeDeeper(int level_number, std::string_view user_key) const {
  for (int i = level_number + 1; i < kLevels; ++i) {
    const auto it = FirstReaching(level(i), user_key);
    if (it != level(i).end() && Contains((*it)->meta, user_key)) return true;
  }
  return false;
}

}  // namespace sisyphus::lsm
