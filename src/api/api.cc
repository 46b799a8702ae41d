#include "api/api.h"

#include <algorithm>

#include "api/listener.h"
#include "api/problem.h"
#include "base/thread_executor.h"

namespace sisyphus::api {
namespace {

// The first endpoint in the statistics is for what no route serves.
constexpr size_t kNoEndpoint = 0;

// Where a body means nothing: more than a form or a stray object is a mistake.
constexpr size_t kIgnoredBodyBytes = 64 << 10;

// Parameters of the API that this version does not serve: named as such, not as unknown.
constexpr std::string_view kUnservedParameters[] = {
    "ttl", "lease", "max_stale", "min_revision", "revision", "wait", "after"};

// Headers whose silent neglect would break a promise to the client: a part of a value.
constexpr std::string_view kUnservedHeaders[] = {"Content-Range"};

size_t BodyLimit(Body body, const Limits& limits) {
  switch (body) {
    case Body::kValue:
      return limits.max_value_bytes;
    case Body::kTxn:
      return limits.max_txn_bytes;
    case Body::kIgnored:
    case Body::kObject:
      break;
  }
  return kIgnoredBodyBytes;
}

std::string_view EndpointName(size_t endpoint) {
  return endpoint == kNoEndpoint ? "other" : Routes()[endpoint - 1].endpoint;
}

}  // namespace

Api::Api(ServerOptions options) : options_(std::move(options)) {
  for (int i = 0; i < std::max(options_.io_threads, 1); ++i) {
    stats_.push_back(std::make_unique<RequestStats>(Routes().size() + 1));
  }
}

void Api::Attach(kv::Store* store, node::Node* node, Listener* listener) {
  store_ = store;
  node_ = node;
  listener_ = listener;
  Executor* executor = options_.executor;
  if (executor == nullptr) {
    own_executor_ = std::make_unique<ThreadExecutor>();
    executor = own_executor_.get();
  }
  scanner_ = executor->CreateActor({.name = "api-scan"});
  watcher_ = executor->CreateActor({.name = "api-watch"});
}

void Api::StopActors() {
  if (scanner_ == nullptr) return;
  scanner_->Stop();
  watcher_->Stop();
}

bool Api::BeginScan() {
  if (scans_.fetch_add(1) < options_.limits.max_scans) return true;
  --scans_;
  refused_scans_.AddShared();
  return false;
}

void Api::NoteReadable(Exchange& exchange, kv::Consistency consistency, Duration waited) {
  exchange.set_read_wait(waited);
  stats_[exchange.thread()]->RecordReadWait(static_cast<size_t>(consistency), waited);
}

void Api::OnHead(Exchange& exchange) {
  exchange.set_endpoint(kNoEndpoint);
  size_t trace_parents = 0;
  if (const auto text = exchange.head().Find("traceparent", &trace_parents)) {
    const auto parent = node::TraceParent::Parse(*text);
    if (parent && trace_parents == 1) exchange.set_trace_parent(*parent);
  }
  const StatusOr<Target> target = ParseTarget(exchange.head().target());
  if (!CheckOrRespond(exchange, target.status())) return;
  size_t index = 0;
  const Route* route = FindRoute(target->path, options_.serve, &index);
  if (route == nullptr) {
    return exchange.RespondProblem(MakeProblem(404, "no such endpoint"));
  }
  exchange.set_endpoint(index + 1);
  const Action* action = route->Find(exchange.method());
  if (action == nullptr) {
    const std::string allow = route->Allow();
    return exchange.RespondProblem(MakeProblem(405, "this endpoint serves " + allow),
                                   "Allow: " + allow + "\r\n");
  }
  exchange.set_body_limit(BodyLimit(action->body, options_.limits));
}

void Api::OnRequest(Exchange& exchange) {
  // OnHead has seen that there is such a route and action.
  const Target target = *ParseTarget(exchange.head().target());
  const Route& route = Routes()[exchange.endpoint() - 1];
  const Match match = {
      .path = target.path,
      .rest = route.is_prefix() ? target.path.substr(route.path.size()) : std::string_view(),
      .query = target.query};
  route.Find(exchange.method())->handle(*this, exchange, match);
}

void Api::OnAnswered(const Exchange& exchange, int status) {
  const MonotonicTime now = options_.clock->Now();
  const Duration took = now - exchange.started();
  RequestStats& stats = *stats_[exchange.thread()];
  stats.Record(exchange.endpoint(), exchange.method(), status, took);
  const node::OperationTrace* trace = exchange.trace().get();
  // One that the node has not spoken of was refused before it came there.
  if (trace != nullptr && trace->done == MonotonicTime()) trace = nullptr;
  const Duration respond = trace == nullptr ? Duration() : now - trace->done;
  if (trace != nullptr) stats.RecordRespond(respond);
  const bool slow = options_.slow_threshold > Duration() && took >= options_.slow_threshold;
  if (slow) stats.RecordSlow();
  const bool told =
      slow || (options_.log_every_operation != nullptr && options_.log_every_operation());
  if (!told || !options_.on_operation) return;
  options_.on_operation({.method = MethodName(exchange.method()),
                         .endpoint = EndpointName(exchange.endpoint()),
                         .status = status,
                         .took = took,
                         .read_wait = exchange.read_wait(),
                         .respond = respond,
                         .parent = exchange.trace_parent(),
                         .trace = trace},
                        slow);
}

void Api::AppendCommonHeaders(const Answer& answer, std::string* out) {
  const node::NodeView view = node_->View();
  out->append("X-Sisyphus-Revision: ");
  AppendNumber(out, answer.revision != 0 ? answer.revision : view.applied.value());
  out->append("\r\nX-Sisyphus-Term: ");
  AppendNumber(out, view.term.value());
  out->append("\r\n");
  if (view.leader != kNoNode) {
    out->append("X-Sisyphus-Leader: ");
    AppendNumber(out, view.leader.value());
    out->append("\r\n");
  }
}

NodeId Api::Leader() const { return node_->View().leader; }

bool Api::AcceptLeaderRequest(Exchange& exchange, const Match& match) {
  const auto forward = exchange.head().Find("X-Sisyphus-Forward");
  if (!forward.has_value()) return true;
  if (*forward != "never") {
    exchange.RespondProblem(MakeProblem(400, "X-Sisyphus-Forward may only be \"never\""));
    return false;
  }
  return RequireLeader(exchange, match);
}

bool Api::RequireLeader(Exchange& exchange, const Match& match) {
  const node::NodeView view = node().View();
  if (view.role == raft::Role::kLeader) return true;
  if (view.leader != kNoNode) {
    for (const node::PeerInfo& peer : node().Status().peers) {
      if (peer.id != view.leader || peer.http_address.empty()) continue;
      std::string& headers = exchange.header_scratch();
      headers.append("Location: http://").append(peer.http_address).append(match.path);
      if (!match.query.empty()) headers.append("?").append(match.query);
      headers.append("\r\n");
      exchange.Respond({.status = 307, .headers = headers});
      return false;
    }
  }
  exchange.RespondProblem(
      MakeProblem(503, "this node does not lead and knows no leader's address"));
  return false;
}

void Api::CollectStats(ServerStats* out) const {
  for (size_t e = 0; e < Routes().size() + 1; ++e) {
    const std::string endpoint(EndpointName(e));
    for (size_t m = 0; m < kMethodCount; ++m) {
      for (size_t s = 0; s < RequestStats::kStatuses.size(); ++s) {
        uint64_t count = 0;
        for (const auto& stats : stats_) count += stats->count(e, static_cast<Method>(m), s);
        if (count == 0) continue;
        out->requests.push_back({.method = std::string(MethodName(static_cast<Method>(m))),
                                 .endpoint = endpoint,
                                 .status = RequestStats::kStatuses[s],
                                 .count = count});
      }
    }
    LatencyHistogram histogram;
    histogram.endpoint = endpoint;
    histogram.bounds_seconds.assign(RequestStats::kBoundsSeconds.begin(),
                                    RequestStats::kBoundsSeconds.end());
    histogram.counts.resize(RequestStats::kBoundsSeconds.size() + 1);
    for (const auto& stats : stats_) {
      for (size_t i = 0; i < histogram.counts.size(); ++i) {
        histogram.counts[i] += stats->bucket(e, i);
      }
      histogram.sum_seconds += stats->sum_seconds(e);
    }
    out->latencies.push_back(std::move(histogram));
  }
  for (const auto& stats : stats_) {
    out->respond.Add(stats->respond());
    for (size_t i = 0; i < out->read_waits.size(); ++i) {
      out->read_waits[i].Add(stats->read_wait(i));
    }
    out->slow_operations += stats->slow();
  }
  out->refused_scans = refused_scans_.value();
  out->scans = scans_;
}

StatusOr<Parameters> Parameters::Parse(std::string_view query) {
  Parameters parameters;
  if (query.empty()) return parameters;
  SIS_ASSIGN_OR_RETURN(parameters.all_, ParseQuery(query));
  parameters.taken_.resize(parameters.all_.size());
  return parameters;
}

const QueryParameter* Parameters::Take(std::string_view name) {
  for (size_t i = 0; i < all_.size(); ++i) {
    if (taken_[i] || all_[i].name != name) continue;
    taken_[i] = true;
    return &all_[i];
  }
  return nullptr;
}

StatusOr<bool> Parameters::TakeFlag(std::string_view name) {
  const QueryParameter* parameter = Take(name);
  if (parameter == nullptr) return false;
  if (!parameter->has_value || parameter->value == "true") return true;
  if (parameter->value == "false") return false;
  return MakeStatus(StatusCode::kInvalidArgument,
                    "the parameter " + std::string(name) + " is true or false");
}

Status Parameters::Finish() const {
  for (size_t i = 0; i < all_.size(); ++i) {
    if (taken_[i]) continue;
    const std::string& name = all_[i].name;
    for (size_t k = 0; k < all_.size(); ++k) {
      if (taken_[k] && all_[k].name == name) {
        return MakeStatus(StatusCode::kInvalidArgument, "the parameter " + name + " comes twice");
      }
    }
    const bool unserved = std::find(std::begin(kUnservedParameters), std::end(kUnservedParameters),
                                    name) != std::end(kUnservedParameters);
    return MakeStatus(
        StatusCode::kInvalidArgument,
        unserved ? "the parameter " + name + " is not supported by this server version, or not here"
                 : "unknown parameter " + name);
  }
  return OkStatus();
}

bool CheckOrRespond(Exchange& exchange, const Status& status) {
  if (status.ok()) return true;
  exchange.RespondProblem(ProblemOf(status, false));
  return false;
}

bool CheckNoParameters(Exchange& exchange, const Match& match) {
  const StatusOr<Parameters> parameters = Parameters::Parse(match.query);
  return CheckOrRespond(exchange, parameters.ok() ? parameters->Finish() : parameters.status());
}

void RespondCompacted(Api& api, Exchange& exchange) {
  const Index floor = api.store().history_floor();
  std::string header = "X-Sisyphus-Compact-Revision: ";
  AppendNumber(&header, floor.value());
  header.append("\r\n");
  exchange.RespondProblem(
      MakeProblem(410, "history no longer holds this revision; it begins at " + ToString(floor)),
      header);
}

Status CheckUnservedHeaders(const RequestHead& head) {
  for (const std::string_view name : kUnservedHeaders) {
    if (!head.Find(name).has_value()) continue;
    return MakeStatus(StatusCode::kInvalidArgument, "the header " + std::string(name) +
                                                        " is not supported by this server version");
  }
  return OkStatus();
}

}  // namespace sisyphus::api
