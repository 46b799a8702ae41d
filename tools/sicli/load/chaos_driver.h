// The chaos driver: workers that read and write a few keys of a running cluster, while somebody
// breaks it, and record what they were told.
//
// A worker is one client: it sends its next request when the last one was answered, refused, or
// given up. Each value is written once only, so that a value names its write. What becomes of a
// write:
//
//   answered   it is in the history, from its call to its answer;
//   refused    the server says, or it is known, that nothing was changed: it is not in the history;
//   unknown    no answer, or one that says so: it is in the history without an end, since it may
//              take effect at any later time, or never. The worker goes on as a new client.
//
// Every fourth write carries an Idempotency-Key and is repeated, at another server, until its
// outcome is known: it must have happened once, however often it was sent.
//
// A key is given up for a fresh one after some hundred requests or a few unknown outcomes, because
// the search for a linearization grows with both. In the end every key that was ever used is read
// once more: an acknowledged write that was lost makes its history impossible.
//
// One thread. Bounded: by the duration, by kMostOperations, and by the recovery time in the end.
#ifndef SISYPHUS_TOOLS_SICLI_LOAD_CHAOS_DRIVER_H_
#define SISYPHUS_TOOLS_SICLI_LOAD_CHAOS_DRIVER_H_

#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "tools/sicli/load/http_channel.h"
#include "verify/linearizability.h"

namespace sisyphus::sicli {

inline constexpr uint64_t kMostOperations = 2'000'000;

// A time without an acknowledged write.
struct WriteGap {
  Duration at{};  // Since the beginning.
  Duration length{};
};

struct ChaosCounts {
  uint64_t reads = 0;     // Answered.
  uint64_t writes = 0;    // Acknowledged, compare-and-set that found another value among them.
  uint64_t refused = 0;   // Certainly without effect, reads without an answer too.
  uint64_t unknown = 0;   // Writes.
  uint64_t repeated = 0;  // Attempts beyond the first, of writes with an Idempotency-Key.
  uint64_t keys = 0;      // That were used.
};

struct ChaosProgress {
  Duration elapsed{};
  bool checking = false;  // The faults' time is over: every key is read once more.
  ChaosCounts counts;
  Duration since_write{};  // Since a write was acknowledged.
};

struct ChaosOptions {
  std::vector<HttpServer> servers;  // A worker goes to the next one when its own fails it.
  uint32_t workers = 8;
  uint32_t keys = 5;  // At a time.
  double rate = 500;  // Requests a second at most, of all workers.
  Duration duration = std::chrono::seconds(60);
  Duration timeout = std::chrono::seconds(3);    // Of one attempt.
  Duration recovery = std::chrono::seconds(60);  // For the reads in the end.
  std::string consistency;                       // Of reads; empty: linearizable.
  std::string key_prefix;                        // ASCII, as it stands in a URL.
  uint64_t seed = 0;
  std::function<void(const ChaosProgress&)> progress;  // About once a second.
};

struct ChaosResult {
  // Times are nanoseconds since the beginning.
  std::vector<verify::RegisterOperation> history;
  ChaosCounts counts;
  std::vector<WriteGap> gaps;  // Of kNotableGap and more, the longest first.
  Duration longest_gap{};
  uint64_t unread = 0;   // Keys that could not be read in the end.
  std::string an_error;  // The last trouble, in words.
  bool interrupted = false;
  Duration duration{};  // Of the part in which it wrote.
};

inline constexpr Duration kNotableGap = std::chrono::milliseconds(500);

// SIGINT and SIGTERM end the writing early, a second one the reads in the end too. kUnavailable: no
// server could be reached at the beginning.
StatusOr<ChaosResult> RunChaos(const ChaosOptions& options);

// Deletes the keys of a run.
Status DeleteChaosKeys(const ChaosOptions& options);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_LOAD_CHAOS_DRIVER_H_
