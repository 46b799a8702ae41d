// SimClient: one client of the cluster, with one request under way at a time, and its record of
// what it was told.
//
// A request travels to a random server's door and its answer back; either may be lost with the
// server. Values are unique, so a value names the write that made it.
#ifndef SISYPHUS_TESTS_SIM_SIM_CLIENT_H_
#define SISYPHUS_TESTS_SIM_SIM_CLIENT_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/status.h"
#include "tests/sim/sim_cluster.h"
#include "tests/sim/state_history.h"
#include "tests/support/linearizability.h"
#include "tests/support/raft_invariants.h"
#include "tests/support/sim_executor.h"

namespace sisyphus::testing {

// What all clients of a run share.
struct ClientWorld {
  SimExecutor* executor = nullptr;
  RaftInvariants* invariants = nullptr;
  StateHistory* history = nullptr;
  const SimCluster* cluster = nullptr;
  uint64_t keys = 5;
  Duration think_time = std::chrono::milliseconds(20);  // Mean pause between two requests.
  Duration patience = std::chrono::seconds(2);          // Then the outcome counts as unknown.
  uint32_t reads_of_10 = 5;
  uint32_t lease_reads_of_10 = 0;  // Of the reads.
  uint32_t stale_reads_of_10 = 0;  // Of the others.
  uint32_t appends_of_10 = 0;      // Of the writes: a read, then a conditional write behind it.
  uint32_t large_of_100 = 5;       // Of the values.

  // The newest revision that any client was told of, at the true times when that changed.
  std::map<MonotonicTime, Index> told;
  void OnTold(Index revision);

  // The newest state that each process has shown to anybody.
  std::map<Incarnation, Index> shown;
  std::string violation;  // By a reader.

  int64_t event = 0;  // Orders calls and answers.
  std::vector<RegisterOperation> operations;
  uint64_t answered = 0;
  uint64_t refused = 0;
  uint64_t unknown = 0;
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
    RegisterState value;
    Index revision;
  };
  struct Outcome {
    Status status;
    RegisterState read;
    Index revision;
    bool succeeded = true;
  };
  // What travels to the server: a copy, since the client may have given up by then.
  struct Request {
    RegisterOperation operation;
    kv::ReadTerms terms = {};
    kv::Condition condition = {};
  };
  class Reply;

  void ThinkThenAct();
  void Act();
  void CompareAndSet(SimServer* server, const std::string& key, bool append);
  void Begin(SimServer* server, Request request);
  void AtDoor(SimServer* server, const Request& request, Reply reply);
  void ReadAtDoor(SimServer* server, const std::string& key, const kv::ReadTerms& terms,
                  Reply reply);
  void CheckTerms(const std::string& who, const kv::ReadTerms& terms, const kv::GetResult& result);
  kv::ReadTerms DrawTerms(const std::string& key);
  void OnOutcome(uint64_t request, Outcome outcome);
  void Remember(const Outcome& outcome);
  Duration Hop();

  ClientWorld* const world_;
  const uint64_t id_;
  Rng rng_;
  std::string append_to_;  // The key that the read under way is for; empty: none.
  bool started_ = false;
  bool stopped_ = false;
  bool under_way_ = false;
  bool last_answered_ = false;
  Status last_status_;
  uint64_t request_ = 0;
  RegisterOperation operation_;  // Of the last request.
  bool stale_ = false;           // Likewise: it asks for no more than some state.
  std::map<std::string, Seen> seen_;
};

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_SIM_CLIENT_H_
