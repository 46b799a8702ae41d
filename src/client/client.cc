#include "sisyphus/client.h"

#include <algorithm>
#include <utility>

#include "base/entropy.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "base/thread_executor.h"
#include "client/answer.h"
#include "client/endpoint.h"
#include "client/http.h"

namespace sisyphus {
namespace client {
namespace {

constexpr int kMaxRedirects = 5;
constexpr Duration kFirstPause = std::chrono::milliseconds(5);
constexpr Duration kLongestPause = std::chrono::milliseconds(200);

std::string_view ConsistencyName(ReadConsistency consistency) {
  switch (consistency) {
    case ReadConsistency::kLinearizable:
      return "linearizable";
    case ReadConsistency::kLease:
      return "lease";
    case ReadConsistency::kStale:
      return "stale";
  }
  return "linearizable";
}

// The pauses between rounds over all endpoints: twice as long each time, with jitter so that many
// clients of a cluster without leader do not come back together.
class Backoff {
 public:
  explicit Backoff(Rng* rng) : rng_(*rng) {}

  void Pause(MonotonicTime deadline) {
    const auto most = static_cast<uint64_t>(longest_.count());
    const MonotonicTime until =
        std::min(deadline, RealClock().Now() + Duration(rng_.Between(most / 2, most)));
    MutexLock lock(mu_);
    while (RealClock().Now() < until) never_signalled_.WaitUntil(mu_, until);
    longest_ = std::min(longest_ * 2, kLongestPause);
  }

 private:
  Rng& rng_;
  Duration longest_ = kFirstPause;
  Mutex mu_;
  CondVar never_signalled_;
};

class HttpClient final : public Client {
 public:
  HttpClient(ClientOptions options, const std::vector<Endpoint>& endpoints)
      : options_(std::move(options)), rng_(OsEntropy()) {
    for (const Endpoint& endpoint : endpoints) {
      connections_.push_back(std::make_unique<Connection>(endpoint));
    }
    configured_ = connections_.size();
  }

  StatusOr<GetResult> Get(std::string_view key, ReadConsistency consistency) override {
    SIS_RETURN_IF_ERROR(CheckKey(key));
    HttpRequest request{.method = "GET", .target = "/v1/kv/" + EncodeKey(key)};
    if (consistency != ReadConsistency::kLinearizable) {
      request.target += "?consistency=" + std::string(ConsistencyName(consistency));
    }
    SIS_ASSIGN_OR_RETURN(HttpResponse response, Call(request, /*write=*/false));
    return ParseGet(std::move(response));
  }

  StatusOr<PutResult> Put(std::string_view key, std::string_view value,
                          const WriteCondition& condition) override {
    SIS_RETURN_IF_ERROR(CheckKey(key));
    HttpRequest request{.method = "PUT", .target = "/v1/kv/" + EncodeKey(key)};
    request.headers.emplace_back("Content-Type", "application/octet-stream");
    request.body = value;
    SIS_RETURN_IF_ERROR(AddCondition(condition, &request));
    SIS_ASSIGN_OR_RETURN(const HttpResponse response, Call(request, /*write=*/true));
    return ParsePut(response);
  }

  StatusOr<DeleteResult> Delete(std::string_view key, const WriteCondition& condition) override {
    SIS_RETURN_IF_ERROR(CheckKey(key));
    HttpRequest request{.method = "DELETE", .target = "/v1/kv/" + EncodeKey(key)};
    SIS_RETURN_IF_ERROR(AddCondition(condition, &request));
    SIS_ASSIGN_OR_RETURN(const HttpResponse response, Call(request, /*write=*/true));
    return ParseDelete(response);
  }

  StatusOr<ClusterStatus> Cluster() override {
    SIS_ASSIGN_OR_RETURN(const HttpResponse response,
                         Call({.method = "GET", .target = "/v1/cluster"}, /*write=*/false));
    return ParseCluster(response);
  }

  StatusOr<ClusterStatus> AddMember(uint64_t id, std::string_view peer_address) override {
    return Change({.method = "POST",
                   .target = "/v1/members",
                   .headers = {{"Content-Type", "application/json"}},
                   .body = MemberBody(id, peer_address)});
  }

  StatusOr<ClusterStatus> RemoveMember(uint64_t id) override {
    return Change({.method = "DELETE", .target = "/v1/members/" + std::to_string(id)});
  }

  StatusOr<ClusterStatus> PromoteMember(uint64_t id) override {
    return Change({.method = "POST", .target = "/v1/members/" + std::to_string(id) + "/promote"});
  }

  StatusOr<ClusterStatus> TransferLeadership(std::optional<uint64_t> to) override {
    HttpRequest request{.method = "POST", .target = "/v1/leader/transfer"};
    request.headers.emplace_back("Content-Type", "application/json");
    request.body = to ? "{\"to\":" + std::to_string(*to) + "}" : "{}";
    return Change(request);
  }

