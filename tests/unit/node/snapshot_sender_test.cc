#include "node/snapshot_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/sim_file_system.h"

namespace sisyphus::node {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// Checkpoints of a single file, at the position that the test says.
class FakeMachine final : public StateMachine {
 public:
  explicit FakeMachine(FileSystem* fs) : fs_(fs) {}

  LogPosition durable() const override { return position; }
  Status Apply(std::span<const Command>, std::vector<std::string>*) override { return OkStatus(); }
  void ScheduleFlush() override {}
  std::vector<ContentHash> ContentHashes() const override { return {}; }
  StatusOr<LogPosition> Checkpoint(const std::string& directory) override {
    SIS_RETURN_IF_ERROR(fs_->CreateDirectory(directory));
    SIS_ASSIGN_OR_RETURN(const auto file, fs_->NewWritableFile(directory + "/state"));
    SIS_RETURN_IF_ERROR(file->Append("content"));
    return position;
  }
  Status Install(const std::function<Status()>& swap) override { return swap(); }
  bool ReadyToApply() const override { return true; }
  void SetReadyCallback(std::function<void()>) override {}
  double Pressure() const override { return 0; }

  LogPosition position;

 private:
  FileSystem* const fs_;
};

class SentMessages final : public Transport {
 public:
  Status Start(TransportHandler*) override { return OkStatus(); }
  void SetPeers(std::vector<raft::Membership::Address>) override {}
  void Send(NodeId to, std::vector<PeerMessage> messages) override {
    for (PeerMessage& message : messages) sent.emplace_back(to, std::move(message));
  }
  void Stop() override {}

  std::vector<std::pair<NodeId, PeerMessage>> sent;
};

class StillClock final : public Clock {
 public:
  MonotonicTime Now() override { return now; }
  MonotonicTime now{};
};

class SnapshotSenderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    SnapshotSender::Options options;
    options.directory = "snapshots";
    options.file_system = &fs_;
    options.state_machine = &machine_;
    options.transport = &transport_;
    options.clock = &clock_;
    options.on_sent = [this](NodeId peer, bool delivered) { told_.emplace_back(peer, delivered); };
    sender_.emplace(std::move(options));
    ASSERT_TRUE(sender_->Open().ok());
    machine_.position = {Index(10), Term(2)};
  }

  void Offer(const SnapshotSender::Checkpoint& checkpoint, NodeId to) {
    sender_->Offer(checkpoint, {NodeId(1), to, Term(3), raft::SnapshotRequest{}});
  }

  testing::SimFileSystem fs_;
  FakeMachine machine_{&fs_};
  SentMessages transport_;
  StillClock clock_;
  std::vector<std::pair<NodeId, bool>> told_;
  std::optional<SnapshotSender> sender_;
};

TEST_F(SnapshotSenderTest, OneCheckpointServesAll) {
  const auto first = sender_->Prepare();
  machine_.position = {Index(20), Term(2)};
  const auto second = sender_->Prepare();
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->id, second->id);
  EXPECT_EQ(second->position.index, Index(10));
  EXPECT_EQ(sender_->Pinned(), Index(10));
}

// The log has moved on beyond the checkpoint: its followers must not wait for it for ever.
TEST_F(SnapshotSenderTest, ADroppedCheckpointGivesWayToANewOne) {
  const auto old = sender_->Prepare();
  ASSERT_TRUE(old.ok());
  Offer(*old, NodeId(2));
  machine_.position = {Index(20), Term(2)};
  ASSERT_TRUE(sender_->Drop(old->id).ok());
  EXPECT_THAT(told_, ElementsAre(Pair(NodeId(2), false)));
  EXPECT_EQ(sender_->Pinned(), std::nullopt);
  EXPECT_THAT(*fs_.List("snapshots"), IsEmpty());
  const auto fresh = sender_->Prepare();
  ASSERT_TRUE(fresh.ok());
  EXPECT_EQ(fresh->position.index, Index(20));
  // Who still pulls the old one is told that it is gone.
  transport_.sent.clear();
  ASSERT_TRUE(sender_->HandleRequest(NodeId(2), {old->id, 0, 0, 100, false}).ok());
  ASSERT_EQ(transport_.sent.size(), 1u);
  EXPECT_EQ(std::get<SnapshotChunk>(transport_.sent[0].second).status.code(),
            StatusCode::kNotFound);
}

TEST_F(SnapshotSenderTest, ACheckpointThatDoesNotReachFarEnoughGivesWay) {
  const auto old = sender_->Prepare();
  ASSERT_TRUE(old.ok());
  Offer(*old, NodeId(2));
  machine_.position = {Index(20), Term(2)};
  EXPECT_EQ(sender_->Prepare(Index(10))->id, old->id);
  EXPECT_EQ(sender_->Prepare(Index(11))->position.index, Index(20));
  EXPECT_THAT(told_, ElementsAre(Pair(NodeId(2), false)));
}

TEST_F(SnapshotSenderTest, DroppingAnEarlierOneLeavesTheCheckpoint) {
  const auto old = sender_->Prepare();
  ASSERT_TRUE(old.ok());
  ASSERT_TRUE(sender_->Drop(old->id).ok());
  const auto fresh = sender_->Prepare();
  ASSERT_TRUE(fresh.ok());
  ASSERT_TRUE(sender_->Drop(old->id).ok());
  EXPECT_EQ(sender_->Prepare()->id, fresh->id);
}

}  // namespace
}  // namespace sisyphus::node
