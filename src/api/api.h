// Api: from a request to its handler, and what all handlers share.
#ifndef SISYPHUS_API_API_H_
#define SISYPHUS_API_API_H_

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/exchange.h"
#include "api/request_stats.h"
#include "api/routes.h"
#include "api/server.h"
#include "api/target.h"
#include "base/executor.h"
#include "base/measures.h"
#include "base/status.h"
#include "kv/store.h"

namespace sisyphus::api {

class Listener;

class Api final : public HttpHandler {
 public:
  explicit Api(ServerOptions options);

  // Before the first request.
  void Attach(kv::Store* store, node::Node* node, Listener* listener);

  const ServerOptions& options() const { return options_; }
  kv::Store& store() { return *store_; }
  node::Node& node() { return *node_; }
  Listener& listener() { return *listener_; }

  // Where walks over ranges, and what watches read, are made, a piece at a time. Tasks posted there
  // are bounded by the exchanges that wait for them.
  Actor& scanner() { return *scanner_; }
  Actor& watcher() { return *watcher_; }
  // One more walk; false: there are too many. Each is given back.
  bool BeginScan();
  void EndScan() { --scans_; }
  // Ends both actors. After the listener.
  void StopActors();

  // Of a write: its trace goes with it.
  node::OperationContext DeadlineOf(Exchange& exchange) const {
    return {ReadDeadlineOf(exchange), exchange.OpenTrace()};
  }
  MonotonicTime ReadDeadlineOf(const Exchange& exchange) const {
    return exchange.started() + options_.limits.request_timeout;
  }
  // The state that a read wants is there.
  void NoteReadable(Exchange& exchange, kv::Consistency consistency, Duration waited);

  // For a request that only the leader can serve: true if this node is to take it (and forward what
  // it must). Else it has answered: the client asked not to be forwarded.
  bool AcceptLeaderRequest(Exchange& exchange, const Match& match);

  // For a request that is not forwarded: true if this node leads. Else it has answered 307 with the
  // leader's address, or 503 when that is not known.
  bool RequireLeader(Exchange& exchange, const Match& match);

  void CollectStats(ServerStats* stats) const;

  // HttpHandler.
  void OnHead(Exchange& exchange) override;
  void OnRequest(Exchange& exchange) override;
  void OnAnswered(const Exchange& exchange, int status) override;
  void AppendCommonHeaders(const Answer& answer, std::string* out) override;
  NodeId Leader() const override;

 private:
  const ServerOptions options_;
  kv::Store* store_ = nullptr;
  node::Node* node_ = nullptr;
  Listener* listener_ = nullptr;
  std::unique_ptr<Executor> own_executor_;  // When the options name none.
  std::unique_ptr<Actor> scanner_;
  std::unique_ptr<Actor> watcher_;
  std::atomic<size_t> scans_{0};
  Counter refused_scans_;
  std::vector<std::unique_ptr<RequestStats>> stats_;  // One a thread.
};

// The query of a request, taken apart by name. What is not taken is refused by Finish.
class Parameters {
 public:
  static StatusOr<Parameters> Parse(std::string_view query);

  // Null: it is not there. The first of that name.
  const QueryParameter* Take(std::string_view name);

  // A flag: "name", "name=true" or "name=false".
  StatusOr<bool> TakeFlag(std::string_view name);

  // kInvalidArgument names what nobody took.
  Status Finish() const;

 private:
  std::vector<QueryParameter> all_;
  std::vector<bool> taken_;
};

// True if there are no errors; otherwise has answered.
bool CheckOrRespond(Exchange& exchange, const Status& status);
bool CheckNoParameters(Exchange& exchange, const Match& match);

// 410, with the revision at which history begins.
void RespondCompacted(Api& api, Exchange& exchange);

// kInvalidArgument when the request has a header that asks for something this server does not do.
Status CheckUnservedHeaders(const RequestHead& head);

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_API_H_
