#include "tools/sicli/check/cluster_check.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "tools/sicli/check/disk_check.h"
#include "tools/sicli/check/fetch.h"

namespace sisyphus::sicli {
namespace {

using Members = std::vector<MemberView>;

std::string Name(const MemberView& member) { return "node " + std::to_string(member.told.id); }

// "node 1, node 2"; with what `more` says of each, if anything.
std::string Names(const std::vector<const MemberView*>& members,
                  const std::function<std::string(const MemberView&)>& more = nullptr) {
  std::string names;
  for (const MemberView* member : members) {
    if (!names.empty()) names += ", ";
    names += Name(*member);
    if (more) names += " (" + more(*member) + ")";
  }
  return names;
}

std::vector<const MemberView*> Those(const Members& members,
                                     const std::function<bool(const MemberView&)>& condition) {
  std::vector<const MemberView*> those;
  for (const MemberView& member : members) {
    if (condition(member)) those.push_back(&member);
  }
  return those;
}

bool Answered(const MemberView& member) { return member.cluster.has_value(); }

// What the member says of itself.
const MemberStatus* Self(const MemberView& member) {
  if (!member.cluster) return nullptr;
  for (const MemberStatus& status : member.cluster->members) {
    if (status.id == member.told.id) return &status;
  }
  return nullptr;
}

const MemberView* LeaderOf(const Members& members) {
  for (const MemberView& member : members) {
    const MemberStatus* const self = Self(member);
    if (self != nullptr && self->role == "leader") return &member;
  }
  return nullptr;
}

Check CheckAnswers(const Members& members) {
  const auto silent = Those(members, [](const MemberView& m) { return !Answered(m); });
  if (silent.empty()) return {"members", true, std::to_string(members.size()) + " answer"};
  return {"members", false,
          "no answer from " + Names(silent, [](const MemberView& m) { return m.trouble; })};
}

Check CheckLeader(const Members& members) {
  const MemberView* const leader = LeaderOf(members);
  if (leader == nullptr) return {"leader", false, "no member leads"};
  const auto others = Those(members, [&](const MemberView& m) {
    return Answered(m) && m.cluster->leader != leader->told.id;
  });
  if (!others.empty()) {
    return {"leader", false, Name(*leader) + " leads, but not as " + Names(others) + " sees it"};
  }
  return {"leader", true, Name(*leader) + " leads, and all that answer know it"};
}

Check CheckQuorum(const Members& members) {
  const MemberView* const leader = LeaderOf(members);
  size_t voters = 0;
  size_t healthy = 0;
  for (const MemberView& member : members) {
    const MemberStatus* const self = Self(member);
    if ((self != nullptr ? self->role : member.told.role) == "learner") continue;
    ++voters;
    if (Answered(member)) ++healthy;
  }
  const size_t majority = voters / 2 + 1;
  const size_t spare = healthy > majority ? healthy - majority : 0;
  const size_t built_for = voters - majority;
  std::string found = std::to_string(healthy) + " of " + std::to_string(voters) +
                      " voters answer, " + std::to_string(majority) + " are needed: ";
  if (healthy < majority || leader == nullptr) return {"quorum", false, found + "no writes"};
  if (spare == 0 && built_for > 0) {
    return {"quorum", false, found + "one more that fails stops the cluster"};
  }
  found += spare == 0 ? "no failure is survived" : std::to_string(spare) + " more may fail";
  return {"quorum", true, found};
}

Check CheckLag(const Members& members, uint64_t limit) {
  const MemberView* const leader = LeaderOf(members);
  if (leader == nullptr) return {"lag", false, "unknown without a leader"};
  uint64_t most = 0;
  std::string who;
  for (const MemberStatus& member : leader->cluster->members) {
    const uint64_t lag = member.lag.value_or(0);
    if (lag <= most) continue;
    most = lag;
    who = " (node " + std::to_string(member.id) + ")";
  }
  const bool passed = most <= limit;
  return {"lag", passed,
          std::to_string(most) + " entries behind the leader at most" + who +
              (passed ? ", within " : ", above ") + std::to_string(limit)};
}

// All that answer say the same about `name`.
Check CheckSame(const Members& members, const std::string& name,
                const std::function<std::string(const MemberView&)>& value) {
  std::map<std::string, std::vector<const MemberView*>> by_value;
  for (const MemberView& member : members) {
    if (Answered(member)) by_value[value(member)].push_back(&member);
  }
  if (by_value.empty()) return {name, false, "nobody answers"};
  if (by_value.size() == 1) return {name, true, "all " + by_value.begin()->first};
  std::string found;
  for (const auto& [said, who] : by_value) {
    found += (found.empty() ? "" : "; ") + said + ": " + Names(who);
  }
  return {name, false, found};
}

Check CheckReady(const Members& members) {
  const auto waiting =
      Those(members, [](const MemberView& m) { return Answered(m) && !m.not_ready.empty(); });
  if (waiting.empty()) return {"ready", true, "all that answer"};
  return {"ready", false, Names(waiting, [](const MemberView& m) { return m.not_ready; })};
}

Check CheckContent(const Members& members) {
  const auto bad = Those(members, [](const MemberView& member) {
    if (MetricValue(member.metrics, "sisyphus_content_trusted").value_or(1) == 0) return true;
    for (const MetricFamily& family : member.metrics) {
      if (family.name != "sisyphus_content_differs") continue;
      for (const Metric& metric : family.metrics) {
        if (metric.value != 0) return true;
      }
    }
    return false;
  });
  if (!bad.empty()) return {"content", false, "differs, or is being replaced: " + Names(bad)};
  double agreed = 0;
  for (const MemberView& member : members) {
    agreed =
        std::max(agreed, MetricValue(member.metrics, "sisyphus_content_agreed_index").value_or(0));
  }
  return {"content", true,
          "hashes agree" + (agreed > 0 ? " up to index " + std::to_string(std::llround(agreed))
                                       : std::string(", none compared so far"))};
}

Check CheckSpace(const Members& members, uint64_t limit) {
  std::optional<uint64_t> least;
  std::string who;
  for (const MemberView& member : members) {
    const auto free = MetricValue(member.metrics, "sisyphus_disk_free_bytes");
    if (!free || (least && static_cast<uint64_t>(*free) >= *least)) continue;
    least = static_cast<uint64_t>(*free);
    who = Name(member);
  }
  if (!least) return {"disk space", false, "no member tells its free space"};
  const bool passed = *least >= limit;
  return {"disk space", passed,
          ShowBytes(*least) + " free at least (" + who + (passed ? "), not below " : "), below ") +
              ShowBytes(limit)};
}

std::string WhyNotReady(const std::string& address, std::chrono::milliseconds timeout) {
  const StatusOr<Fetched> ready = Fetch(address, "/readyz", timeout);
  if (!ready.ok()) return std::string(MessageOf(ready.status()));
  if (ready->status == 200) return "";
  const auto problem = nlohmann::json::parse(ready->body, nullptr, /*allow_exceptions=*/false);
  const bool told = problem.is_object() && problem.contains("message") &&
                    problem["message"].is_string() && !problem["message"].empty();
  return told ? problem["message"].get<std::string>()
              : "HTTP " + std::to_string(ready->status) + " for /readyz";
}

}  // namespace

std::vector<MemberView> AskMembers(const ClusterStatus& known, std::chrono::milliseconds timeout) {
  Members members;
  for (const MemberStatus& told : known.members) {
    if (told.role == "none") continue;  // Only who was asked, and is no member.
    MemberView& member = members.emplace_back();
    member.told = told;
    if (told.http_address.empty()) {
      member.trouble = "its address is not known: it has not connected";
      continue;
    }
    auto client = Client::Create(
        {.endpoints = {told.http_address}, .timeout = timeout, .attempt_timeout = timeout});
    StatusOr<ClusterStatus> cluster = client.ok() ? (*client)->Cluster() : client.status();
    if (!cluster.ok()) {
      member.trouble = MessageOf(cluster.status());
      continue;
    }
    member.cluster = *std::move(cluster);
    member.not_ready = WhyNotReady(told.http_address, timeout);
    const StatusOr<std::string> text = FetchMetrics(told.http_address, timeout);
    if (!text.ok()) continue;
    StatusOr<std::vector<MetricFamily>> metrics = ParseMetrics(*text);
    if (metrics.ok()) member.metrics = *std::move(metrics);
  }
  return members;
}

Checks CheckCluster(const std::vector<MemberView>& members, const ClusterLimits& limits) {
  return {
      CheckAnswers(members),
      CheckLeader(members),
      CheckQuorum(members),
      CheckReady(members),
      CheckLag(members, limits.max_lag),
      CheckSame(members, "term",
                [](const MemberView& m) {
                  const MemberStatus* const self = Self(m);
                  return "in term " + std::to_string(self != nullptr ? self->term.value_or(0) : 0);
                }),
      CheckSame(members, "cluster id", [](const MemberView& m) { return m.cluster->cluster_id; }),
      CheckSame(members, "version",
                [](const MemberView& m) {
                  const MemberStatus* const self = Self(m);
                  return "version " + (self != nullptr ? self->version : "unknown");
                }),
      CheckContent(members),
      CheckSpace(members, limits.min_free_bytes),
  };
}

}  // namespace sisyphus::sicli
