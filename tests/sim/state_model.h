// StateModel: what the store holds, and what a command makes of it, decided anew and simply.
//
// Containers of the standard library in the place of the tree, copies in the place of drafts. It
// knows every command, answers with the very bytes that a replica must answer with, and says what
// records a replica's tree must hold beside the users' keys.
#ifndef SISYPHUS_TESTS_SIM_STATE_MODEL_H_
#define SISYPHUS_TESTS_SIM_STATE_MODEL_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "kv/command.h"
#include "kv/txn.h"
#include "kv/value.h"

namespace sisyphus::testing {

class StateModel {
 public:
  // What the entry at `at` is answered with; nothing: the command is malformed.
  std::optional<std::string> Apply(LogPosition at, std::string_view command);

  // Null: there is no such key.
  const kv::VersionedValue* Find(const std::string& key) const;
  Index floor() const { return floor_; }

  // Of the last entry: the users' keys that it wrote or deleted, and the leases that time ended.
  const std::set<std::string>& touched() const { return touched_; }
  const std::vector<uint64_t>& expired() const { return expired_; }
  size_t leases() const { return state_.leases.size(); }

  // Of the records that the tree holds beside the users' keys and the change records: leases, their
  // keys, sessions, log time and the floor.
  uint64_t RecordSum();
  static uint64_t RecordSumOf(std::string_view tree_key, std::string_view value);

 private:
  struct Lease {
    uint64_t ttl_ms = 0;
    uint64_t deadline_ms = 0;
    bool ends_with_keys = false;
    std::set<std::string> keys;
  };
  struct Session {
    uint64_t sequence = 0;
    uint64_t deadline_ms = 0;
    Index index;
    std::string command;
    std::string result;
  };
  struct State {
    std::map<std::string, kv::VersionedValue> keys;
    std::map<uint64_t, Lease> leases;
  };
  using Answer = std::optional<std::string>;

  Answer Decide(std::string_view command, Term term);
  Answer DecideInSession(std::string_view command, Term term);
  Answer DecidePlain(std::string_view command);
  Answer DecideTxn(std::string_view command);
  Answer DecideLease(std::string_view command);
  Answer DecideCompact(std::string_view command);
  void PassTime();

  bool Holds(const kv::Comparison& comparison) const;
  // False: refused, and what was done before it is to be taken back.
  bool Do(const kv::TxnOperation& operation, std::string* answer);
  void Show(const kv::TxnOperation& operation, std::string* answer) const;

  uint64_t Grant(uint64_t ttl_ms, bool ends_with_keys);
  // False: there is no such lease.
  bool Put(const std::string& key, std::string_view value, const kv::LeaseChoice& choice);
  void Delete(const std::string& key);
  uint64_t DeleteRange(const std::string& start, const std::string& end);
  uint64_t EndLease(uint64_t id);
  void Detach(uint64_t lease, const std::string& key);

  State state_;
  std::map<std::string, Session> sessions_;
  uint64_t log_time_ = 0;
  Index floor_;

  // Of the entry that is being decided.
  Index index_;
  uint64_t granted_ = 0;
  std::set<std::string> touched_;
  std::vector<uint64_t> expired_;

  bool records_changed_ = false;
  uint64_t record_sum_ = 0;
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_STATE_MODEL_H_
