#include "base/thread_executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace sisyphus {
namespace {

using ::testing::ElementsAre;
using namespace std::chrono_literals;

// Runs a task through the actor and waits for it: all posted before has run then.
void Drain(Actor& actor) {
  std::promise<void> done;
  actor.Post([&done] { done.set_value(); });
  done.get_future().wait();
}

// Keeps the actor's thread in a task until Open().
class Gate {
 public:
  explicit Gate(Actor& actor) {
    actor.Post([this] {
      entered_.set_value();
      open_.get_future().wait();
    });
    entered_.get_future().wait();
  }
  void Open() { open_.set_value(); }

 private:
  std::promise<void> entered_;
  std::promise<void> open_;
};

// Returns once Stop has begun. Requires: a task keeps others from running, so that one which is
// gone at once was dropped.
void AwaitStop(Actor& actor) {
  for (auto token = std::make_shared<int>(0);; std::this_thread::yield()) {
    const auto count = token.use_count();
    actor.Post([token] {});
    if (token.use_count() == count) break;
  }
}

class ThreadExecutorTest : public ::testing::Test {
 protected:
  std::unique_ptr<Actor> NewActor(size_t capacity = 16) {
    return executor_.CreateActor({.name = "test-actor", .capacity = capacity});
  }
  ThreadExecutor executor_;
};

TEST_F(ThreadExecutorTest, RunsTasksInOrderOnItsNamedThread) {
  auto actor = NewActor();
  std::vector<int> ran;
  std::string name;
  for (int i = 0; i < 1000; ++i) actor->Post([&ran, i] { ran.push_back(i); });
  actor->Post([&name] {
    char text[16];
    pthread_getname_np(pthread_self(), text, sizeof(text));
    name = text;
  });
  Drain(*actor);
  ASSERT_EQ(ran.size(), 1000u);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(ran[i], i);
  EXPECT_EQ(name, "test-actor");
}

TEST_F(ThreadExecutorTest, LosesNothingFromManyPosters) {
  auto actor = NewActor();
  constexpr int kPosters = 4;
  constexpr int kTasks = 20'000;
  uint64_t sum = 0;  // Only the actor touches it.
  std::vector<std::thread> posters;
  for (int p = 0; p < kPosters; ++p) {
    posters.emplace_back([&] {
      for (int i = 1; i <= kTasks; ++i) actor->Post([&sum, i] { sum += static_cast<uint64_t>(i); });
    });
  }
  for (std::thread& poster : posters) poster.join();
  Drain(*actor);
  EXPECT_EQ(sum, uint64_t{kPosters} * kTasks * (kTasks + 1) / 2);
}

// Two actors wake each other in turns: a lost wake-up would hang here.
TEST_F(ThreadExecutorTest, WakesFromEverySleep) {
  auto a = NewActor();
  auto b = NewActor();
  std::promise<void> done;
  int left = 20'000;
  std::function<void()> ping = [&] {
    if (--left == 0) return done.set_value();
    (left % 2 == 0 ? a : b)->Post([&ping] { ping(); });
  };
  a->Post([&ping] { ping(); });
  done.get_future().wait();
}

TEST_F(ThreadExecutorTest, RefusesBeyondItsCapacityOnlyWhereAsked) {
  auto actor = NewActor(/*capacity=*/3);
  int ran = 0;
  Gate gate(*actor);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(actor->TryPost([&ran] { ++ran; }));
  EXPECT_FALSE(actor->TryPost([&ran] { ran += 100; }));
  actor->Post([&ran] { ++ran; });
  gate.Open();
  Drain(*actor);
  EXPECT_EQ(ran, 4);
  EXPECT_TRUE(actor->TryPost([] {}));
}

// What was taken from the queue to be run and has not started counts too.
TEST_F(ThreadExecutorTest, CountsTheTasksOfTheRunningBatch) {
  auto actor = NewActor(/*capacity=*/3);
  Gate gate(*actor);
  std::promise<std::vector<bool>> answers;
  actor->Post([&] {
    std::vector<bool> accepted;
    for (int i = 0; i < 3; ++i) accepted.push_back(actor->TryPost([] {}));
    answers.set_value(accepted);
  });
  actor->Post([] {});
  actor->Post([] {});
  gate.Open();
  EXPECT_THAT(answers.get_future().get(), ElementsAre(true, false, false));
}

TEST_F(ThreadExecutorTest, TimersFireInTheOrderOfTheirDeadlinesAndNeverEarly) {
  auto actor = NewActor();
  std::vector<int> ran;
  std::promise<void> done;
  const MonotonicTime start = RealClock().Now();
  MonotonicTime last{};
  actor->PostAfter(30ms, [&] {
    ran.push_back(3);
    last = RealClock().Now();
    done.set_value();
  });
  actor->PostAfter(10ms, [&ran] { ran.push_back(1); });
  actor->PostAfter(20ms, [&ran] { ran.push_back(2); });
  actor->PostAfter(0ms, [&ran] { ran.push_back(0); });
  done.get_future().wait();
  EXPECT_THAT(ran, ElementsAre(0, 1, 2, 3));
  EXPECT_GE(last - start, 30ms);
}

TEST_F(ThreadExecutorTest, ACancelledTimerDoesNotRunEvenWhenItIsDue) {
  auto actor = NewActor();
  bool ran = false;
  std::promise<void> later;
  const Actor::TimerId far = actor->PostAfter(1h, [&ran] { ran = true; });
  actor->Cancel(far);
  actor->Cancel(far);
  Actor::TimerId due{};
  Gate gate(*actor);
  // Both are due when the thread comes back: the first task of the batch cancels the second.
  actor->PostAfter(0ms, [&] { actor->Cancel(due); });
  due = actor->PostAfter(0ms, [&ran] { ran = true; });
  actor->PostAfter(1ms, [&later] { later.set_value(); });
  gate.Open();
  later.get_future().wait();
  EXPECT_FALSE(ran);
}

TEST_F(ThreadExecutorTest, StopWaitsForTheRunningTaskAndDropsTheRest) {
  auto actor = NewActor();
  auto held = std::make_shared<int>(0);
  std::atomic<bool> finished = false;
  std::atomic<bool> ran = false;
  Gate gate(*actor);
  actor->Post([&ran, held] { ran = true; });
  actor->PostAfter(0ms, [&ran, held] { ran = true; });
  actor->PostAfter(1h, [&ran, held] { ran = true; });
  std::thread stopper([&] {
    actor->Stop();
    finished = true;
  });
  AwaitStop(*actor);
  EXPECT_FALSE(finished);  // The running task holds it up.
  gate.Open();
  stopper.join();
  EXPECT_FALSE(ran);
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_FALSE(actor->TryPost([] {}));
  actor->Post([&ran, held] { ran = true; });
  actor->PostAfter(0ms, [&ran, held] { ran = true; });
  EXPECT_EQ(held.use_count(), 1);
  actor->Stop();
  actor.reset();
  EXPECT_FALSE(ran);
}

TEST_F(ThreadExecutorTest, StopsFromItsOwnThread) {
  auto actor = NewActor();
  std::atomic<bool> ran = false;
  Gate gate(*actor);
  std::promise<void> stopped;
  actor->Post([&] {
    actor->Stop();
    stopped.set_value();
  });
  actor->Post([&ran] { ran = true; });
  gate.Open();
  stopped.get_future().wait();
  actor->Stop();
  EXPECT_FALSE(ran);
}

// A task's destructor may use the actor: none is destroyed under its lock.
TEST_F(ThreadExecutorTest, TasksAreDestroyedWithoutTheLock) {
  struct Reposts {
    explicit Reposts(Actor& a) : actor(a) {}
    ~Reposts() {
      (void)actor.TryPost([] {});
    }
    Actor& actor;
  };
  auto actor = NewActor(/*capacity=*/1);
  const auto task = [&actor] { return [r = std::make_unique<Reposts>(*actor)] {}; };
  Gate gate(*actor);
  EXPECT_TRUE(actor->TryPost(task()));
  EXPECT_FALSE(actor->TryPost(task()));
  actor->Cancel(actor->PostAfter(1h, task()));
  actor->PostAfter(1h, task());
  gate.Open();
  actor->Stop();
  actor->Post(task());
}

TEST_F(ThreadExecutorTest, ReleasesWhatATaskHeldBeforeTheNextOneRuns) {
  auto actor = NewActor();
  auto held = std::make_shared<int>(0);
  const std::weak_ptr<int> watch = held;
  bool released = false;
  Gate gate(*actor);
  actor->Post([h = std::move(held)] {});
  actor->Post([&] { released = watch.expired(); });
  gate.Open();
  Drain(*actor);
  EXPECT_TRUE(released);
}

// Nobody has used this actor yet, so nobody runs.
TEST_F(ThreadExecutorTest, AnIdleActorRunsOnItsCallersThread) {
  auto actor = NewActor();
  std::vector<std::thread::id> ran_on;
  actor->RunOrPost([&] {
    ran_on.push_back(std::this_thread::get_id());
    actor->Post([&] { ran_on.push_back(std::this_thread::get_id()); });
    EXPECT_EQ(ran_on.size(), 1u);  // One at a time, even here.
  });
  EXPECT_THAT(ran_on, ElementsAre(std::this_thread::get_id(), std::this_thread::get_id()));
}

TEST_F(ThreadExecutorTest, ABusyActorIsNotBorrowed) {
  auto actor = NewActor(/*capacity=*/2);
  std::vector<int> ran;
  Gate gate(*actor);
  actor->Post([&ran] { ran.push_back(1); });
  EXPECT_TRUE(actor->TryRunOrPost([&ran] { ran.push_back(2); }));
  EXPECT_FALSE(actor->TryRunOrPost([&ran] { ran.push_back(100); }));
  actor->RunOrPost([&ran] { ran.push_back(3); });
  EXPECT_TRUE(ran.empty());
  gate.Open();
  Drain(*actor);
  EXPECT_THAT(ran, ElementsAre(1, 2, 3));
}

// The borrower goes back to its own work; the actor's thread has to be told of the rest.
TEST_F(ThreadExecutorTest, WhatABorrowedThreadLeavesIsDone) {
  for (int round = 0; round < 100; ++round) {
    auto actor = NewActor();
    std::promise<std::thread::id> done;
    int left = 10;
    std::function<void()> step = [&] {
      if (--left == 0) return done.set_value(std::this_thread::get_id());
      actor->Post([&step] { step(); });
    };
    actor->RunOrPost([&step] { step(); });
    EXPECT_NE(done.get_future().get(), std::this_thread::get_id());
  }
}

TEST_F(ThreadExecutorTest, BorrowersAndTheOwnThreadTakeTurns) {
  auto actor = NewActor();
  constexpr int kCallers = 3;
  constexpr uint64_t kTasks = 20'000;
  uint64_t count = 0;  // Only whoever runs touches it.
  std::vector<std::thread> callers;
  for (int c = 0; c < kCallers; ++c) {
    callers.emplace_back([&] {
      for (uint64_t i = 0; i < kTasks; ++i) {
        if (i % 3 == 0) actor->Post([&count] { ++count; });
        if (i % 3 == 1) actor->RunOrPost([&count] { ++count; });
        if (i % 3 == 2) actor->PostAfter(0ms, [&count] { ++count; });
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  std::promise<uint64_t> total;
  actor->PostAfter(0ms, [&] { total.set_value(count); });  // After all that is due.
  EXPECT_EQ(total.get_future().get(), kCallers * kTasks);
}

TEST_F(ThreadExecutorTest, StopWaitsForABorrower) {
  auto actor = NewActor();
  std::promise<void> entered;
  std::promise<void> open;
  std::atomic<bool> left = false;
  std::atomic<bool> ran = false;
  std::thread borrower([&] {
    actor->RunOrPost([&] {
      entered.set_value();
      open.get_future().wait();
      left = true;
    });
  });
  entered.get_future().wait();
  actor->Post([&ran] { ran = true; });
  std::atomic<bool> left_before_stop_returned = false;
  std::thread stopper([&] {
    actor->Stop();
    left_before_stop_returned = left.load();
  });
  AwaitStop(*actor);
  open.set_value();
  stopper.join();
  borrower.join();
  EXPECT_TRUE(left_before_stop_returned);
  actor->RunOrPost([&ran] { ran = true; });
  EXPECT_EQ(ran, false);
}

TEST_F(ThreadExecutorTest, ABorrowedTaskStopsItsActor) {
  auto actor = NewActor();
  bool ran = false;
  actor->RunOrPost([&] {
    actor->Post([&ran] { ran = true; });
    actor->Stop();
  });
  actor.reset();
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace sisyphus
