// Server: the HTTP API of one node (the contract is docs/api.md).
//
// Asynchronous on Boost.Asio: a few io threads serve any number of connections; no thread belongs
// to a connection or a request. Answers that come from the node's actors are handed to a
// connection's io thread in batches, one wake-up each. Threads: Bind, Serve, BeginDrain and Stop
// from the owner's thread. What a crash leaves: nothing, the server keeps no state.
#ifndef SISYPHUS_API_SERVER_H_
#define SISYPHUS_API_SERVER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/executor.h"
#include "base/measures.h"
#include "base/status.h"
#include "kv/store.h"
#include "node/node.h"
#include "node/operation.h"

namespace sisyphus::api {

// Endpoints that can be switched off.
struct ServedGroups {
  bool simple = true;  // /put, /get, /delete.
  bool status_page = true;
};

struct Limits {
  size_t max_key_bytes = 64 << 10;
  size_t max_value_bytes = 16 << 20;
  size_t max_header_bytes =
      64 << 10;  // Request line and headers; a percent-encoded key of max_key_bytes comes on top.
  size_t max_txn_operations = kv::kMaxTxnOperations;  // And comparisons; no more than that.
  size_t max_txn_bytes = 16 << 20;                    // Of a transaction's JSON.
  size_t max_connections = 20'000;
  size_t max_connections_per_address = 10'000;  // Of IPv6, per network of 64 bits.
  size_t max_inflight_bytes =
      256 << 20;  // Request bodies, and large answers until they are taken; beyond: 429.
  Duration request_timeout =
      std::chrono::seconds(5);  // From the parsed request to its answer: then 504 or 503.
  Duration header_timeout =
      std::chrono::seconds(10);  // From the first byte of a request to the end of its headers.
  Duration body_timeout = std::chrono::seconds(60);
  Duration idle_timeout = std::chrono::seconds(300);   // Between requests.
  size_t max_scans = 256;                              // Walks over ranges at once; beyond: 429.
  Duration max_reader_age = std::chrono::seconds(60);  // For a walk to pin tables and memtables.
  Duration max_count_time = std::chrono::seconds(1);   // Of a count with a limit: then a cursor.
};

// A request that was answered, without a byte of what it was about.
struct FinishedOperation {
  std::string_view method;
  std::string_view endpoint;  // A route, never a raw path.
  int status = 0;
  Duration took{};
  Duration read_wait{};  // Of a read: until the local state could answer it.
  Duration respond{};    // Of a write: from the node's word to the answer.
  node::TraceParent parent;
  const node::OperationTrace* trace = nullptr;  // Of a write; null: of none.
};

struct ServerOptions {
  std::string address = "127.0.0.1:8001";  // HOST:PORT; port 0 picks a free one.
  int io_threads = 1;
  ServedGroups serve;
  bool status_page_writes = false;  // The status page offers to change keys.
  Limits limits;

  Clock* clock = nullptr;        // Not owned; outlives the server.
  Executor* executor = nullptr;  // Likewise. Null: threads of the server's own.

  // Told of each request that took at least this long from its head to its answer (0: of none), and
  // of every one while `log_every_operation` says so. On an io thread; must return quickly.
  Duration slow_threshold{};
  std::function<void(const FinishedOperation&, bool slow)> on_operation;
  std::function<bool()> log_every_operation;
  // Behind /v1/log/level. `set_log_level`: false, there is no such level.
  std::function<std::string()> log_level;
  std::function<bool(const std::string&)> set_log_level;

  // The body of /metrics, in the Prometheus text format. Called on an io thread, at most one at a
  // time.
  std::function<std::string()> render_metrics;
  std::string version;          // Of /version.
  std::string cluster_id;       // Of /v1/cluster; empty: left out.
  std::string advertised_http;  // This node's own address in /v1/cluster; empty: the bound address.
};

// Counters for metrics. Read from any thread.
struct RequestCount {
  std::string method;
  std::string endpoint;  // A route, e.g. "/v1/kv/{key}", never a raw path.
  int status = 0;
  uint64_t count = 0;
};
struct LatencyHistogram {
  std::string endpoint;
  std::vector<double> bounds_seconds;  // Upper bounds, ascending; the last bucket is open.
  std::vector<uint64_t> counts;        // One more than bounds.
  double sum_seconds = 0;
};
struct ServerStats {
  std::vector<RequestCount> requests;
  std::vector<LatencyHistogram> latencies;
  uint64_t open_connections = 0;
  uint64_t accepted_connections = 0;
  uint64_t inflight_requests = 0;
  uint64_t refused_overload = 0;
  uint64_t refused_by_total = 0;  // Connections; of these two all count as overload as well.
  uint64_t refused_by_address = 0;
  uint64_t refused_body_bytes = 0;  // Requests: too many bytes in flight,
  uint64_t refused_scans = 0;       // too many walks.
  uint64_t scans = 0;               // Open walks over ranges.
  uint64_t inflight_bytes = 0;      // Of request bodies.
  uint64_t received_bytes = 0;
  uint64_t sent_bytes = 0;
  uint64_t slow_operations = 0;
  DurationHistogram::Snapshot respond;  // Of writes: from the node's word to the answer.
  // Of reads, by kv::Consistency: until the local state could answer.
  std::array<DurationHistogram::Snapshot, 3> read_waits;
};

class Server {
 public:
  // Binds: clients may connect, and wait. kInvalidArgument: the address cannot be understood;
  // kUnavailable: it cannot be bound (port in use).
  static StatusOr<std::unique_ptr<Server>> Bind(ServerOptions options);
  virtual ~Server() = default;  // Stops first.

  // Begins to answer. Neither is owned; both outlive the server.
  virtual void Serve(kv::Store* store, node::Node* node) = 0;

  // HOST:PORT, with the port that was picked.
  virtual std::string bound_address() const = 0;

  // /readyz answers 503 from now on, responses carry "Connection: close". New connections are still
  // taken (a probe wants its 503) until Stop.
  virtual void BeginDrain() = 0;

  // Drains, waits until no request is in flight, at most `timeout`; then closes the listener and
  // every connection and stops the threads. A second call does nothing.
  virtual void Stop(Duration timeout) = 0;

  virtual ServerStats stats() const = 0;
};

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_SERVER_H_
