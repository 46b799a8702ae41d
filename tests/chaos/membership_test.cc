// Clusters that grow, shrink and replace their nodes, with the commands of docs/operations.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/chaos/cluster.h"
#include "tests/chaos/load.h"
#include "tests/chaos/raw_connection.h"

namespace sisyphus::chaos {
namespace {

using ::testing::HasSubstr;

constexpr int kOk = 0;
constexpr int kUsage = 2;
constexpr int kNotFound = 3;
constexpr int kUnavailable = 5;
constexpr int kNotAllowed = 8;

class MembershipTest : public testing::Test {
 protected:
  void StartNodes(int size, const std::vector<std::string>& flags = {}) {
    cluster_ = std::make_unique<Cluster>(size);
    cluster_->AddFlags(flags);
    cluster_->StartAll();
    ASSERT_TRUE(cluster_->WaitReady(cluster_->ids()));
    leader_ = cluster_->WaitLeader(cluster_->ids());
    ASSERT_NE(leader_, 0u);
  }

  CommandResult At(const std::vector<uint64_t>& ids, const std::vector<std::string>& arguments,
                   const std::string& timeout = "60s") {
    std::vector<std::string> argv = {SICLI_PATH, "--timeout", timeout};
    for (const uint64_t id : ids) {
      argv.insert(argv.end(), {"--addr", "http://" + cluster_->http_address(id)});
    }
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return chaos::Run(argv);
  }
  void Do(const std::vector<uint64_t>& ids, const std::vector<std::string>& arguments) {
    const CommandResult result = At(ids, arguments);
    ASSERT_EQ(result.exit_code, kOk) << result.err;
  }

  // A cluster's view of itself, from the node that was asked; empty if it does not answer.
  ClusterStatus Ask(uint64_t id) {
    auto cluster = cluster_->MakeClient({id}, std::chrono::seconds(2))->Cluster();
    return cluster.ok() ? *std::move(cluster) : ClusterStatus();
  }
  std::vector<uint64_t> MembersAt(uint64_t id) {
    std::vector<uint64_t> members;
    for (const MemberStatus& member : Ask(id).members) {
      if (member.role != "none") members.push_back(member.id);
    }
    return members;
  }
  uint64_t TermAt(uint64_t id) {
    for (const MemberStatus& member : Ask(id).members) {
      if (member.id == id) return member.term.value_or(0);
    }
    return 0;
  }
  bool BecomesVoter(uint64_t id, uint64_t asked) {
    return Eventually(kPatience, [&] {
      for (const MemberStatus& member : Ask(asked).members) {
        if (member.id == id) return member.role == "follower" || member.role == "leader";
      }
      return false;
    });
  }
  bool SaysNotMember(uint64_t id) {
    const auto client = cluster_->MakeClient({id}, std::chrono::seconds(2));
    return Eventually(kPatience, [&] {
      return client->Ready().message().find("not a member") != std::string::npos;
    });
  }
  void StartJoining(uint64_t id, const std::vector<uint64_t>& contacts,
                    const std::string& cluster_id = "") {
    cluster_->AddJoining(id, contacts, cluster_id);
    cluster_->Start(id);
    ASSERT_TRUE(SaysNotMember(id));
  }
  // Adds it and waits until it votes and serves.
  void Grow(const std::vector<uint64_t>& asked, uint64_t id) {
    Do(asked, {"member", "add", std::to_string(id), cluster_->peer_address(id)});
    ASSERT_TRUE(BecomesVoter(id, asked[0]));
    ASSERT_TRUE(cluster_->WaitReady({id}));
  }
  Load Writers(const std::vector<uint64_t>& ids) {
    std::vector<std::unique_ptr<Client>> clients;
    for (int i = 0; i < 2; ++i) clients.push_back(cluster_->MakeClient(ids));
    return Load("load", std::move(clients));
  }

