// Caller: which server is asked, how often, and when it is enough. One for each client.
//
// Threads: one at a time, but for Cancel.
#ifndef SISYPHUS_CLIENT_CALLER_H_
#define SISYPHUS_CLIENT_CALLER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"
#include "base/status.h"
#include "client/answer.h"
#include "client/cancellation.h"
#include "client/endpoint.h"
#include "client/http.h"
#include "sisyphus/client.h"

namespace sisyphus::client {

enum class CallKind {
  kRead,    // May be repeated at will.
  kWrite,   // Repeated after a lost answer only under an Idempotency-Key.
  kChange,  // Never repeated after a lost answer: the server takes no Idempotency-Key.
};

// Who asks for a stream, and goes on with the next server where the last one broke off.
class StreamReader {
 public:
  virtual ~StreamReader() = default;
  // Asks for what has not come yet.
  virtual HttpRequest Request() = 0;
  // The server takes the request; body and outcome are not there yet.
  virtual void Begin(const HttpResponse& head) = 0;
  // A piece of the body. False: enough, or status() says why it cannot go on.
  virtual bool Add(std::string_view piece) = 0;
  // The body ended as it should. True: so does the stream; false: there may be more elsewhere.
  virtual bool End() = 0;
  // Final, unless OK.
  virtual Status status() const = 0;
};

class Caller {
 public:
  Caller(ClientOptions options, const std::vector<Endpoint>& endpoints);

  // Sends `request` until an answer is final or the time is over.
  StatusOr<HttpResponse> Call(HttpRequest request, CallKind kind);

  // Reads a stream to its end, over as many servers as it takes; kUnavailable when none gives any
  // of it for the timeout. A server that says nothing for `silence` is left.
  Status Stream(StreamReader& reader, Duration silence, bool endless);

  // Asks each configured endpoint once at the most, until one gives a good answer. The last answer.
  StatusOr<HttpResponse> AskAround(const HttpRequest& request);

  // Any thread. The call under way and all later ones end with kCancelled.
  void Cancel() { cancellation_.Cancel(); }

 private:
  Status ShowInstead(const HttpRequest& request, bool endless);
  HttpResponse SendOnce(const HttpRequest& request, CallKind kind, bool repeatable,
                        MonotonicTime deadline);
  // Where the next attempt goes after `verdict`, and waits before it if all were asked. The status
  // that ends the call, if it is to end.
  Status MoveOn(const HttpResponse& response, const Verdict& verdict, MonotonicTime deadline);
  // Not OK: it was cancelled, and `response` is no answer.
  Status CheckCancelled(const HttpResponse& response, bool maybe_applied) const;
  Connection& ConnectionTo(const Endpoint& endpoint);
  Connection& Current() { return elsewhere_ != nullptr ? *elsewhere_ : *connections_[current_]; }
  void BeginCall();

  const ClientOptions options_;
  const size_t configured_;
  Cancellation cancellation_;
  std::vector<std::unique_ptr<Connection>> connections_;  // The configured ones come first.
  size_t current_ = 0;                                    // The one that answered last.
  Rng rng_;
  std::string session_;    // Of the Idempotency-Keys; empty: there are none.
  uint64_t sequence_ = 0;  // Of the last write.

  // Of the call under way.
  Connection* elsewhere_ = nullptr;  // Where a redirect sends it.
  size_t failures_ = 0;
  int redirects_ = 0;
  Duration longest_pause_{};
};

}  // namespace sisyphus::client

#endif  // SISYPHUS_CLIENT_CALLER_H_
