// StateMachine: what the log is applied to. Implemented by src/kv.
#ifndef SISYPHUS_NODE_STATE_MACHINE_H_
#define SISYPHUS_NODE_STATE_MACHINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/types.h"

namespace sisyphus::node {

struct Command {
  LogPosition position;
  std::string_view bytes;  // Empty for entries that are no command (a term's first entry, a
                           // membership change): only the position moves.
};

// What the state is at an index that every replica compares at.
struct ContentHash {
  Index index;
  uint64_t hash = 0;
  bool operator==(const ContentHash&) const = default;
};

// Deterministic: the same commands in the same order give the same state and results on every
// replica. Nothing here reads a clock, a setting or a random number.
class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // The last position that a restart finds again. What lies behind it is applied anew.
  virtual LogPosition durable() const = 0;

  // Applies `commands` in order; appends one result each to `results`. Any error ends the process:
  // a replica that cannot apply a committed entry stops, it does not skip. Called by the apply
  // actor only.
  virtual Status Apply(std::span<const Command> commands, std::vector<std::string>* results) = 0;

  // On the leader, as it appends `command` in `term`: what goes into the log in its place, of the
  // same size. Here a leader adds what only it can say, such as a time. Raft actor.
  virtual std::shared_ptr<const std::string> Stamp(std::shared_ptr<const std::string> command,
                                                   Term /*term*/) {
    return command;
  }

  // Makes durable() move up to what is applied by now, in the background. Any thread.
  virtual void ScheduleFlush() = 0;

  // Makes `directory` (which must not exist) a copy of the state at durable(), synced, and answers
  // that position. Any thread but the apply actor, beside it.
  virtual StatusOr<LogPosition> Checkpoint(const std::string& directory) = 0;

  // Hashes of the state at the last few indices at which replicas compare, ascending; equal on
  // replicas that hold the same, however often they restarted or took a snapshot. Any thread.
  virtual std::vector<ContentHash> ContentHashes() const = 0;

  // Becomes the checkpoint that `swap` puts in the place of the state machine's own directory:
  // closes what it has open there, calls `swap`, opens it again. Apply actor.
  virtual Status Install(const std::function<Status()>& swap) = 0;

  // False while memtables wait for their flush: Apply is not called until `on_ready` (given to
  // OnReady) has run. Any thread.
  virtual bool ReadyToApply() const = 0;
  virtual void SetReadyCallback(std::function<void()> on_ready) = 0;

  // 0 in good health; above, how much new proposals should be slowed down: 1 means "delay each by a
  // full unit". Any thread.
  virtual double Pressure() const = 0;
};

}  // namespace sisyphus::node

#endif  // SISYPHUS_NODE_STATE_MACHINE_H_
