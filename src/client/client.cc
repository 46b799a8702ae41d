#include "sisyphus/client.h"

#include <algorithm>
#include <utility>

#include "client/answer.h"
#include "client/caller.h"
#include "client/endpoint.h"
#include "client/json.h"
#include "client/scan.h"
#include "client/target.h"
#include "client/watch.h"

namespace sisyphus {
namespace client {
namespace {

// Three times as long as the server is silent at the most.
constexpr Duration kWatchSilence = std::chrono::seconds(30);

// The limit of a count that has none: with one, it comes in parts of about a second.
constexpr uint64_t kNoLimit = uint64_t{1} << 62;

Status Invalid(const std::string& message) {
  return MakeStatus(StatusCode::kInvalidArgument, message);
}

Status CheckKey(std::string_view key) {
  return key.empty() ? Invalid("a key must not be empty") : OkStatus();
}

std::string KeyPath(std::string_view key) { return "/v1/kv/" + EncodeKey(key); }

std::string LeasePath(uint64_t id) { return "/v1/leases/" + std::to_string(id); }

HttpRequest Post(std::string target, std::string body) {
  return {.method = "POST",
          .target = std::move(target),
          .headers = {{"Content-Type", "application/json"}},
          .body = std::move(body)};
}

// Where a page of a range begins. Range, order and revision are in a cursor.
Target PageOf(const KeyRange& range, ReadOptions read, std::string_view cursor) {
  Target target("/v1/kv");
  if (cursor.empty()) return target.AddRange(range).AddRead(read);
  read.revision.reset();
  return target.Add("cursor", cursor).AddRead(read);
}

Status AddCondition(const WriteCondition& condition, HttpRequest* request) {
  if (condition.if_absent && condition.if_revision) return Invalid("more than one condition");
  if (condition.if_absent) request->headers.emplace_back("If-None-Match", "*");
  if (condition.if_revision) {
    request->headers.emplace_back("If-Match", "\"" + std::to_string(*condition.if_revision) + "\"");
  }
  return OkStatus();
}

class HttpClient final : public Client {
 public:
  HttpClient(ClientOptions options, const std::vector<Endpoint>& endpoints)
      : attempt_timeout_(options.attempt_timeout), caller_(std::move(options), endpoints) {}

  StatusOr<GetResult> Get(std::string_view key, const ReadOptions& options) override {
    SIS_RETURN_IF_ERROR(CheckKey(key));
    const std::string target = Target(KeyPath(key)).AddRead(options).text();
    SIS_ASSIGN_OR_RETURN(HttpResponse response, Read(target));
    return ParseGet(std::move(response));
  }

  StatusOr<PutResult> Put(std::string_view key, std::string_view value,
                          const PutOptions& options) override {
    SIS_RETURN_IF_ERROR(CheckKey(key));
    if (options.ttl && options.lease != 0) return Invalid("a ttl or a lease, not both");
    Target target(KeyPath(key));
    if (options.ttl) target.Add("ttl", DurationText(*options.ttl));
    if (options.lease != 0) target.AddNumber("lease", options.lease);
    HttpRequest request{.method = "PUT", .target = target.text()};
    request.headers.emplace_back("Content-Type", "application/octet-stream");
    request.body = value;
    SIS_RETURN_IF_ERROR(AddCondition({options.if_absent, options.if_revision}, &request));
    SIS_ASSIGN_OR_RETURN(const HttpResponse response, Write(std::move(request)));
    return ParsePut(response);
  }

  StatusOr<DeleteResult> Delete(std::string_view key, const WriteCondition& condition) override {
    SIS_RETURN_IF_ERROR(CheckKey(key));
    HttpRequest request{.method = "DELETE", .target = KeyPath(key)};
    SIS_RETURN_IF_ERROR(AddCondition(condition, &request));
    SIS_ASSIGN_OR_RETURN(const HttpResponse response, Write(std::move(request)));
    return ParseDelete(response);
  }

  StatusOr<RangePage> Range(const KeyRange& range, const RangeOptions& options,
                            std::string_view cursor) override {
    Target target = PageOf(range, options.read, cursor);
    if (options.reverse && cursor.empty()) target.AddFlag("reverse");
    if (options.limit != 0) target.AddNumber("limit", options.limit);
    if (options.keys_only) target.AddFlag("keys_only");
    SIS_ASSIGN_OR_RETURN(const HttpResponse response, Read(target.text()));
    return ParseRange(response);
  }

  StatusOr<uint64_t> Scan(const KeyRange& range, const RangeOptions& options,
                          const std::function<bool(KeyValue)>& each) override {
    ScanReader reader(range, options, each);
    SIS_RETURN_IF_ERROR(caller_.Stream(reader, attempt_timeout_, /*endless=*/false));
    return reader.revision();
  }

  StatusOr<CountResult> Count(const KeyRange& range, const ReadOptions& options) override {
    CountResult all;
    std::string cursor;
    do {
      const std::string target =
          PageOf(range, options, cursor).AddFlag("count_only").AddNumber("limit", kNoLimit).text();
      SIS_ASSIGN_OR_RETURN(const HttpResponse response, Read(target));
      CountResult part;
      SIS_RETURN_IF_ERROR(ParseCount(response, &part, &cursor));
      all.count += part.count;
      all.revision = part.revision;
    } while (!cursor.empty());
    return all;
  }

