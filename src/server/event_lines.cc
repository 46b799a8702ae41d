#include "server/event_lines.h"

#include <string>

#include "server/log.h"

namespace sisyphus::server {

namespace {

const char* RoleName(raft::Role role) {
  switch (role) {
    case raft::Role::kFollower:
      return "follower";
    case raft::Role::kPreCandidate:
      return "pre-candidate";
    case raft::Role::kCandidate:
      return "candidate";
    case raft::Role::kLeader:
      return "leader";
  }
  return "unknown";
}

int64_t Micros(Duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

// A trace that is not there is told as such: a field that comes and goes is hard to search for.
std::string_view TraceText(const node::TraceParent& parent) {
  return parent.empty() ? std::string_view("none") : parent.text();
}

}  // namespace

void LogRole(const node::NodeView& view) {
  LogEvent(LogLevel::kInfo, "role",
           {{"role", RoleName(view.role)},
            {"term", view.term.value()},
            {"leader", view.leader.value()},
            {"commit", view.commit.value()}});
}

void LogContent(const node::ContentFinding& finding) {
  using Kind = node::ContentFinding::Kind;
  const std::string what = node::Describe(finding);
  switch (finding.kind) {
    case Kind::kSelfDiffers:
    case Kind::kPeerDiffers:
    case Kind::kUndecided:
      LogEvent(LogLevel::kError, "content_differs",
               {{"self", finding.kind == Kind::kSelfDiffers},
                {"peer", finding.peer.value()},
                {"from", finding.from.value()},
                {"to", finding.to.value()},
                {"reason", what}});
      return;
    case Kind::kPeerAgrees:
      LogEvent(LogLevel::kInfo, "content_agrees",
               {{"peer", finding.peer.value()}, {"index", finding.to.value()}, {"reason", what}});
      return;
    case Kind::kReseeded:
      LogEvent(LogLevel::kInfo, "content_reseeded",
               {{"index", finding.to.value()}, {"reason", what}});
      return;
  }
}

void LogOperation(const api::FinishedOperation& operation, bool slow) {
  const LogLevel level = slow ? LogLevel::kWarning : LogLevel::kDebug;
  const std::string_view event = slow ? "slow_operation" : "request";
  const std::string_view trace = TraceText(operation.parent);
  if (operation.trace == nullptr) {
    LogEvent(level, event,
             {{"method", operation.method},
              {"endpoint", operation.endpoint},
              {"status", operation.status},
              {"took_us", Micros(operation.took)},
              {"read_wait_us", Micros(operation.read_wait)},
              {"trace", trace}});
    return;
  }
  const node::OperationTrace& write = *operation.trace;
  LogEvent(level, event,
           {{"method", operation.method},
            {"endpoint", operation.endpoint},
            {"status", operation.status},
            {"took_us", Micros(operation.took)},
            {"queue_us", Micros(write.stages.queue)},
            {"replicate_us", Micros(write.stages.replicate)},
            {"commit_us", Micros(write.stages.commit)},
            {"apply_us", Micros(write.stages.apply)},
            {"forward_us", Micros(write.forward)},
            {"respond_us", Micros(operation.respond)},
            {"leader", write.leader.value()},
            {"trace", trace}});
}

void LogSlowForward(const node::SlowForward& slow) {
  LogEvent(LogLevel::kWarning, "slow_forwarded_write",
           {{"origin", slow.origin.value()},
            {"code", absl::StatusCodeToString(slow.code)},
            {"command_bytes", slow.command_bytes},
            {"took_us", Micros(slow.stages.total())},
            {"queue_us", Micros(slow.stages.queue)},
            {"replicate_us", Micros(slow.stages.replicate)},
            {"commit_us", Micros(slow.stages.commit)},
            {"apply_us", Micros(slow.stages.apply)},
            {"trace", TraceText(slow.parent)}});
}

}  // namespace sisyphus::server
