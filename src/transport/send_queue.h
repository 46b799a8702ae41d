// SendQueue: what waits for one peer while the previous write to it is in flight.
//
// Two lanes, each in order and with a window of its own. The urgent lane (heartbeats, votes,
// acknowledgements, read index) is small and goes first, so that an election or a lease never waits
// behind megabytes of entries. Everything that carries a client's bytes is bulk, and so are all
// AppendRequests, even empty ones: their order among themselves matters to pipelining.
//
// Not thread-safe.
#ifndef SISYPHUS_TRANSPORT_SEND_QUEUE_H_
#define SISYPHUS_TRANSPORT_SEND_QUEUE_H_

#include <cstddef>
#include <deque>
#include <vector>

#include "node/transport.h"

namespace sisyphus::transport {

struct SendWindow {
  size_t bytes = 0;
  size_t messages = 0;
};

class SendQueue {
 public:
  SendQueue(SendWindow urgent, SendWindow bulk) : urgent_(urgent), bulk_(bulk) {}

  // The messages of one Send that go to a lane are taken together or not at all. A lane that is
  // empty takes them even when they are larger than its window. Answers how many were refused.
  size_t Push(std::vector<node::PeerMessage> messages);

  // The urgent lane first, then bulk; stops before `max_bytes` are exceeded, but takes at least one
  // message. Requires: not empty().
  std::vector<node::PeerMessage> TakeBatch(size_t max_bytes);

  // Drops everything and answers how many messages that was.
  size_t Clear();

  bool empty() const { return urgent_.queue.empty() && bulk_.queue.empty(); }
  size_t bytes() const { return urgent_.bytes + bulk_.bytes; }

 private:
  struct Queued {
    node::PeerMessage message;
    size_t bytes;
  };
  struct Lane {
    explicit Lane(SendWindow w) : window(w) {}
    bool Admits(size_t more_bytes, size_t more_messages) const;

    const SendWindow window;
    std::deque<Queued> queue;
    size_t bytes = 0;
  };

  Lane urgent_;
  Lane bulk_;
};

}  // namespace sisyphus::transport

#endif  // SISYPHUS_TRANSPORT_SEND_QUEUE_H_