  StatusOr<DeleteRangeResult> DeleteRange(const KeyRange& range) override {
    HttpRequest request{.method = "DELETE", .target = Target("/v1/kv").AddRange(range).text()};
    SIS_ASSIGN_OR_RETURN(const HttpResponse response, Write(std::move(request)));
    return ParseDeleteRange(response);
  }

  StatusOr<TxnResult> Txn(const Transaction& transaction) override {
    SIS_ASSIGN_OR_RETURN(const HttpResponse response,
                         Write(Post("/v1/txn", EncodeTransaction(transaction))));
    return ParseTxn(response, transaction);
  }

  StatusOr<Lease> GrantLease(std::chrono::milliseconds ttl) override {
    SIS_ASSIGN_OR_RETURN(
        const HttpResponse response,
        Write(Post("/v1/leases", Json::object({{"ttl", DurationText(ttl)}}).dump())));
    return ParseLease(response);
  }

  StatusOr<Lease> KeepLeaseAlive(uint64_t id) override {
    SIS_ASSIGN_OR_RETURN(const HttpResponse response,
                         Write({.method = "POST", .target = LeasePath(id) + "/keepalive"}));
    return ParseLease(response);
  }

  StatusOr<Lease> GetLease(uint64_t id) override {
    SIS_ASSIGN_OR_RETURN(const HttpResponse response, Read(LeasePath(id)));
    return ParseLease(response);
  }

  StatusOr<DeleteRangeResult> RevokeLease(uint64_t id) override {
    SIS_ASSIGN_OR_RETURN(const HttpResponse response,
                         Write({.method = "DELETE", .target = LeasePath(id)}));
    return ParseDeleteRange(response);
  }

  StatusOr<LeasePage> ListLeases(uint64_t after, uint64_t limit) override {
    Target target("/v1/leases");
    if (after != 0) target.AddNumber("after", after);
    target.AddNumber("limit", limit);
    SIS_ASSIGN_OR_RETURN(const HttpResponse response, Read(target.text()));
    return ParseLeases(response);
  }

  Status Watch(const KeyRange& range, const WatchOptions& options,
               const std::function<bool(const WatchEvent&)>& each) override {
    if (options.from == uint64_t{0}) return Invalid("revisions begin at 1");
    WatchReader reader(range, options, each);
    return caller_.Stream(reader, kWatchSilence, /*endless=*/true);
  }

  StatusOr<ClusterStatus> Cluster() override {
    SIS_ASSIGN_OR_RETURN(const HttpResponse response, Read("/v1/cluster"));
    return ParseCluster(response);
  }

  StatusOr<ClusterStatus> AddMember(uint64_t id, std::string_view peer_address) override {
    return Change(Post("/v1/members", MemberBody(id, peer_address)));
  }

  StatusOr<ClusterStatus> RemoveMember(uint64_t id) override {
    return Change({.method = "DELETE", .target = "/v1/members/" + std::to_string(id)});
  }

  StatusOr<ClusterStatus> PromoteMember(uint64_t id) override {
    return Change({.method = "POST", .target = "/v1/members/" + std::to_string(id) + "/promote"});
  }

  StatusOr<ClusterStatus> TransferLeadership(std::optional<uint64_t> to) override {
    return Change(Post("/v1/leader/transfer", to ? "{\"to\":" + std::to_string(*to) + "}" : "{}"));
  }

  StatusOr<CompactResult> Compact(uint64_t revision) override {
    // To be repeated at will: the floor only rises.
    SIS_ASSIGN_OR_RETURN(
        const HttpResponse response,
        caller_.Call(Post("/v1/compact", Json::object({{"revision", revision}}).dump()),
                     CallKind::kRead));
    return ParseCompact(response);
  }

  void Cancel() override { caller_.Cancel(); }

  Status Ready() override {
    SIS_ASSIGN_OR_RETURN(const HttpResponse response,
                         caller_.AskAround({.method = "GET", .target = "/readyz"}));
    return Judge(response, /*write=*/false).status;
  }

  StatusOr<std::vector<ReadyCheck>> ReadyChecks() override {
    SIS_ASSIGN_OR_RETURN(const HttpResponse response,
                         caller_.AskAround({.method = "GET", .target = "/readyz?verbose"}));
    const bool answered = response.outcome == HttpResponse::Outcome::kAnswered;
    if (!answered) return Judge(response, /*write=*/false).status;
    return ParseReadyChecks(response);
  }

 private:
  StatusOr<HttpResponse> Read(const std::string& target) {
    return caller_.Call({.method = "GET", .target = target}, CallKind::kRead);
  }

  StatusOr<HttpResponse> Write(HttpRequest request) {
    return caller_.Call(std::move(request), CallKind::kWrite);
  }

  // A request that changes the cluster itself: what the cluster refuses is not the caller's typing.
  StatusOr<ClusterStatus> Change(HttpRequest request) {
    const StatusOr<HttpResponse> response = caller_.Call(std::move(request), CallKind::kChange);
    if (response.ok()) return ParseCluster(*response);
    const StatusCode code = response.status().code();
    const bool refused = code == StatusCode::kInvalidArgument || code == StatusCode::kAborted;
    if (!refused) return response.status();
    return MakeStatus(StatusCode::kFailedPrecondition, std::string(MessageOf(response.status())));
  }

  const Duration attempt_timeout_;
  Caller caller_;
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
