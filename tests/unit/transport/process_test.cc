#include <gtest/gtest.h>

#include "tests/unit/transport/harness.h"
#include "tests/unit/transport/peer_process.h"

namespace sisyphus::transport {
namespace {

TEST(ProcessTest, AKilledProcessIsADisconnectAtOnce) {
  Peer a(1);
  for (int round = 1; round <= 3; ++round) {
    PeerProcess process(2, 1, a.transport->address());
    ASSERT_FALSE(process.address().empty());
    a.transport->SetPeers({{NodeId(2), process.address()}});
    ASSERT_TRUE(a.recorder.WaitForEvent("connected 2", 2 * round));
    ASSERT_TRUE(a.recorder.WaitForMessages(1));
    a.transport->Send(NodeId(2), One(Heartbeat(a.id, NodeId(2), round)));
    ASSERT_TRUE(a.recorder.WaitForRound(round));
    EXPECT_EQ(a.recorder.Count("disconnected 2"), round - 1);

    const MonotonicTime before = RealClock().Now();
    process.Kill();
    ASSERT_TRUE(a.recorder.WaitForEvent("disconnected 2", round));
    const Duration took = RealClock().Now() - before;
    RecordProperty("disconnect_us_" + std::to_string(round), std::to_string(took.count() / 1000));
    // A few milliseconds when the machine is free; far from the keepalive's seconds in any case.
    EXPECT_LT(took, std::chrono::seconds(1));
    ASSERT_TRUE(a.recorder.WaitForEvent("send failed 2", round));
    a.recorder.TakeMessages();
  }
}

}  // namespace
}  // namespace sisyphus::transport
