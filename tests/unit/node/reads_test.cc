// Reads at a follower whose leader, node 1, is the test: what it was asked, and what it answers
// when, decides how old the follower knows its state to be.

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "node/node.h"
#include "tests/support/sim_executor.h"
#include "tests/support/sim_file_system.h"

namespace sisyphus::node {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::SimExecutor;
using testing::SimFileSystem;
using testing::SimProcess;

// Remembers nothing; applies when it is let.
class GatedMachine final : public StateMachine {
 public:
  LogPosition durable() const override { return {}; }
  Status Apply(std::span<const Command> commands, std::vector<std::string>* results) override {
    results->resize(results->size() + commands.size());
    return OkStatus();
  }
  void ScheduleFlush() override {}
  std::vector<ContentHash> ContentHashes() const override { return {}; }
  StatusOr<LogPosition> Checkpoint(const std::string&) override { return LogPosition{}; }
  Status Install(const std::function<Status()>& swap) override { return swap(); }
  bool ReadyToApply() const override { return open_; }
  void SetReadyCallback(std::function<void()> on_ready) override {
    on_ready_ = std::move(on_ready);
  }
  double Pressure() const override { return 0; }

  void SetOpen(bool open) {
    open_ = open;
    if (open && on_ready_) on_ready_();
  }

 private:
  bool open_ = true;
  std::function<void()> on_ready_;
};

class SentMessages final : public Transport {
 public:
  Status Start(TransportHandler*) override { return OkStatus(); }
  void SetPeers(std::vector<raft::Membership::Address>) override {}
  void Send(NodeId, std::vector<PeerMessage> messages) override {
    for (PeerMessage& message : messages) {
      if (const auto* request = std::get_if<ReadIndexRequest>(&message)) {
        requests.push_back(request->id);
      }
    }
  }
  void Stop() override {}

  std::vector<uint64_t> requests;  // Ids of read-index requests, in order.
};

class FollowerReads : public ::testing::Test {
 protected:
  void SetUp() override { Start(16); }

  void Start(size_t max_pending_reads) {
    node_.reset();
    NodeOptions options;
    options.id = NodeId(2);
    options.log_directory = "log";
    options.incoming_directory = "incoming";
    options.snapshot_directory = "snapshots";
    options.state_directory = "db";
    options.initial_membership.voters = {NodeId(1), NodeId(2), NodeId(3)};
    options.seed = 1;
    options.tick = milliseconds(10);
    options.heartbeat_ticks = 2;
    options.election_ticks = 1'000'000;  // The test's leader is silent for long.
    options.max_pending_reads = max_pending_reads;
    options.file_system = &disk_;
    options.executor = process_.get();
    options.transport = &transport_;
    options.state_machine = &machine_;
    options.on_fatal = [](const Status& status) { FAIL() << status; };
    StatusOr<std::unique_ptr<Node>> node = Node::Start(std::move(options));
    ASSERT_TRUE(node.ok()) << node.status();
    node_ = *std::move(node);
    Run(milliseconds(1));
  }

  void Run(Duration duration) { executor_.RunFor(duration); }
  MonotonicTime Now() { return process_->clock().Now(); }

  void Deliver(PeerMessage message) {
    std::vector<PeerMessage> messages;
    messages.push_back(std::move(message));
    node_->OnMessages(NodeId(1), std::move(messages));
    Run(milliseconds(1));
  }
  void FromLeader(raft::MessageBody body) {
    Deliver(raft::Message{
        .from = NodeId(1), .to = NodeId(2), .term = Term(1), .body = std::move(body)});
  }
  // Entries 1 to `last` are there and committed.
  void Commit(uint64_t last) {
    raft::AppendRequest request;
    if (last_ > 0) request.previous = {Index(last_), Term(1)};
    request.commit = Index(last);
    for (uint64_t i = last_ + 1; i <= last; ++i) {
      request.entries.push_back({.index = Index(i),
                                 .term = Term(1),
                                 .payload = std::make_shared<const std::string>("command")});
    }
    last_ = last;
    FromLeader(std::move(request));
  }
  void AnswerIndex(uint64_t id, uint64_t index, Status status = OkStatus()) {
    Deliver(ReadIndexReply{.id = id, .status = std::move(status), .index = Index(index)});
  }

  // Their outcomes; nothing while they wait.
  using Outcome = std::shared_ptr<std::optional<Status>>;
  Outcome Read(Duration patience = seconds(60)) {
    auto outcome = std::make_shared<std::optional<Status>>();
    node_->ReadIndex(Now() + patience, [outcome](Status status) { *outcome = std::move(status); });
    Run(milliseconds(1));
    return outcome;
  }
  Outcome WaitApplied(uint64_t index, Duration patience = seconds(60)) {
    auto outcome = std::make_shared<std::optional<Status>>();
    node_->WaitApplied(Index(index), Now() + patience,
                       [outcome](Status status) { *outcome = std::move(status); });
    Run(milliseconds(1));
    return outcome;
  }
  static StatusCode CodeOf(const Outcome& outcome) {
    return outcome->has_value() ? (*outcome)->code() : StatusCode::kUnknown;
  }

