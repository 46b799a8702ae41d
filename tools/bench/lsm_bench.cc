// How fast the engine is: writes and reads of the memtable, of cached tables, and a walk.

#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "base/check.h"
#include "base/file_system.h"
#include "base/posix_file_system.h"
#include "base/rng.h"
#include "sisyphus/db.h"

namespace sisyphus {
namespace {

constexpr uint64_t kKeys = 200'000;
constexpr size_t kValueBytes = 100;

std::string Key(uint64_t i) {
  std::string key = "user/0000000000000000";
  for (size_t at = key.size(); i > 0; i /= 10) key[--at] = static_cast<char>('0' + i % 10);
  return key;
}

// A fresh store in the working directory, deleted at the end.
class Store {
 public:
  Store() {
    Remove();
    auto db = DB::Open(Options(), path_);
    SIS_CHECK(db.ok(), db.status().ToString());
    db_ = *std::move(db);
  }
  ~Store() {
    db_ = nullptr;
    Remove();
  }
  DB& db() { return *db_; }

  void Put(uint64_t key) {
    batch_.Clear();
    batch_.Put(Key(key), value_);
    SIS_CHECK(db_->Write(batch_, {++sequence_, 1}).ok(), "write");
  }
  void Fill() {
    for (uint64_t i = 0; i < kKeys; ++i) Put(i * 7919 % kKeys);
  }

 private:
  void Remove() {
    FileSystem& fs = PosixFileSystem();
    const auto names = fs.List(path_);
    if (!names.ok()) return;
    for (const std::string& name : *names) fs.Delete(path_ + "/" + name).IgnoreError();
    fs.Delete(path_).IgnoreError();
  }

  const std::string path_ = "lsm_bench.db";
  const std::string value_ = std::string(kValueBytes, 'v');
  WriteBatch batch_;
  uint64_t sequence_ = 0;
  std::unique_ptr<DB> db_;
};

void Write(benchmark::State& state) {
  Store store;
  Rng rng(1);
  for (auto _ : state) {
    store.Put(rng.Below(kKeys));
    if (store.db().WriteStalled()) SIS_CHECK(store.db().Flush().ok(), "flush");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(Write);

void GetEach(benchmark::State& state, Store& store, const std::string& suffix = "") {
  Rng rng(2);
  ReadResult result;
  for (auto _ : state) {
    const auto found = store.db().Get({}, Key(rng.Below(kKeys)) + suffix, &result);
    SIS_CHECK(found.ok() && *found == suffix.empty(), "get");
  }
  state.SetItemsProcessed(state.iterations());
}

void GetFromMemtable(benchmark::State& state) {
  Store store;
  store.Fill();
  GetEach(state, store);
}
BENCHMARK(GetFromMemtable);

void GetFromTables(benchmark::State& state) {
  Store store;
  store.Fill();
  SIS_CHECK(store.db().CompactAll().ok(), "compaction");
  GetEach(state, store);
}
BENCHMARK(GetFromTables);

void GetMissing(benchmark::State& state) {
  Store store;
  store.Fill();
  SIS_CHECK(store.db().CompactAll().ok(), "compaction");
  GetEach(state, store, "x");  // Among the others: only the filter can tell.
}
BENCHMARK(GetMissing);

void WalkTables(benchmark::State& state) {
  Store store;
  store.Fill();
  SIS_CHECK(store.db().CompactAll().ok(), "compaction");
  int64_t entries = 0;
  for (auto _ : state) {
    const auto iterator = store.db().NewIterator({});
    for (iterator->SeekToFirst(); iterator->Valid(); iterator->Next()) ++entries;
  }
  state.SetItemsProcessed(entries);
}
BENCHMARK(WalkTables)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sisyphus

BENCHMARK_MAIN();
