#include "tests/unit/lsm/store_model.h"

#include <gtest/gtest.h>

namespace sisyphus::lsm {

void StoreModel::Write(const WriteBatch& batch, const Position& position) {
  for (size_t i = 0; i < batch.count(); ++i) {
    const WriteBatch::Operation operation = batch.at(i);
    auto& version = versions_[std::string(operation.key)][position.sequence];
    version = std::nullopt;
    if (operation.kind == WriteBatch::Kind::kPut) version = std::string(operation.value);
  }
  log_.push_back({position, batch});
}

std::optional<StoreModel::Value> StoreModel::Get(const std::string& key, uint64_t sequence) const {
  const auto it = versions_.find(key);
  if (it == versions_.end()) return std::nullopt;
  auto version = it->second.upper_bound(sequence);
  if (version == it->second.begin()) return std::nullopt;
  --version;
  if (!version->second) return std::nullopt;
  return Value{*version->second, version->first};
}

StoreModel::Content StoreModel::At(uint64_t sequence) const {
  Content content;
  for (const auto& [key, versions] : versions_) {
    if (auto value = Get(key, sequence)) content.emplace(key, *std::move(value));
  }
  return content;
}

bool StoreModel::HasPosition(const Position& position) const {
  if (position == Position{}) return true;
  for (const LogEntry& entry : log_) {
    if (entry.position == position) return true;
  }
  return false;
}

Options TinyOptions() {
  Options options;
  options.memtable_bytes = 4 << 10;
  options.max_immutable_memtables = 2;
  options.block_cache_bytes = 16 << 10;
  options.block_bytes = 256;
  options.max_open_tables = 4;
  options.block_restart_interval = 3;
  options.manifest_rewrite_bytes = 1 << 10;
  options.level0_compaction_trigger = 2;
  options.level1_bytes = 6 << 10;
  options.level_multiplier = 2;
  options.table_bytes = 2 << 10;
  return options;
}

std::string KeyOf(uint64_t i) { return "key/" + std::to_string(i * 7919 % 1000); }

WriteBatch RandomBatch(Rng& rng, uint64_t keys) {
  WriteBatch batch;
  for (uint64_t n = rng.Below(5); n > 0; --n) {
    const std::string key = KeyOf(rng.Below(keys));
    if (rng.Chance(1, 3)) {
      batch.Delete(key);
    } else {
      batch.Put(key, std::string(rng.Below(60), static_cast<char>('a' + rng.Below(26))) +
                         std::to_string(rng.Next()));
    }
  }
  return batch;
}

StoreModel::Content ReadAll(DB& db, uint64_t sequence) {
  StoreModel::Content content;
  const auto iterator = db.NewIterator({.sequence = sequence});
  for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) {
    content.emplace(std::string(iterator->key()),
                    StoreModel::Value{std::string(iterator->value()), iterator->sequence()});
  }
  EXPECT_TRUE(iterator->status().ok()) << iterator->status();
  return content;
}

SimStore::SimStore(testing::SimFileSystem* fs, uint64_t seed, Options options)
    : executor_({.seed = seed}), process_(executor_.CreateProcess("node")), options_(options) {
  options_.file_system = fs;
  options_.executor = process_.get();
  options_.listener = &listener_;
}

SimStore::~SimStore() { Close(); }

absl::Status SimStore::Open(const std::string& path) {
  auto db = DB::Open(options_, path);
  if (!db.ok()) return db.status();
  db_ = *std::move(db);
  return absl::OkStatus();
}

void SimStore::Step(uint64_t steps) {
  while (steps-- > 0 && executor_.Step()) {
  }
}

void SimStore::Settle() {
  while (executor_.Step()) {
  }
}

}  // namespace sisyphus::lsm
