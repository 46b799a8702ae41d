// The parts of sicli check and metrics that need no server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/sicli/check/cluster_check.h"
#include "tools/sicli/check/disk_check.h"
#include "tools/sicli/check/metrics_text.h"

namespace sisyphus::sicli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kText[] =
    "# HELP requests_total Requests, by \"path\".\n"
    "# TYPE requests_total counter\n"
    "requests_total{path=\"/a,}\\\"b\\\\\\n\",code=\"200\"} 3 1700000000\n"
    "requests_total{path=\"/\"} 1e3\n"
    "# EOF or any other comment\n"
    "lonely 4\n"
    "# TYPE wait_seconds histogram\n"
    "wait_seconds_count{node=\"1\"} 10\n"
    "wait_seconds_sum{node=\"1\"} 2.5\n"
    "wait_seconds_bucket{node=\"1\",le=\"0.1\"} 4\n"
    "wait_seconds_bucket{node=\"1\",le=\"0.5\"} 8\n"
    "wait_seconds_bucket{node=\"1\",le=\"+Inf\"} 10\n"
    "wait_seconds_count{node=\"2\"} 0\n"
    "wait_seconds_sum{node=\"2\"} 0\n"
    "wait_seconds_bucket{node=\"2\",le=\"+Inf\"} 0\n";

TEST(MetricsTextTest, FamiliesAndLabels) {
  const auto families = ParseMetrics(kText);
  ASSERT_TRUE(families.ok()) << families.status();
  ASSERT_EQ(families->size(), 3u);
  const MetricFamily& requests = families->at(0);
  EXPECT_EQ(requests.name, "requests_total");
  EXPECT_EQ(requests.type, "counter");
  EXPECT_EQ(requests.help, "Requests, by \"path\".");
  ASSERT_EQ(requests.metrics.size(), 2u);
  EXPECT_THAT(requests.metrics[0].labels,
              ElementsAre(std::pair("path", "/a,}\"b\\\n"), std::pair("code", "200")));
  EXPECT_EQ(requests.metrics[0].value, 3);
  EXPECT_EQ(MetricValue(*families, "requests_total", {{"path", "/"}}), 1000);
  EXPECT_EQ(MetricValue(*families, "lonely"), 4);
  EXPECT_FALSE(MetricValue(*families, "missing"));
  EXPECT_FALSE(MetricValue(*families, "requests_total", {{"path", "/b"}}));
}

TEST(MetricsTextTest, HistogramsAreEstimated) {
  const auto families = ParseMetrics(kText);
  ASSERT_TRUE(families.ok());
  const MetricFamily& wait = families->at(2);
  ASSERT_EQ(wait.metrics.size(), 2u) << "one for each node";
  const Metric& one = wait.metrics[0];
  EXPECT_EQ(one.count, 10u);
  EXPECT_DOUBLE_EQ(one.Mean(), 0.25);
  EXPECT_DOUBLE_EQ(one.Quantile(0.2), 0.05) << "the middle of the first bucket";
  EXPECT_DOUBLE_EQ(one.Quantile(0.5), 0.2) << "a quarter into the second";
  EXPECT_DOUBLE_EQ(one.Quantile(0.99), 0.5) << "nobody knows more";
  EXPECT_EQ(wait.metrics[1].Mean(), 0);
  EXPECT_EQ(wait.metrics[1].Quantile(0.5), 0);
}

TEST(MetricsTextTest, OtherTextIsRefused) {
  for (const char* text : {"<html>\n", "a{b=\"c} 1\n", "a{b=\"c\"}\n", "a one\n", "{} 1\n"}) {
    EXPECT_FALSE(ParseMetrics(text).ok()) << text;
  }
  EXPECT_TRUE(ParseMetrics("")->empty());
}

