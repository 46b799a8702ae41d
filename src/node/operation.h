// OperationContext: what travels with an operation beside its bytes: until when it may take, which
// trace it belongs to, and a place for what its caller wants to know afterwards.
#ifndef SISYPHUS_NODE_OPERATION_H_
#define SISYPHUS_NODE_OPERATION_H_

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/types.h"

namespace sisyphus::node {

// A `traceparent` (W3C Trace Context): "00-<32 hex digits>-<16 hex digits>-<2 hex digits>". Of
// later versions the part that this one has.
class TraceParent {
 public:
  static constexpr size_t kBytes = 55;

  TraceParent() = default;  // None.
  // Nothing: malformed. Such a one must be ignored, as if it had not come.
  static std::optional<TraceParent> Parse(std::string_view text);

  bool empty() const { return text_[0] == '\0'; }
  std::string_view text() const { return {text_.data(), empty() ? 0 : kBytes}; }

 private:
  std::array<char, kBytes> text_ = {};
};

// Where the time of a write went: one after the other, from its arrival at the leader until it is
// applied there. What was not reached is 0.
struct StageTimes {
  Duration queue{};      // Waits for its turn to be proposed.
  Duration replicate{};  // Until a majority has it.
  Duration commit{};     // Until it is on the leader's own disk too, and handed over.
  Duration apply{};      // Until the state machine has it.

  Duration total() const { return queue + replicate + commit + apply; }
};

// Written by the node before the operation's callback is called, and not afterwards.
struct OperationTrace {
  TraceParent parent;  // By the caller.
  StageTimes stages;
  Duration forward{};    // To the leader and back, its stages included; 0: it was not forwarded.
  NodeId leader;         // To whom; kNoNode: it was not forwarded.
  MonotonicTime done{};  // When the callback was called.
};
using TracePointer = std::shared_ptr<OperationTrace>;

struct OperationContext {
  OperationContext(MonotonicTime until)  // NOLINT: a deadline is all that most callers have.
      : deadline(until) {}
  OperationContext(MonotonicTime until, TracePointer pointer)
      : deadline(until), trace(std::move(pointer)) {}
  operator MonotonicTime() const { return deadline; }  // NOLINT: likewise.

  MonotonicTime deadline;
  TracePointer trace;  // May be null.
};

}  // namespace sisyphus::node

#endif  // SISYPHUS_NODE_OPERATION_H_
