// The open-loop load generator: requests at a fixed rate, whatever the server makes of them.
//
// Request i is due at start + i / rate. It leaves on the first connection that is free by then;
// while all are busy it waits, and that wait is part of its latency, which is counted from when it
// was due. So a server that stands still for a second is seen by every request of that second, not
// by one a connection (coordinated omission). What waits is a number, not a queue: it costs no
// memory.
//
// One thread and one event loop. The generator watches itself: how late its own timer fires, and
// how much of a processor it uses. When it was the bottleneck, the result says so.
//
// Bounded: by the duration, then by the timeout of the last requests.
#ifndef SISYPHUS_TOOLS_SICLI_LOAD_LOAD_GENERATOR_H_
#define SISYPHUS_TOOLS_SICLI_LOAD_LOAD_GENERATOR_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "tools/sicli/load/http_channel.h"
#include "tools/sicli/load/latency_histogram.h"

namespace sisyphus::sicli {

struct LoadProgress {
  Duration elapsed{};
  uint64_t answered = 0;  // Good answers in the last second, or since the last report.
  uint64_t failed = 0;    // All so far.
  uint64_t waiting = 0;   // Due, but no connection is free.
  const LatencyHistogram* latency = nullptr;  // Of `answered`.
};

struct LoadOptions {
  std::vector<HttpServer> servers;  // Connections are spread over them.
  double rate = 1000;               // Requests a second.
  Duration duration = std::chrono::seconds(10);
  uint32_t gets_of_100 = 0;
  std::string consistency;  // Of the gets; empty: as the server does.
  uint32_t connections = 64;
  uint64_t keys = 10'000;
  uint32_t value_size = 100;
  Duration timeout = std::chrono::seconds(10);  // Of one request, from when it is sent.
  std::string key_prefix;                       // Percent-encoded.
  uint64_t seed = 0;
  std::function<void(const LoadProgress&)> progress;  // About once a second.
};

// What happened to the requests that were due in one stretch of the run.
struct LoadSlot {
  LatencyHistogram latency;
  uint64_t failed = 0;
};

struct LoadResult {
  static constexpr size_t kMostSlots = 120;

  Duration duration{};  // From the first due request to the last answer.
  uint64_t due = 0;     // Requests that were due; the others' numbers add up to it.
  LatencyHistogram puts;
  LatencyHistogram gets;
  // By what went wrong: an HTTP status, "timeout", "no connection" or "connection lost".
  std::map<std::string, uint64_t> failed;
  std::string an_error;  // One of them, in words.
  uint64_t unsent = 0;   // No connection was free for them until the end.
  bool interrupted = false;

  Duration slot_length{};
  std::vector<LoadSlot> slots;

  // The generator itself.
  LatencyHistogram lateness;   // Of its timer.
  double processor_share = 0;  // Of one processor, in its thread.
  uint64_t waited = 0;         // Requests that were due while no connection was free.

  LatencyHistogram all() const;
  uint64_t failures() const;  // Unsent ones too.
  // Why the generator may have been slower than the servers; empty: it was not.
  std::string bottleneck() const;
};

// Connects, writes all keys if any are to be read, and runs. SIGINT and SIGTERM end it early: the
// result says so (a second one does not wait for answers). kUnavailable: no server could be
// reached, or the keys could not be written; kCancelled: interrupted before anything was measured.
StatusOr<LoadResult> RunLoad(const LoadOptions& options);

// Deletes what RunLoad wrote, in pieces that do not hold up others for long.
Status DeleteLoadKeys(const LoadOptions& options);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_LOAD_LOAD_GENERATOR_H_
