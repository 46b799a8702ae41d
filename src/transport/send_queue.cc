#include "transport/send_queue.h"

#include <utility>
#include <variant>

#include "base/check.h"
#include "transport/codec.h"

namespace sisyphus::transport {
namespace {

bool IsUrgent(const node::PeerMessage& message) {
  if (const auto* raft_message = std::get_if<raft::Message>(&message)) {
    return !std::holds_alternative<raft::AppendRequest>(raft_message->body) &&
           !std::holds_alternative<raft::SnapshotRequest>(raft_message->body);
  }
  return std::holds_alternative<node::ReadIndexRequest>(message) ||
         std::holds_alternative<node::ReadIndexReply>(message);
}

}  // namespace

bool SendQueue::Lane::Admits(size_t more_bytes, size_t more_messages) const {
  return queue.empty() ||
         (bytes + more_bytes <= window.bytes && queue.size() + more_messages <= window.messages);
}

size_t SendQueue::Push(std::vector<node::PeerMessage> messages) {
  struct Share {
    size_t bytes = 0;
    size_t messages = 0;
    bool admitted = false;
  };
  Share urgent_share;
  Share bulk_share;
  for (const node::PeerMessage& message : messages) {
    Share& share = IsUrgent(message) ? urgent_share : bulk_share;
    share.bytes += SizeBytes(message);
    ++share.messages;
  }
  urgent_share.admitted = urgent_.Admits(urgent_share.bytes, urgent_share.messages);
  bulk_share.admitted = bulk_.Admits(bulk_share.bytes, bulk_share.messages);

  size_t refused = 0;
  for (node::PeerMessage& message : messages) {
    const bool urgent = IsUrgent(message);
    if (!(urgent ? urgent_share : bulk_share).admitted) {
      ++refused;
      continue;
    }
    Lane& lane = urgent ? urgent_ : bulk_;
    const size_t bytes = SizeBytes(message);
    lane.bytes += bytes;
    lane.queue.push_back({std::move(message), bytes});
  }
  return refused;
}

std::vector<node::PeerMessage> SendQueue::TakeBatch(size_t max_bytes) {
  SIS_CHECK(!empty(), "TakeBatch of an empty queue");
  std::vector<node::PeerMessage> batch;
  batch.reserve(urgent_.queue.size() + bulk_.queue.size());
  size_t taken_bytes = 0;
  for (Lane* lane : {&urgent_, &bulk_}) {
    while (!lane->queue.empty()) {
      Queued& front = lane->queue.front();
      if (!batch.empty() && taken_bytes + front.bytes > max_bytes) return batch;
      taken_bytes += front.bytes;
      lane->bytes -= front.bytes;
      batch.push_back(std::move(front.message));
      lane->queue.pop_front();
    }
  }
  return batch;
}

size_t SendQueue::Clear() {
  const size_t dropped = urgent_.queue.size() + bulk_.queue.size();
  for (Lane* lane : {&urgent_, &bulk_}) {
    lane->queue.clear();
    lane->bytes = 0;
  }
  return dropped;
}

}  // namespace sisyphus::transport
