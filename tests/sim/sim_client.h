// SimClient: one client of the cluster, with one request under way at a time, and its record of
// what it was told.
//
// A request travels to a random server's door and its answer back; either may be lost with the
// server. Values are unique, so a value names the write that made it. Writes may carry a session's
// tag: such a one is asked for again, at any server, until there is an answer, and sometimes once
// more after that; a number of long ago must be refused. Leases are kept in mind: none may end
// before its time.
#ifndef SISYPHUS_TESTS_SIM_SIM_CLIENT_H_
#define SISYPHUS_TESTS_SIM_SIM_CLIENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/status.h"
#include "tests/sim/sim_cluster.h"
#include "tests/sim/sim_request.h"
#include "tests/sim/state_history.h"
#include "tests/support/raft_invariants.h"
#include "tests/support/sim_executor.h"
#include "verify/linearizability.h"

namespace sisyphus::testing {

// What the clients of a run ask for.
struct ClientMix {
  Duration think_time = std::chrono::milliseconds(20);  // Mean pause between two requests.
  // Clients are busy for a share of each period, and slower in the rest of it.
  Duration period = std::chrono::seconds(10);
  uint32_t busy_of_8 = 8;
  uint32_t reads_of_10 = 5;
  uint32_t lease_reads_of_10 = 0;  // Of the reads.
  uint32_t stale_reads_of_10 = 0;  // Of the others.
  uint32_t appends_of_10 = 0;      // Of the writes: a read, then a conditional write behind it.
  uint32_t special_of_10 = 0;      // Of all: one of these.
  std::vector<SimRequest::Kind> special = {};
  uint32_t sessions_of_10 = 0;  // Of the writes: with a session's tag.
  uint32_t large_of_100 = 5;    // Of the values.
};

// What all clients of a run share.
struct ClientWorld {
  SimExecutor* executor = nullptr;
  RaftInvariants* invariants = nullptr;
  StateHistory* history = nullptr;
  const SimCluster* cluster = nullptr;
  ClientMix mix;
  std::vector<std::string> keys;                // Ascending.
  Duration patience = std::chrono::seconds(2);  // Then the outcome counts as unknown.

  // The newest revision that any client was told of, at the true times when that changed.
  std::map<MonotonicTime, Index> told;
  void OnTold(Index revision);
  Index newest_told() const { return told.empty() ? Index(0) : told.rbegin()->second; }

  // Until when the leases live at least that clients were told of.
  std::map<uint64_t, MonotonicTime> leases;
  void OnExpired(uint64_t lease);

  // The newest state that each process has shown to anybody.
  std::map<Incarnation, Index> shown;
  std::string violation;  // The first answer that should have been another.
  void Violate(const std::string& what);

  int64_t event = 0;  // Orders calls and answers.
  std::vector<verify::RegisterOperation> operations;
  uint64_t answered = 0;
  uint64_t refused = 0;
  uint64_t unknown = 0;
  uint64_t replayed = 0;          // Writes of a session that were done before.
  uint64_t by_kind[kKinds] = {};  // Answered.
};

class SimClient {
 public:
  SimClient(ClientWorld* world, uint64_t id, uint64_t seed);

  void Start();
  void Stop() { stopped_ = true; }  // After the request that is under way.
  bool idle() const { return !under_way_; }

  // One request now, to `server`. Requires: idle().
  void Read(SimServer* server, const std::string& key);
  void Write(SimServer* server, const std::string& key);
  // Whether the last request was answered with success.
  bool last_answered() const { return last_answered_; }
  const Status& last_status() const { return last_status_; }

 private:
  struct Seen {
    verify::RegisterState value;
    Index revision;
  };
  struct Lease {
    uint64_t id;
    uint64_t ttl_ms;
  };
  // Why a request is made: to be answered; or it was answered, or left behind, and is made again.
  enum class Purpose : uint8_t { kAnswer, kEcho, kOld };
  class Reply;
  class Walk;

  // What to ask for (sim_client_choice.cc).
  SimRequest Choose();
  SimRequest ChooseWrite(const std::string& key);
  SimRequest ChooseSpecial(SimRequest::Kind kind);
  SimRequest CompareAndSet(const std::string& key, bool append);
  SimRequest ChooseTxn();
  SimRequest PutLeased();
  SimRequest OldWrite();
  void DrawRange(std::string* start, std::string* end);
  kv::ReadTerms DrawTerms(const std::string& key);
  std::string DrawKey();
  std::string DrawLeasedKey();
  std::string NewValue();
  Duration DrawPause();

  // Asking.
  void ThinkThenAct();
  void Act();
  void Begin(SimServer* server, SimRequest request, Purpose purpose = Purpose::kAnswer);
  void Send(SimServer* server);
  void SendAgain();
  void AtDoor(SimServer* server, const SimRequest& request, Reply reply);
  void ReadAtDoor(SimServer* server, const SimRequest& request, Reply reply);
  void StartWalk(SimServer* server, const SimRequest& request, Reply reply);
  void CheckTerms(const std::string& who, const kv::ReadTerms& terms, const kv::GetResult& result);

  // Answers.
  void OnOutcome(uint64_t request, SimOutcome outcome);
  void OnAnswer(const SimOutcome& outcome);
  void OnNoAnswer(const Status& status);
  void OnEcho(const SimOutcome& outcome);
  void CheckOrder(const SimOutcome& outcome);
  void Remember(const SimOutcome& outcome);
  void RememberLeases(const SimOutcome& outcome);
  void Record(const SimOutcome* outcome);
  Duration Hop();

  ClientWorld* const world_;
  const uint64_t id_;
  Rng rng_;
  bool started_ = false;
  bool stopped_ = false;
  bool under_way_ = false;
  bool last_answered_ = false;
  Status last_status_;
  uint64_t number_ = 0;  // Of the last message with a request.
  uint64_t values_ = 0;
  uint64_t sequence_ = 0;           // Of the session's last write,
  uint64_t answered_sequence_ = 0;  // and of the last that was answered.

  // The request that is under way, or was last.
  SimRequest request_;
  Purpose purpose_ = Purpose::kAnswer;
  SimCall call_;
  MonotonicTime called_at_{};
  Index told_before_;  // The newest revision anybody was told of when it began.
  uint32_t tries_ = 0;
  bool maybe_done_ = false;  // One of the tries may have had an effect.
  std::string append_to_;    // The key that the read is for; empty: none.

  SimOutcome answer_;  // To be compared with that of an echo.
  std::map<std::string, Seen> seen_;
  std::vector<Lease> leases_;
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_SIM_CLIENT_H_
