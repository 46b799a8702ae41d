#include "transport/send_queue.h"

#include <gtest/gtest.h>

#include "tests/unit/transport/harness.h"

namespace sisyphus::transport {
namespace {

constexpr NodeId kMe(1);
constexpr NodeId kPeer(2);

SendQueue MakeQueue() {
  return SendQueue({.bytes = 1000, .messages = 3}, {.bytes = 10'000, .messages = 4});
}

TEST(SendQueueTest, UrgentGoesFirstAndBothKeepTheirOrder) {
  SendQueue queue = MakeQueue();
  EXPECT_EQ(queue.Push(One(Append(kMe, kPeer, 1, 10))), 0u);
  EXPECT_EQ(queue.Push(One(Heartbeat(kMe, kPeer, 1))), 0u);
  EXPECT_EQ(queue.Push(One(Append(kMe, kPeer, 2, 10))), 0u);
  EXPECT_EQ(queue.Push(One(Heartbeat(kMe, kPeer, 2))), 0u);
  const auto batch = queue.TakeBatch(1 << 20);
  ASSERT_EQ(batch.size(), 4u);
  EXPECT_EQ(RaftBody<raft::HeartbeatRequest>(batch[0])->round, 1u);
  EXPECT_EQ(RaftBody<raft::HeartbeatRequest>(batch[1])->round, 2u);
  EXPECT_EQ(RaftBody<raft::AppendRequest>(batch[2])->entries[0].index, Index(1));
  EXPECT_EQ(RaftBody<raft::AppendRequest>(batch[3])->entries[0].index, Index(2));
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0u);
}

// A probe has no entries, but overtaking an earlier AppendRequest would get it rejected.
TEST(SendQueueTest, AnEmptyAppendDoesNotOvertake) {
  SendQueue queue = MakeQueue();
  queue.Push(One(Append(kMe, kPeer, 1, 10)));
  raft::AppendRequest probe;
  probe.previous = {Index(1), Term(7)};
  queue.Push(One(raft::Message{.from = kMe, .to = kPeer, .term = Term(7), .body = probe}));
  const auto batch = queue.TakeBatch(1 << 20);
  ASSERT_EQ(batch.size(), 2u);
  EXPECT_EQ(RaftBody<raft::AppendRequest>(batch[0])->entries.size(), 1u);
  EXPECT_TRUE(RaftBody<raft::AppendRequest>(batch[1])->entries.empty());
}

TEST(SendQueueTest, AFullBulkLaneDoesNotStopHeartbeats) {
  SendQueue queue = MakeQueue();
  EXPECT_EQ(queue.Push(One(Append(kMe, kPeer, 1, 9'000))), 0u);
  EXPECT_EQ(queue.Push(One(Append(kMe, kPeer, 2, 9'000))), 1u);
  EXPECT_EQ(queue.Push(One(Heartbeat(kMe, kPeer, 1))), 0u);
  EXPECT_EQ(queue.TakeBatch(1 << 20).size(), 2u);
}

TEST(SendQueueTest, CountsMessagesToo) {
  SendQueue queue = MakeQueue();
  for (uint64_t i = 1; i <= 4; ++i) EXPECT_EQ(queue.Push(One(Append(kMe, kPeer, i, 1))), 0u);
  EXPECT_EQ(queue.Push(One(Append(kMe, kPeer, 5, 1))), 1u);
}

// Half of a Send would leave a gap between AppendRequests.
TEST(SendQueueTest, ASendIsTakenWholeOrNotAtAll) {
  SendQueue queue = MakeQueue();
  queue.Push(One(Append(kMe, kPeer, 1, 1'000)));
  std::vector<node::PeerMessage> two;
  two.push_back(Append(kMe, kPeer, 2, 1'000));
  two.push_back(Append(kMe, kPeer, 3, 9'000));
  two.push_back(Heartbeat(kMe, kPeer, 1));
  EXPECT_EQ(queue.Push(std::move(two)), 2u);
  EXPECT_EQ(queue.Clear(), 2u);
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(SendQueueTest, AnEmptyLaneTakesMoreThanItsWindow) {
  SendQueue queue = MakeQueue();
  EXPECT_EQ(queue.Push(One(Append(kMe, kPeer, 1, 50'000))), 0u);
  EXPECT_EQ(queue.Push(One(Append(kMe, kPeer, 2, 1))), 1u);
}

TEST(SendQueueTest, BatchesAreBoundedButNeverEmpty) {
  SendQueue queue = MakeQueue();
  for (uint64_t i = 1; i <= 4; ++i) queue.Push(One(Append(kMe, kPeer, i, 2'000)));
  EXPECT_EQ(queue.TakeBatch(5'000).size(), 2u);
  EXPECT_EQ(queue.TakeBatch(1).size(), 1u);
  EXPECT_EQ(queue.TakeBatch(1 << 20).size(), 1u);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace sisyphus::transport
