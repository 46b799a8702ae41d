// StateHistory: what the store must hold after each entry, decided by a model of its own.
//
// The first replica that applies an entry feeds it; every replica's answers and tables are compared
// with it, whatever their way there: entry by entry, from tables after a restart, or from a
// snapshot. state_model.h decides; every state since the beginning stays here.
#ifndef SISYPHUS_TESTS_SIM_STATE_HISTORY_H_
#define SISYPHUS_TESTS_SIM_STATE_HISTORY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "kv/value.h"
#include "sisyphus/db.h"
#include "tests/sim/state_model.h"

namespace sisyphus::testing {

class StateHistory {
 public:
  // The entry at `at` was applied and answered with `result`. What is known already is passed over.
  void OnApply(LogPosition at, std::string_view command, std::string_view result);

  // Called with each lease that time has ended, when that is applied first.
  void SetExpiryListener(std::function<void(uint64_t lease)> on_expired) {
    on_expired_ = std::move(on_expired);
  }

  // A replica whose state is that after entry `state` found this under `key`.
  void OnRead(const std::string& who, const std::string& key, Index state,
              const std::optional<kv::VersionedValue>& found);

  // Likewise, all of these in [start, end), an empty `end` being none.
  using Found = std::vector<std::pair<std::string, kv::VersionedValue>>;
  void OnRange(const std::string& who, const std::string& start, const std::string& end,
               Index state, const Found& found);

  // The floor of history after everything that was applied anywhere, and the leases that are left.
  Index floor() const { return model_.floor(); }
  size_t leases() const { return model_.leases(); }

  // Compares the whole of `tree` with the state after its last entry: users' keys and every other
  // record but those of changes. An error is the tree's: it could not be read.
  Status CheckTree(const std::string& who, DB& tree);

  // Likewise with the state after entry `state`, which `tree` still holds.
  Status CheckTreeAt(const std::string& who, DB& tree, Index state);

  // Compares the change records of `tree` with what every entry above `floor` changed.
  Status CheckChanges(const std::string& who, DB& tree, Index floor);

  bool ok() const { return violation_.empty(); }
  const std::string& violation() const { return violation_; }

 private:
  struct Version {
    Index since;
    std::optional<kv::VersionedValue> value;
  };

  // Sums of fingerprints, after an entry.
  struct Sums {
    uint64_t keys = 0;     // Of all users' keys with their values.
    uint64_t records = 0;  // StateModel::RecordSum.
    uint64_t changes = 0;  // Of all changes up to here,
    uint64_t changed = 0;  // and how many they are.
  };

  void Violate(const std::string& what);
  void NoteChange(Index index, const std::string& key);
  const kv::VersionedValue* At(const std::string& key, Index state) const;
  static uint64_t Fingerprint(std::string_view key, const kv::VersionedValue& value);
  static uint64_t ChangeFingerprint(Index revision, std::string_view key);

  std::string violation_;
  StateModel model_;
  std::function<void(uint64_t)> on_expired_;
  std::map<std::string, std::vector<Version>> versions_;
  std::vector<Sums> sums_{1};  // sums_[i]: after entry i.
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_STATE_HISTORY_H_