  Status Ready() override {
    if (options_.instead_of_sending) return ShowInstead({.method = "GET", .target = "/readyz"});
    const MonotonicTime deadline = RealClock().Now() + options_.timeout;
    Status status;
    for (size_t i = 0; i < configured_; ++i) {
      const HttpResponse response = SendOnce(
          *connections_[i], {.method = "GET", .target = "/readyz"}, /*write=*/false, deadline);
      status = Judge(response, /*write=*/false).status;
      if (status.ok()) break;
    }
    return status;
  }

 private:
  static Status CheckKey(std::string_view key) {
    if (!key.empty()) return OkStatus();
    return MakeStatus(StatusCode::kInvalidArgument, "a key must not be empty");
  }

  static Status AddCondition(const WriteCondition& condition, HttpRequest* request) {
    if (condition.if_absent && condition.if_revision) {
      return MakeStatus(StatusCode::kInvalidArgument, "more than one condition");
    }
    if (condition.if_absent) request->headers.emplace_back("If-None-Match", "*");
    if (condition.if_revision) {
      request->headers.emplace_back("If-Match",
                                    "\"" + std::to_string(*condition.if_revision) + "\"");
    }
    return OkStatus();
  }

  // A request that changes the cluster itself: what the cluster refuses is not the caller's typing.
  StatusOr<ClusterStatus> Change(const HttpRequest& request) {
    const StatusOr<HttpResponse> response = Call(request, /*write=*/true);
    if (response.ok()) return ParseCluster(*response);
    const StatusCode code = response.status().code();
    const bool refused = code == StatusCode::kInvalidArgument || code == StatusCode::kAborted;
    if (!refused) return response.status();
    return MakeStatus(StatusCode::kFailedPrecondition, std::string(MessageOf(response.status())));
  }

  Status ShowInstead(const HttpRequest& request) {
    options_.instead_of_sending(
        {.method = request.method,
         .url = "http://" + connections_[current_]->endpoint().ToString() + request.target,
         .headers = request.headers,
         .body = request.body});
    return MakeStatus(StatusCode::kCancelled, "shown, not sent");
  }

  HttpResponse SendOnce(Connection& connection, const HttpRequest& request, bool write,
                        MonotonicTime deadline) {
    const MonotonicTime attempt =
        std::min(deadline, RealClock().Now() + Duration(options_.attempt_timeout));
    // The answer to a write is waited for as long as there is time: it cannot be asked for again.
    return connection.Send(request, attempt, write ? deadline : attempt);
  }

  // Sends `request` until an answer is final or the time is over.
  StatusOr<HttpResponse> Call(const HttpRequest& request, bool write) {
    if (options_.instead_of_sending) return ShowInstead(request);
    const MonotonicTime deadline = RealClock().Now() + Duration(options_.timeout);
    Backoff backoff(&rng_);
    size_t failures = 0;
    int redirects = 0;
    Connection* elsewhere = nullptr;  // Where a redirect sends this request.
    while (true) {
      Connection& connection = elsewhere != nullptr ? *elsewhere : *connections_[current_];
      HttpResponse response = SendOnce(connection, request, write, deadline);
      Verdict verdict = Judge(response, write);
      if (verdict.next == Next::kDone) {
        if (!verdict.status.ok()) return verdict.status;
        return response;
      }
      if (RealClock().Now() >= deadline) return verdict.status;
      if (verdict.next == Next::kRedirect && ++redirects <= kMaxRedirects) {
        // Another server is asked for the same: the path in the URL is not used, since httplib
        // decodes header values and so cannot tell a%2Fb from a/b.
        SIS_ASSIGN_OR_RETURN(const Endpoint endpoint, EndpointOfUrl(response.location));
        elsewhere = &ConnectionTo(endpoint);
        continue;
      }
      elsewhere = nullptr;
      redirects = 0;
      current_ = (current_ + 1) % configured_;
      if (++failures % configured_ == 0) backoff.Pause(deadline);
      if (RealClock().Now() >= deadline) return verdict.status;
    }
  }

  Connection& ConnectionTo(const Endpoint& endpoint) {
    for (const auto& connection : connections_) {
      if (connection->endpoint() == endpoint) return *connection;
    }
    // Room for one server that nobody configured: a cluster has few, and one leader.
    connections_.resize(configured_);
    connections_.push_back(std::make_unique<Connection>(endpoint));
    return *connections_.back();
  }

  const ClientOptions options_;
  size_t configured_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;  // The configured ones come first.
  size_t current_ = 0;                                    // The one that answered last.
  Rng rng_;
};

}  // namespace
}  // namespace client

StatusOr<std::unique_ptr<Client>> Client::Create(ClientOptions options) {
  if (options.endpoints.empty()) {
    return MakeStatus(StatusCode::kInvalidArgument, "no endpoints");
  }
  if (options.timeout.count() <= 0 || options.attempt_timeout.count() <= 0) {
    return MakeStatus(StatusCode::kInvalidArgument, "a timeout must be above zero");
  }
  std::vector<client::Endpoint> endpoints;
  for (const std::string& text : options.endpoints) {
    SIS_ASSIGN_OR_RETURN(client::Endpoint endpoint, client::ParseEndpoint(text));
    endpoints.push_back(std::move(endpoint));
  }
  return std::make_unique<client::HttpClient>(std::move(options), endpoints);
}

}  // namespace sisyphus