  std::unique_ptr<Cluster> cluster_;
  uint64_t leader_ = 0;
};

uint64_t SnapshotsInstalled(int port) {
  RawConnection connection(port);
  connection.Send("GET /metrics HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
  const std::string answer = connection.ReceiveUntil("\r\n\r\n\r\n");
  const std::string name = "\nsisyphus_snapshots_installed_total{";
  const size_t at = answer.find(name);
  if (at == std::string::npos) return 0;
  return std::stoull(answer.substr(answer.find(' ', at) + 1));
}

TEST_F(MembershipTest, ANewNodeCatchesUpThroughASnapshotAndIsPromotedByItself) {
  StartNodes(3, {"--log-keep-bytes", "1048576", "--log-max-bytes", "1048576", "--log-segment-bytes",
                 "1048576", "--memtable-bytes", "1048576"});
  std::map<std::string, std::string> expected;
  const auto client = cluster_->MakeClient({leader_});
  for (int i = 0; i < 200; ++i) {
    const std::string number = std::to_string(i);
    expected.emplace("key" + number, std::string(64 << 10, 'x') + number);
    ASSERT_OK(PutForSure(*client, "key" + number, expected["key" + number]));
  }
  StartJoining(4, {1, 2, 3});
  Grow({1, 2, 3}, 4);
  EXPECT_GE(SnapshotsInstalled(cluster_->http_port(4)), 1u);
  ASSERT_OK(CheckAll(*cluster_->MakeClient({4}), expected));
  ASSERT_OK(PutForSure(*cluster_->MakeClient({4}), "after", "joining"));
  EXPECT_THAT(MembersAt(leader_), testing::ElementsAre(1, 2, 3, 4));
  // It knows where it belongs, also after a restart.
  cluster_->Kill(4);
  cluster_->Start(4);
  ASSERT_TRUE(cluster_->WaitReady({4}));
  ASSERT_OK(CheckAll(*cluster_->MakeClient({4}), {{"after", "joining"}}));
}

TEST_F(MembershipTest, OneNodeBecomesThree) {
  StartNodes(1);
  ASSERT_OK(PutForSure(*cluster_->MakeClient({1}), "k", "v"));
  const std::string id = Ask(1).cluster_id;
  EXPECT_EQ(id.size(), 16u);
  EXPECT_THAT(At({1}, {"member", "list", "-o", "json"}).out, HasSubstr("\"" + id + "\""));
  StartJoining(2, {1}, id);
  Grow({1}, 2);
  StartJoining(3, {1, 2}, id);
  Grow({1, 2}, 3);
  cluster_->Kill(1);
  ASSERT_OK(CheckAll(*cluster_->MakeClient({2, 3}), {{"k", "v"}}));
}

TEST_F(MembershipTest, ARemovedFollowerDisturbsNobody) {
  StartNodes(3);
  const std::vector<uint64_t> others = cluster_->Others(leader_);
  const uint64_t gone = others[0];
  Load load = Writers({leader_, others[1]});
  ASSERT_TRUE(load.WaitForMore(20, kPatience));
  const uint64_t term = TermAt(leader_);
  Do({others[1]}, {"member", "remove", std::to_string(gone)});
  EXPECT_THAT(MembersAt(leader_), testing::Not(testing::Contains(gone)));
  ASSERT_TRUE(SaysNotMember(gone));
  cluster_->Kill(gone);
  cluster_->Start(gone);
  ASSERT_TRUE(SaysNotMember(gone));
  ASSERT_TRUE(load.WaitForMore(100, kPatience));
  EXPECT_EQ(TermAt(leader_), term);
  const LoadResult written = load.Finish();
  EXPECT_TRUE(written.unexpected.ok()) << written.unexpected;
  // Its id is spent, whatever the address.
  const CommandResult again =
      At({leader_}, {"member", "add", std::to_string(gone), cluster_->peer_address(gone)});
  EXPECT_EQ(again.exit_code, kNotAllowed);
  EXPECT_THAT(again.err, HasSubstr("was removed"));
  ASSERT_OK(CheckAll(*cluster_->MakeClient({others[1]}), written.acknowledged));
}

TEST_F(MembershipTest, TheLeaderCanBeRemoved) {
  StartNodes(3);
  const std::vector<uint64_t> others = cluster_->Others(leader_);
  Load load = Writers(others);
  ASSERT_TRUE(load.WaitForMore(20, kPatience));
  Do(others, {"member", "remove", std::to_string(leader_)});
  const uint64_t next = cluster_->WaitLeader(others);
  EXPECT_NE(next, 0u);
  EXPECT_EQ(MembersAt(next), others);
  EXPECT_TRUE(SaysNotMember(leader_));
  ASSERT_TRUE(load.WaitForMore(50, kPatience));
  const LoadResult written = load.Finish();
  EXPECT_TRUE(written.unexpected.ok()) << written.unexpected;
  for (const uint64_t id : others) {
    ASSERT_OK(CheckAll(*cluster_->MakeClient({id}), written.acknowledged));
  }
}

TEST_F(MembershipTest, ADeadNodeIsReplaced) {
  StartNodes(3);
  const uint64_t dead = cluster_->Others(leader_)[0];
  const uint64_t other = cluster_->Others(leader_)[1];
  ASSERT_OK(PutForSure(*cluster_->MakeClient({leader_}), "k", "v"));
  cluster_->Kill(dead);
  // Not while it would leave a lonely half: first the dead one goes.
  ASSERT_TRUE(Eventually(kPatience, [&] {
    for (const MemberStatus& member : Ask(leader_).members) {
      if (member.id == dead) return member.health == "unreachable";
    }
    return false;
  }));
  const CommandResult refused = At({leader_}, {"member", "remove", std::to_string(other)});
  EXPECT_EQ(refused.exit_code, kNotAllowed) << refused.out;
  EXPECT_THAT(refused.err, HasSubstr("reachable"));
  Do({leader_, other}, {"member", "remove", std::to_string(dead)});
  StartJoining(4, {leader_, other}, Ask(leader_).cluster_id);
  Grow({leader_, other}, 4);
  // It counts: with one of the old ones gone, the new one and the other are a majority.
  cluster_->Kill(leader_);
  ASSERT_OK(CheckAll(*cluster_->MakeClient({other, 4}), {{"k", "v"}}));
  ASSERT_OK(PutForSure(*cluster_->MakeClient({4, other}), "k2", "v2"));
}

TEST_F(MembershipTest, LeadershipIsTransferred) {
  StartNodes(3);
  const std::vector<uint64_t> others = cluster_->Others(leader_);
  Do({others[0]}, {"leader", "transfer", std::to_string(others[1])});
  EXPECT_EQ(cluster_->WaitLeader(cluster_->ids()), others[1]);
  Do({others[1]}, {"leader", "transfer", std::to_string(others[1])});  // It leads already.
  EXPECT_EQ(At({others[0]}, {"leader", "transfer", "9"}).exit_code, kNotAllowed);
  Do(cluster_->ids(), {"leader", "transfer"});
  const uint64_t next = cluster_->WaitLeader(cluster_->ids());
  EXPECT_NE(next, 0u);
  EXPECT_NE(next, others[1]);
}

TEST_F(MembershipTest, WhatIsRefused) {
  StartNodes(1);
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"member"},
                                             {"member", "nonsense"},
                                             {"member", "add", "2"},
                                             {"member", "add", "0", "127.0.0.1:1"},
                                             {"member", "remove"},
                                             {"member", "remove", "x"},
                                             {"leader"},
                                             {"leader", "transfer", "0"}}) {
    EXPECT_EQ(At({1}, arguments).exit_code, kUsage);
  }
  EXPECT_EQ(At({1}, {"member", "remove", "9"}).exit_code, kNotFound);
  EXPECT_EQ(At({1}, {"member", "promote", "9"}).exit_code, kNotFound);
  const CommandResult last = At({1}, {"member", "remove", "1"});
  EXPECT_EQ(last.exit_code, kNotAllowed);
  EXPECT_EQ(At({1}, {"member", "add", "2", "nowhere"}).exit_code, kNotAllowed);
  EXPECT_EQ(At({1}, {"member", "add", "1", "127.0.0.1:1"}).exit_code, kNotAllowed);
  // Nobody there; a node of another cluster; another node than the one that was named.
  const ReservedPort nobody;
  const CommandResult absent = At({1}, {"member", "add", "2", nobody.address()});
  EXPECT_EQ(absent.exit_code, kNotAllowed);
  EXPECT_THAT(absent.err, HasSubstr("no answer"));
  StartJoining(2, {1}, "0123456789abcdef");
  EXPECT_EQ(At({1}, {"member", "add", "2", cluster_->peer_address(2)}).exit_code, kNotAllowed);
  StartJoining(3, {1});
  EXPECT_EQ(At({1}, {"member", "add", "4", cluster_->peer_address(3)}).exit_code, kNotAllowed);
  EXPECT_EQ(MembersAt(1), std::vector<uint64_t>{1});
  ASSERT_OK(PutForSure(*cluster_->MakeClient({1}), "still", "here"));
  // No leader is known where nobody was added.
  EXPECT_EQ(At({3}, {"leader", "transfer"}, "3s").exit_code, kUnavailable);
}

}  // namespace
}  // namespace sisyphus::chaos
