#include "tests/support/sim_executor.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace sisyphus::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class SimExecutorTest : public ::testing::Test {
 protected:
  SimExecutor sim_{{.seed = 7}};
  std::unique_ptr<SimProcess> process_ = sim_.CreateProcess("p");
};

TEST_F(SimExecutorTest, OneActorRunsItsTasksInOrder) {
  auto actor = process_->CreateActor({.name = "a"});
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) actor->Post([&order, i] { order.push_back(i); });
  while (sim_.Step()) {
  }
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

// Runs two rings of actors; answers the order in which they ran and the trace.
std::pair<std::string, uint64_t> Interleaving(uint64_t seed) {
  SimExecutor sim({.seed = seed});
  auto process = sim.CreateProcess("p");
  auto a = process->CreateActor({.name = "a"});
  auto b = process->CreateActor({.name = "b"});
  std::string order;
  for (int i = 0; i < 20; ++i) {
    a->Post([&order] { order += 'a'; });
    b->Post([&order] { order += 'b'; });
  }
  while (sim.Step()) {
  }
  return {order, sim.trace_hash()};
}

TEST_F(SimExecutorTest, TheSeedDecidesTheOrder) {
  std::set<std::string> orders;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(Interleaving(seed), Interleaving(seed));
    orders.insert(Interleaving(seed).first);
  }
  EXPECT_GT(orders.size(), 15u);
}

TEST_F(SimExecutorTest, TryPostRefusesBeyondTheCapacityAndPostDoesNot) {
  auto actor = process_->CreateActor({.name = "a", .capacity = 2});
  int ran = 0;
  EXPECT_TRUE(actor->TryPost([&] { ++ran; }));
  EXPECT_TRUE(actor->TryPost([&] { ++ran; }));
  EXPECT_FALSE(actor->TryPost([&] { ran += 100; }));
  actor->Post([&] { ++ran; });
  while (sim_.Step()) {
  }
  EXPECT_EQ(ran, 3);
  EXPECT_TRUE(actor->TryPost([&] { ++ran; }));  // There is room again.
}

TEST_F(SimExecutorTest, TimersFireAtTheirTimeAndTimersDoNotFillTheMailbox) {
  auto actor = process_->CreateActor({.name = "a", .capacity = 1});
  const MonotonicTime start = process_->clock().Now();
  std::vector<Duration> fired;
  for (const int ms : {30, 10, 20}) {
    actor->PostAfter(milliseconds(ms), [&] { fired.push_back(process_->clock().Now() - start); });
  }
  EXPECT_TRUE(actor->TryPost([] {}));
  sim_.RunFor(milliseconds(25));
  EXPECT_EQ(fired, (std::vector<Duration>{milliseconds(10), milliseconds(20)}));
  sim_.RunFor(milliseconds(25));
  EXPECT_EQ(fired.size(), 3u);
  EXPECT_EQ(process_->clock().Now() - start, milliseconds(50));
}

TEST_F(SimExecutorTest, ACancelledTimerDoesNotRunEvenWhenItIsDue) {
  auto actor = process_->CreateActor({.name = "a"});
  bool ran = false;
  Actor::TimerId late{};
  // Both are in the mailbox when the first one runs.
  actor->PostAfter(milliseconds(1), [&] { actor->Cancel(late); });
  late = actor->PostAfter(milliseconds(1), [&] { ran = true; });
  while (sim_.Step()) {
  }
  EXPECT_FALSE(ran);
  // The slot is in use by somebody else now: the old name must not cancel it.
  actor->Post([&] { ran = true; });
  actor->Cancel(late);
  while (sim_.Step()) {
  }
  EXPECT_TRUE(ran);
}

TEST_F(SimExecutorTest, AccruedTimeDelaysTheActorAndWhatItPostsAfterwards) {
  auto disk = process_->CreateActor({.name = "disk"});
  auto other = process_->CreateActor({.name = "other"});
  const MonotonicTime start = sim_.now();
  Duration before{}, after{}, inside{}, next{};
  disk->Post([&] {
    other->Post([&] { before = sim_.now() - start; });
    sim_.Accrue(milliseconds(8));
    inside = process_->clock().Now() - start;
    other->Post([&] { after = sim_.now() - start; });
  });
  disk->Post([&] { next = sim_.now() - start; });
  while (sim_.Step()) {
  }
  EXPECT_LT(before, milliseconds(1));
  EXPECT_EQ(inside, milliseconds(8));
  EXPECT_GE(after, milliseconds(8));
  EXPECT_LT(after, milliseconds(9));
  EXPECT_GE(next, milliseconds(8));
}

