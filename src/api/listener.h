// Listener: HTTP/1.1 over TCP for any handler.
//
// A few io threads, each with connections of its own. A connection that waits for a request keeps
// no buffer: bytes are read into one that its thread shares. Answers to requests that came in one
// piece leave in one write. Threads: Create, Run, BeginDrain and Stop from the owner's thread; the
// rest from any.
#ifndef SISYPHUS_API_LISTENER_H_
#define SISYPHUS_API_LISTENER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "api/exchange.h"
#include "base/clock.h"
#include "base/executor.h"
#include "base/status.h"

namespace sisyphus::api {

struct ListenerOptions {
  std::string address = {};  // HOST:PORT; port 0 picks a free one.
  int io_threads = 1;
  size_t max_request_line_bytes = 64 << 10;
  size_t max_field_bytes = 64 << 10;
  size_t max_body_bytes = 16 << 20;  // Where a handler sets no limit.
  size_t max_connections = 20'000;
  size_t max_connections_per_address = 10'000;  // Of IPv6, per network of 64 bits.
  // Of requests' bodies from the first byte to the answer, and of large answers until they are
  // taken.
  size_t max_inflight_bytes = 256 << 20;
  Duration header_timeout = std::chrono::seconds(10);
  Duration body_timeout = std::chrono::seconds(60);  // Also for the peer to take an answer.
  Duration idle_timeout = std::chrono::seconds(300);
  Clock* clock = nullptr;  // Not owned.
};

struct ListenerStats {
  uint64_t open_connections = 0;  // Without those that are being refused.
  uint64_t accepted_connections = 0;
  uint64_t inflight_requests = 0;  // Read, and their answer not yet written.
  uint64_t refused_overload = 0;   // Connections and requests.
  uint64_t refused_by_total = 0;   // Connections.
  uint64_t refused_by_address = 0;
  uint64_t refused_body_bytes = 0;  // Requests: too many bytes in flight.
  uint64_t inflight_bytes = 0;      // Of request bodies.
  uint64_t received_bytes = 0;      // From clients, and to them.
  uint64_t sent_bytes = 0;
};

class Listener {
 public:
  // Binds. `handler` is not owned. Errors as those of Server::Start.
  static StatusOr<std::unique_ptr<Listener>> Create(ListenerOptions options, HttpHandler* handler);
  virtual ~Listener() = default;  // Stops first.

  // Begins to serve.
  virtual void Run() = 0;

  virtual std::string bound_address() const = 0;  // With the port that was picked.

  // Every answer ends its connection from now on.
  virtual void BeginDrain() = 0;
  virtual bool draining() const = 0;

  // Drains, waits at most `timeout` until no request is in flight, closes everything, ends the
  // threads. A second call does nothing.
  virtual void Stop(Duration timeout) = 0;
  virtual ListenerStats stats() const = 0;

  // Runs `task` on the first io thread, after what it does now.
  virtual void PostToFirstThread(Task task) = 0;
};

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_LISTENER_H_
