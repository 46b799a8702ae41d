// Client: a blocking client of the HTTP API, for one cluster.
//
// What it guarantees
//   - Keys and values are bytes; any byte may be in them, a key must not be empty.
//   - A write is sent again only where it was certainly not applied: nothing could be sent, or a
//     server said so. A write whose answer was lost is kDeadlineExceeded and is not repeated: the
//     caller reads, and decides. A read is repeated on any trouble until the deadline.
//   - It goes to the next endpoint when one does not answer, and stays with one that does.
// Errors: kInvalidArgument the request; kNotFound no such key; kFailedPrecondition a condition did
// not hold; kUnavailable no server could take it before the deadline, certainly not applied;
// kDeadlineExceeded a write with unknown outcome; kResourceExhausted too large, or the disk is
// full; kUnknown an answer that is not SisyphusDB's.
// Threads: one at a time; give each thread a client of its own (it holds one connection an
// endpoint). Calls block for at most about the timeout.
// What it does not do: TLS, proxies, names that change their address during a call.
#ifndef SISYPHUS_CLIENT_H_
#define SISYPHUS_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sisyphus {

// A request as it goes over the wire.
struct ClientRequest {
  std::string method;
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool endless = false;  // Its answer never ends by itself.
};

struct ClientOptions {
  // "http://HOST:PORT" or "HOST:PORT"; at least one. IPv6 in brackets.
  std::vector<std::string> endpoints;
  // From a call to its answer, retries included.
  std::chrono::milliseconds timeout{10'000};
  // For one connection attempt, and for one attempt of a read: then the next endpoint is asked.
  std::chrono::milliseconds attempt_timeout{2'000};
  // Gets each request in place of a server; the call that made it ends with kCancelled.
  std::function<void(const ClientRequest&)> instead_of_sending = {};
};

enum class ReadConsistency {
  kLinearizable,  // Sees every write acknowledged before the read began.
  kLease,  // Likewise while clocks run at about the same rate; no round trip among the nodes.
  kStale,  // What the asked node has, however old.
};

struct GetResult {
  std::string value;
  uint64_t revision = 0;         // Of the change that wrote the value.
  uint64_t create_revision = 0;  // Of the change that created the key.
  uint64_t version = 0;          // Writes of the key since then, from 1. 0: not told.
};

// At most one of the two.
struct WriteCondition {
  bool if_absent = false;               // Only if the key has no value.
  std::optional<uint64_t> if_revision;  // Only if the value was written at this revision.
};

struct PutResult {
  uint64_t revision = 0;
  uint64_t version = 0;  // Writes of this key since it was created, from 1.
  bool created = false;
};

struct DeleteResult {
  uint64_t revision = 0;
  bool deleted = false;  // False: there was nothing to delete.
};

struct MemberStatus {
  uint64_t id = 0;
  std::string http_address;
  std::string peer_address;
  // "leader", "follower", "candidate", "learner", "none" (not a member), or "unknown".
  std::string role;
  std::string health;
  std::string version;
  // Absent where the node that was asked does not know.
  std::optional<uint64_t> term;
  std::optional<uint64_t> applied;
  std::optional<uint64_t> lag;  // Entries behind the leader.
};

struct ClusterStatus {
  std::string cluster_id;    // Of all nodes alike; empty: not told.
  uint64_t answered_by = 0;  // Of itself a node knows all, of the others what they told it.
  uint64_t leader = 0;       // 0: none is known.
  std::vector<MemberStatus> members;
};

class Client {
 public:
  // Checks the options; connects to nothing yet. kInvalidArgument.
  static absl::StatusOr<std::unique_ptr<Client>> Create(ClientOptions options);
  virtual ~Client() = default;

  virtual absl::StatusOr<GetResult> Get(
      std::string_view key, ReadConsistency consistency = ReadConsistency::kLinearizable) = 0;
  virtual absl::StatusOr<PutResult> Put(std::string_view key, std::string_view value,
                                        const WriteCondition& condition = {}) = 0;
  virtual absl::StatusOr<DeleteResult> Delete(std::string_view key,
                                              const WriteCondition& condition = {}) = 0;
  virtual absl::StatusOr<ClusterStatus> Cluster() = 0;

  // Who is in the cluster, and who leads it. Each waits until the change is committed (or, of
  // TransferLeadership, until another leads) and answers the cluster as it is then.
  // kFailedPrecondition: not allowed, or another change is in progress; kNotFound: not a member.
  //
  // The new node must run, started to join this cluster; it becomes a learner, and a voter by
  // itself once it has caught up. An id that was removed once is not allowed again.
  virtual absl::StatusOr<ClusterStatus> AddMember(uint64_t id, std::string_view peer_address) = 0;
  virtual absl::StatusOr<ClusterStatus> RemoveMember(uint64_t id) = 0;
  virtual absl::StatusOr<ClusterStatus> PromoteMember(uint64_t id) = 0;
  // nullopt: to the voter that has the most of the log.
  virtual absl::StatusOr<ClusterStatus> TransferLeadership(std::optional<uint64_t> to) = 0;

  // OK once the asked node says that it serves (GET /readyz); asks the endpoints once each, without
  // waiting for one to become ready.
  virtual absl::Status Ready() = 0;
};

}  // namespace sisyphus

#endif  // SISYPHUS_CLIENT_H_
