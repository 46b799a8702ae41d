// StateHistory: what the store must hold after each entry, decided by a model of its own.
//
// The first replica that applies an entry feeds it; every replica's answers and tables are compared
// with it, whatever their way there: entry by entry, from tables after a restart, or from a
// snapshot.
#ifndef SISYPHUS_TESTS_SIM_STATE_HISTORY_H_
#define SISYPHUS_TESTS_SIM_STATE_HISTORY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "kv/command.h"
#include "kv/value.h"
#include "sisyphus/db.h"

namespace sisyphus::testing {

class StateHistory {
 public:
  // Entry `index` was applied and answered with `result`. What is known already is passed over.
  void OnApply(Index index, std::string_view command, std::string_view result);

  // A replica whose state is that after entry `state` found this under `key`.
  void OnRead(const std::string& who, const std::string& key, Index state,
              const std::optional<kv::VersionedValue>& found);

  // Compares the whole of `tree` with the state after its last entry. An error is the tree's: it
  // could not be read.
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

  void Violate(const std::string& what);
  void Decide(Index index, std::string_view command, std::string_view result);
  void DecideRange(Index index, const kv::Command& command, const kv::CommandResult& result);
  void Change(const std::string& key, Version version);
  const kv::VersionedValue* At(const std::string& key, Index state) const;
  static uint64_t Fingerprint(std::string_view key, const kv::VersionedValue& value);

  std::string violation_;
  std::map<std::string, std::vector<Version>> versions_;
  uint64_t sum_ = 0;                  // Of the fingerprints of all that is there now.
  std::vector<uint64_t> sums_{0};     // sums_[i]: after entry i.
  std::vector<uint64_t> changes_{0};  // changes_[i]: how many keys entry i changed.
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_STATE_HISTORY_H_
