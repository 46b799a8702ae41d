// SimRequest: one thing that a client asks a server for, what it is told, and what both say about
// single keys.
#ifndef SISYPHUS_TESTS_SIM_SIM_REQUEST_H_
#define SISYPHUS_TESTS_SIM_SIM_REQUEST_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "kv/store.h"
#include "verify/linearizability.h"

namespace sisyphus::testing {

struct SimRequest {
  enum class Kind : uint8_t {
    kGet,
    kRange,  // Reads [key, end), now or of the past.
    kPut,
    kDelete,
    kCompareAndSet,
    kDeleteRange,
    kTxn,
    kGrant,
    kKeepAlive,
    kRevoke,
    kCompact,
  };
  Kind kind = Kind::kGet;
  std::string key = {};
  std::string end = {};
  std::string value = {};
  kv::ReadTerms terms = {};
  bool past = false;  // kRange.
  verify::RegisterState expected =
      {};                          // kCompareAndSet: what the condition stands for; kTxn: likewise.
  kv::Condition condition = {};    // kPut and kCompareAndSet.
  kv::LeaseChoice lease = {};      // kPut.
  kv::Txn txn = {};                // Of the form that Project knows.
  std::vector<uint64_t> ids = {};  // Of leases.
  uint64_t ttl_ms = 0;             // kGrant.
  Index revision = {};             // kCompact.
  kv::Retry retry = {};

  bool reads() const { return kind == Kind::kGet || kind == Kind::kRange; }
};

struct SimOutcome {
  Status status = {};
  Index revision = {};    // Of the change, or of the state that was read.
  bool succeeded = true;  // The condition held.
  bool replayed = false;
  verify::RegisterState read = {};  // kGet.
  Index mod_revision = {};          // Likewise.
  kv::TxnResult txn = {};
  kv::LeaseResult lease = {};
};

inline constexpr size_t kKinds = static_cast<size_t>(SimRequest::Kind::kCompact) + 1;

const char* NameOf(SimRequest::Kind kind);

using SimReply = std::function<void(SimOutcome)>;

// Asks `store` for a write. `reply` may be called at once.
void Submit(kv::Store& store, const SimRequest& request, MonotonicTime deadline, SimReply reply);

// When, and by whom.
struct SimCall {
  uint64_t client = 0;
  int64_t called = 0;
  int64_t returned = verify::RegisterOperation::kNever;
};

// What the request did to, or read of, each of `keys` (ascending), for CheckLinearizable. No
// outcome: it is unknown. Requires: not refused.
std::vector<verify::RegisterOperation> Project(const SimRequest& request, const SimOutcome* outcome,
                                               const SimCall& call,
                                               const std::vector<std::string>& keys);

// Whether two answers to one write are the same but for one being a repeat.
bool SameAnswer(const SimOutcome& a, const SimOutcome& b);

// For messages.
std::string Describe(const SimRequest& request);

}  // namespace sisyphus::testing

#endif  // SISYPHUS_TESTS_SIM_SIM_REQUEST_H_