TEST_F(SimExecutorTest, ARingOfActorsCannotStopTime) {
  auto a = process_->CreateActor({.name = "a"});
  auto b = process_->CreateActor({.name = "b"});
  std::function<void()> ping = [&] { b->Post([&] { a->Post(ping); }); };
  a->Post(ping);
  bool fired = false;
  a->PostAfter(milliseconds(5), [&] { fired = true; });
  EXPECT_TRUE(sim_.RunUntil(milliseconds(10), [&] { return fired; }));
  a->Stop();
  b->Stop();
}

TEST_F(SimExecutorTest, AKilledProcessRunsNothingMoreAndSendsNothingMore) {
  auto other_process = sim_.CreateProcess("q");
  auto alive = other_process->CreateActor({.name = "alive"});
  auto a = process_->CreateActor({.name = "a"});
  auto b = process_->CreateActor({.name = "b"});
  int ran = 0;
  a->Post([&] {
    alive->Post([&] { ran += 1; });
    process_->Kill();
    alive->Post([&] { ran += 100; });  // The machine is off already.
    b->Post([&] { ran += 100; });
    EXPECT_FALSE(b->TryPost([] {}));
  });
  a->PostAfter(milliseconds(1), [&] { ran += 100; });
  b->PostAfter(milliseconds(1), [&] { ran += 100; });
  while (sim_.Step()) {
  }
  EXPECT_EQ(ran, 1);
  EXPECT_FALSE(process_->alive());
}

TEST_F(SimExecutorTest, KillAndStopDestroyWhatTheTasksHold) {
  auto a = process_->CreateActor({.name = "a"});
  auto b = process_->CreateActor({.name = "b"});
  auto held = std::make_shared<int>(0);
  a->Post([held] {});
  a->PostAfter(seconds(1), [held] {});
  b->PostAfter(seconds(1), [held] {});
  a->Stop();
  EXPECT_EQ(held.use_count(), 2);
  process_->Kill();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(SimExecutorTest, APausedProcessGetsItsMailLater) {
  auto a = process_->CreateActor({.name = "a"});
  int ran = 0;
  a->Post([&] { ++ran; });
  a->PostAfter(milliseconds(3), [&] { ++ran; });
  process_->SetPaused(true);
  sim_.RunFor(milliseconds(10));
  EXPECT_EQ(ran, 0);
  process_->SetPaused(false);
  sim_.RunFor(milliseconds(1));
  EXPECT_EQ(ran, 2);
}

TEST_F(SimExecutorTest, AClockMayRunFast) {
  auto a = process_->CreateActor({.name = "a"});
  sim_.RunFor(seconds(1));
  const MonotonicTime before = process_->clock().Now();
  process_->SetClockRate(2'000'000);
  EXPECT_EQ(process_->clock().Now(), before);
  MonotonicTime fired{};
  a->PostAfter(seconds(2), [&] { fired = sim_.now(); });
  sim_.RunFor(seconds(1));
  EXPECT_EQ(process_->clock().Now() - before, seconds(2));
  EXPECT_EQ(fired.time_since_epoch(), seconds(2));
}

TEST_F(SimExecutorTest, AnActorMayBeDestroyedWithMailUnderWay) {
  auto a = process_->CreateActor({.name = "a"});
  auto b = process_->CreateActor({.name = "b"});
  bool ran = false;
  b->Post([&] {
    sim_.Accrue(milliseconds(1));
    a->Post([&] { ran = true; });
  });
  ASSERT_TRUE(sim_.Step());
  a.reset();
  auto successor = process_->CreateActor({.name = "c"});  // May get the slot of the first.
  while (sim_.Step()) {
  }
  EXPECT_FALSE(ran);
}

TEST_F(SimExecutorTest, EventsOfTheEnvironmentRunInOrderOfTime) {
  std::vector<int> order;
  sim_.After(milliseconds(2), [&] { order.push_back(2); });
  sim_.After(milliseconds(1), [&] {
    order.push_back(1);
    EXPECT_EQ(sim_.current(), nullptr);
  });
  while (sim_.Step()) {
  }
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace sisyphus::testing
