// What a store must hold, kept in maps; and a store in the simulator to hold it against.
#ifndef SISYPHUS_TESTS_UNIT_LSM_STORE_MODEL_H_
#define SISYPHUS_TESTS_UNIT_LSM_STORE_MODEL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "sisyphus/db.h"
#include "tests/support/sim_executor.h"
#include "tests/support/sim_file_system.h"

namespace sisyphus::lsm {

// Every version ever written, and the log that a caller of the store would have.
class StoreModel {
 public:
  struct LogEntry {
    Position position;
    WriteBatch batch;
  };
  struct Value {
    std::string value;
    uint64_t sequence;
    bool operator==(const Value&) const = default;
  };
  using Content = std::map<std::string, Value>;

  void Write(const WriteBatch& batch, const Position& position);
  std::optional<Value> Get(const std::string& key, uint64_t sequence) const;
  Content At(uint64_t sequence) const;

  const std::vector<LogEntry>& log() const { return log_; }
  // The entry at `sequence` was written, with this term (0 is before all).
  bool HasPosition(const Position& position) const;

 private:
  std::map<std::string, std::map<uint64_t, std::optional<std::string>>> versions_;
  std::vector<LogEntry> log_;
};

// Sizes so small that a few hundred writes fill several levels.
Options TinyOptions();

// A batch of a few puts and deletes of few keys, some of them twice.
WriteBatch RandomBatch(Rng& rng, uint64_t keys);
std::string KeyOf(uint64_t i);

// All that a walk over the store at `sequence` shows; fails the test on an error.
StoreModel::Content ReadAll(DB& db, uint64_t sequence);

class RecordingListener final : public EventListener {
 public:
  void OnFlushed(const Position& position) override { flushed = position; }
  void OnWritable() override { ++writable; }
  void OnBackgroundError(const absl::Status& status) override {
    ++errors;
    error = status;
  }
  Position flushed;
  int writable = 0;
  int errors = 0;
  absl::Status error;
};

// A store on a simulated executor: background work happens in Step and Settle only.
class SimStore {
 public:
  SimStore(testing::SimFileSystem* fs, uint64_t seed, Options options = TinyOptions());
  ~SimStore();

  absl::Status Open(const std::string& path = "/db");
  void Close() { db_ = nullptr; }
  DB& db() { return *db_; }
  bool is_open() const { return db_ != nullptr; }
  RecordingListener& listener() { return listener_; }

  void Step(uint64_t steps);
  // Runs until there is nothing left to do.
  void Settle();

 private:
  RecordingListener listener_;
  testing::SimExecutor executor_;
  std::unique_ptr<testing::SimProcess> process_;
  Options options_;
  std::unique_ptr<DB> db_;
};

}  // namespace sisyphus::lsm

#endif  // SISYPHUS_TESTS_UNIT_LSM_STORE_MODEL_H_
