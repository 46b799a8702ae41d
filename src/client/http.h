// Connection: HTTP requests to one server, one after the other, on a connection that is kept open.
//
// Threads: one at a time. Blocking, at most about until the deadline of the request (a server that
// sends its headers a byte at a time can stretch it), or until it is cancelled: then there is no
// answer. A broken connection never raises SIGPIPE.
#ifndef SISYPHUS_CLIENT_HTTP_H_
#define SISYPHUS_CLIENT_HTTP_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "client/cancellation.h"
#include "client/endpoint.h"

namespace sisyphus::client {

struct HttpRequest {
  std::string method;
  std::string target;  // Path and query, encoded.
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
};

struct HttpResponse {
  enum class Outcome {
    kAnswered,  // status, headers and body are there.
    kNotSent,   // No connection: the server has seen nothing.
    kNoAnswer,  // Anything may have happened.
  };
  Outcome outcome = Outcome::kNoAnswer;
  std::string error;  // In words, unless answered.
  int status = 0;
  std::string body;
  std::string etag;
  std::string location;
  std::string create_revision;   // X-Sisyphus-Create-Revision
  std::string version;           // X-Sisyphus-Version
  std::string lease;             // X-Sisyphus-Lease
  std::string revision;          // X-Sisyphus-Revision
  std::string compact_revision;  // X-Sisyphus-Compact-Revision
};

// Who takes the body of a good answer as it comes.
struct BodySink {
  std::function<void(const HttpResponse& head)> begin;
  std::function<bool(std::string_view piece)> add;  // False: enough; the connection is closed.
};

class Connection {
 public:
  // `cancellation` is not owned; null: nobody cancels.
  explicit Connection(Endpoint endpoint, Cancellation* cancellation = nullptr);
  ~Connection();

  const Endpoint& endpoint() const { return endpoint_; }

  // Sends `request` once. `connect_deadline` bounds the time to a connection, `deadline` all.
  HttpResponse Send(const HttpRequest& request, MonotonicTime connect_deadline,
                    MonotonicTime deadline);

  // The same for an answer without a known end: a body that comes with status 200 goes to `sink`
  // and not into the result. kNoAnswer also when it breaks off, or nothing comes for `silence`.
  HttpResponse Stream(const HttpRequest& request, MonotonicTime connect_deadline, Duration silence,
                      const BodySink& sink);

 private:
  class Impl;

  const Endpoint endpoint_;
  Cancellation* const cancellation_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sisyphus::client

#endif  // SISYPHUS_CLIENT_HTTP_H_