  SimExecutor executor_{{.seed = 1}};
  std::unique_ptr<SimProcess> process_ = executor_.CreateProcess("node2");
  SimFileSystem disk_;
  GatedMachine machine_;
  SentMessages transport_;
  std::unique_ptr<Node> node_;
  uint64_t last_ = 0;  // Of the log.
};

TEST_F(FollowerReads, FreshnessCountsFromTheQuestionAndHoldsOnceTheAnswerIsApplied) {
  Commit(3);
  machine_.SetOpen(false);
  Run(milliseconds(50));
  const MonotonicTime before = Now();
  const Outcome read = Read();
  const MonotonicTime after = Now();
  ASSERT_EQ(transport_.requests.size(), 1u);
  Run(milliseconds(30));
  AnswerIndex(transport_.requests[0], 5);
  Commit(5);
  Run(milliseconds(30));
  EXPECT_EQ(CodeOf(read), StatusCode::kUnknown);
  EXPECT_EQ(node_->FreshAsOf(), MonotonicTime::min()) << "entry 5 is not applied";
  machine_.SetOpen(true);
  Run(milliseconds(1));
  EXPECT_EQ(CodeOf(read), StatusCode::kOk);
  EXPECT_GE(node_->FreshAsOf(), before);
  EXPECT_LE(node_->FreshAsOf(), after) << "the time of the question, not of the answer";
}

TEST_F(FollowerReads, WhoAsksForFreshnessGetsItRenewedEveryHeartbeatInterval) {
  Commit(3);
  Run(milliseconds(200));
  EXPECT_TRUE(transport_.requests.empty()) << "nobody wants to know";
  (void)node_->FreshAsOf();
  size_t answered = 0;
  for (int i = 0; i < 100; ++i) {
    Run(milliseconds(10));
    for (; answered < transport_.requests.size(); ++answered) {
      AnswerIndex(transport_.requests[answered], 3);
    }
  }
  EXPECT_GT(answered, 20u);
  EXPECT_GT(node_->FreshAsOf(), Now() - milliseconds(60));

  // Nobody asks any more: after a while the node does not either.
  for (int i = 0; i < 400; ++i) {
    Run(milliseconds(10));
    for (; answered < transport_.requests.size(); ++answered) {
      AnswerIndex(transport_.requests[answered], 3);
    }
  }
  const size_t asked = transport_.requests.size();
  Run(seconds(2));
  EXPECT_EQ(transport_.requests.size(), asked);
  EXPECT_LT(node_->FreshAsOf(), Now() - seconds(2));
}

TEST_F(FollowerReads, ALostOrRefusedAnswerProvesNothing) {
  Commit(3);
  const Outcome lost = Read(milliseconds(40));
  Run(milliseconds(100));
  EXPECT_EQ(CodeOf(lost), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(node_->FreshAsOf(), MonotonicTime::min());
  // The next question waits until the lost one is given up, or its answer comes after all.
  const Outcome refused = Read();
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(transport_.requests.size(), i + 1);
    AnswerIndex(transport_.requests[i], 0, MakeStatus(StatusCode::kResourceExhausted, "too much"));
  }
  EXPECT_EQ(CodeOf(refused), StatusCode::kResourceExhausted);
  EXPECT_EQ(node_->FreshAsOf(), MonotonicTime::min());
  // An answer to a question of another life, or one that was given up.
  AnswerIndex(12345, 3);
  EXPECT_EQ(node_->FreshAsOf(), MonotonicTime::min());
}

TEST_F(FollowerReads, WaitAppliedEndsWithTheEntryOrTheDeadline) {
  Commit(3);
  EXPECT_EQ(CodeOf(WaitApplied(3)), StatusCode::kOk);
  EXPECT_EQ(CodeOf(WaitApplied(0)), StatusCode::kOk);
  const Outcome four = WaitApplied(4);
  const Outcome never = WaitApplied(1'000, milliseconds(50));
  Run(milliseconds(20));
  EXPECT_EQ(CodeOf(four), StatusCode::kUnknown);
  Commit(4);
  EXPECT_EQ(CodeOf(four), StatusCode::kOk);
  Run(milliseconds(100));
  EXPECT_EQ(CodeOf(never), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(node_->FreshAsOf(), MonotonicTime::min()) << "says nothing of what else is committed";
}

TEST_F(FollowerReads, WaitsAreBoundedAndEndWithTheNode) {
  Start(/*max_pending_reads=*/4);
  Commit(3);
  std::vector<Outcome> waiting;
  for (int i = 0; i < 4; ++i) waiting.push_back(WaitApplied(100));
  EXPECT_EQ(CodeOf(WaitApplied(100)), StatusCode::kResourceExhausted);
  node_->Stop();
  for (const Outcome& outcome : waiting) EXPECT_EQ(CodeOf(outcome), StatusCode::kUnavailable);
  EXPECT_EQ(CodeOf(WaitApplied(100)), StatusCode::kUnavailable);
}

TEST_F(FollowerReads, AFollowerHasNoLease) {
  Commit(3);
  EXPECT_EQ(node_->LeaseIndex(), std::nullopt);
}

}  // namespace
}  // namespace sisyphus::node