// Three nodes of which the first leads; all is well.
std::vector<MemberView> Healthy() {
  ClusterStatus cluster;
  cluster.cluster_id = "c";
  cluster.leader = 1;
  for (uint64_t id = 1; id <= 3; ++id) {
    MemberStatus& member = cluster.members.emplace_back();
    member.id = id;
    member.role = id == 1 ? "leader" : "follower";
    member.version = "1";
    member.term = 4;
    member.lag = 0;
  }
  std::vector<MemberView> members(3);
  for (size_t i = 0; i < 3; ++i) {
    members[i].told = cluster.members[i];
    members[i].cluster = cluster;
    members[i].metrics = *ParseMetrics(
        "sisyphus_content_trusted 1\nsisyphus_content_differs{peer=\"9\"} 0\n"
        "sisyphus_content_agreed_index 70\nsisyphus_disk_free_bytes 5e9\n");
  }
  return members;
}

// The names of the checks that fail, and why.
std::vector<std::string> Failures(const std::vector<MemberView>& members) {
  std::vector<std::string> failures;
  for (const Check& check : CheckCluster(members, {})) {
    if (!check.passed) failures.push_back(check.name + ": " + check.reason);
  }
  return failures;
}

TEST(ClusterCheckTest, AHealthyClusterPasses) { EXPECT_THAT(Failures(Healthy()), ElementsAre()); }

TEST(ClusterCheckTest, EachTroubleIsNamed) {
  auto members = Healthy();
  members[2].cluster.reset();
  members[2].trouble = "refused";
  EXPECT_THAT(Failures(members), ElementsAre(HasSubstr("no answer from node 3 (refused)"),
                                             HasSubstr("one more that fails stops the cluster")));
  members[1].cluster.reset();
  EXPECT_THAT(Failures(members)[1], HasSubstr("no writes"));

  members = Healthy();
  members[1].cluster->leader = 2;
  EXPECT_THAT(Failures(members), ElementsAre(HasSubstr("not as node 2 sees it")));

  members = Healthy();
  for (MemberStatus& status : members[0].cluster->members) status.role = "follower";
  EXPECT_THAT(Failures(members),
              ElementsAre(HasSubstr("no member leads"), HasSubstr("no writes"), HasSubstr("lag")));

  members = Healthy();
  members[0].cluster->members[2].lag = 5000;
  EXPECT_THAT(Failures(members), ElementsAre(HasSubstr("5000 entries behind the leader at most "
                                                       "(node 3), above 1000")));

  members = Healthy();
  members[1].cluster->members[1].version = "2";
  EXPECT_THAT(Failures(members),
              ElementsAre("version: version 1: node 1, node 3; version 2: node 2"));

  members = Healthy();
  members[1].not_ready = "leader: failed";
  EXPECT_THAT(Failures(members), ElementsAre("ready: node 2 (leader: failed)"));

  members = Healthy();
  members[2].metrics =
      *ParseMetrics("sisyphus_content_differs{peer=\"1\"} 1\nsisyphus_disk_free_bytes 1000\n");
  EXPECT_THAT(Failures(members),
              ElementsAre(HasSubstr("content: differs, or is being replaced: node 3"),
                          HasSubstr("1000 bytes free at least (node 3), below 1.0 GiB")));
}

TEST(ClusterCheckTest, OneNodeAloneIsWell) {
  auto members = Healthy();
  members.resize(1);
  members[0].cluster->members.resize(1);
  EXPECT_THAT(Failures(members), ElementsAre());
}

TEST(DiskCheckTest, MeasuresAndLeavesNothing) {
  DiskCheckOptions options;
  options.directory = ::testing::TempDir();
  options.syncs = 5;
  options.max_p99 = std::chrono::hours(1);
  options.min_free_bytes = 1;
  const auto report = CheckDisk(options);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_EQ(report->syncs.count(), 5u);
  EXPECT_TRUE(report->checks.back().passed) << report->checks.back().reason;
  options.max_p99 = Duration(1);
  EXPECT_FALSE(CheckDisk(options)->checks.back().passed);
  options.min_free_bytes = UINT64_MAX;
  EXPECT_FALSE(CheckDisk(options)->checks.back().passed);
  options.directory = "/nonexistent";
  EXPECT_EQ(CheckDisk(options).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace sisyphus::sicli
