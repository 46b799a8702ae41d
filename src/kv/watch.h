// Watch: every change of the keys in a range, from a revision on, once and in order.
//
// What is recent comes from the feed's ring, what is older from the change records and versions in
// the tree (history.h), in pieces whose size the caller bounds: a watch holds nothing between two
// calls but its place. Threads: one at a time, but Cancel, which any may call.
#ifndef SISYPHUS_KV_WATCH_H_
#define SISYPHUS_KV_WATCH_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/status.h"
#include "base/types.h"
#include "kv/interval_index.h"
#include "kv/value.h"
#include "kv/watch_feed.h"
#include "sisyphus/db.h"

namespace sisyphus::kv {

class Machine;

struct WatchRequest {
  KeyRange range;
  Index from;  // The first revision to be told of; may lie in the future.
  bool previous = false;
};

struct WatchEvent {
  Index revision;
  bool last_of_revision = false;  // In the range of the watch. Keys ascend within a revision.
  std::string key;
  std::optional<VersionedValue> value = {};     // Nothing: the key was deleted.
  std::optional<VersionedValue> previous = {};  // If asked for: what stood there before.
};

class Watch {
 public:
  // kFailedPrecondition, IsCompacted(): history does not reach back to request.from.
  // kResourceExhausted: too many watches.
  static StatusOr<std::unique_ptr<Watch>> Open(Machine* machine, WatchRequest request);

  struct Piece {
    std::vector<WatchEvent> events;  // Perhaps none, though there will be some later.
    bool caught_up = false;          // Nothing more has been applied here.
  };
  // The next events, about `max_bytes` of keys and values; looks at a bounded part of history.
  // IsCompacted(): history was dropped before the watch came there; it cannot go on.
  StatusOr<Piece> Read(size_t max_bytes);

  // The last revision of which (and before which) everything has been read. 0 while `from` lies
  // ahead of what is applied.
  Index told() const;

  // After a piece that caught up: calls `wake` once, on the feed's actor, when Read should be
  // called again, or with `progress` when for a while nothing has happened. False: at once.
  bool Park(absl::AnyInvocable<void(bool progress)> wake);

  // Drops what Park was given. Any thread.
  void Cancel();

 private:
  Watch(Machine* machine, WatchRequest request, std::unique_ptr<WatchFeed::Seat> seat);

  // An event that waits to be known as the last of its revision, or not.
  class Collector;

  Status ReadRing(const WatchFeed::Taken& taken, Collector* out);
  Status ReadTree(DB& tree, Collector* out);
  // Why reading a record of revision next_ ended: it did, its keys went beyond the range, or the
  // collector is full.
  enum class RecordEnd : uint8_t { kWhole, kPassed, kFull };
  StatusOr<RecordEnd> ReadRecord(DB& tree, std::string_view record, Collector* out);
  Status ReadPrevious(DB& tree, WatchEvent* event) const;

  Machine* const machine_;
  const WatchRequest request_;
  const std::unique_ptr<WatchFeed::Seat> seat_;

  // The place: of revision next_ everything up to key after_ is done, and every part before part_.
  Index next_;
  uint32_t part_ = 0;
  std::optional<std::string> after_;
  // Written by the feed's actor while the watch is parked.
  std::shared_ptr<std::atomic<uint64_t>> woken_next_;
};

}  // namespace sisyphus::kv

#endif  // SISYPHUS_KV_WATCH_H_
