#include "client/http.h"

#include <httplib.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <ctime>

#include "base/thread_executor.h"

namespace sisyphus::client {
namespace {

constexpr size_t kMaxErrorBytes = 1 << 20;

// httplib writes to sockets without MSG_NOSIGNAL. The signal of a write to a closed connection
// belongs to this thread: it is blocked meanwhile and taken away, so that neither the process dies
// nor its own handling of SIGPIPE changes.
class SigpipeGuard {
 public:
  SigpipeGuard() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~SigpipeGuard() {
    if (!was_pending_) {
      const timespec now{};
      while (sigtimedwait(&pipe_, nullptr, &now) == -1 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;

 private:
  sigset_t pipe_;
  sigset_t before_;
  bool was_pending_;
};

std::string DescribeError(httplib::Error error, bool timed_out) {
  if (timed_out) return "no answer in time";
  switch (error) {
    case httplib::Error::Connection:
      return "cannot connect";
    case httplib::Error::ConnectionTimeout:
      return "no connection in time";
    case httplib::Error::Read:
    case httplib::Error::Write:
      return "the connection broke";
    default:
      return "HTTP client error: " + httplib::to_string(error);
  }
}

bool NeverConnected(httplib::Error error) {
  return error == httplib::Error::Connection || error == httplib::Error::ConnectionTimeout ||
         error == httplib::Error::BindIPAddress;
}

httplib::Request ToHttplib(const HttpRequest& request) {
  httplib::Request http_request;
  http_request.method = request.method;
  http_request.path = request.target;
  for (const auto& [name, value] : request.headers) http_request.headers.emplace(name, value);
  http_request.headers.emplace("Accept-Encoding", "identity");
  http_request.body = request.body;
  return http_request;
}

void TakeHead(const httplib::Response& response, HttpResponse* answer) {
  answer->outcome = HttpResponse::Outcome::kAnswered;
  answer->status = response.status;
  answer->etag = response.get_header_value("ETag");
  answer->location = response.get_header_value("Location");
  answer->create_revision = response.get_header_value("X-Sisyphus-Create-Revision");
  answer->version = response.get_header_value("X-Sisyphus-Version");
  answer->lease = response.get_header_value("X-Sisyphus-Lease");
  answer->revision = response.get_header_value("X-Sisyphus-Revision");
  answer->compact_revision = response.get_header_value("X-Sisyphus-Compact-Revision");
}

HttpResponse NotSent(const std::string& error) {
  HttpResponse answer;
  answer.outcome = HttpResponse::Outcome::kNotSent;
  answer.error = error;
  return answer;
}

}  // namespace

class Connection::Impl {
 public:
  Impl(const Endpoint& endpoint, Duration budget, const Cancellation* cancellation)
      : budget_(budget), client_(endpoint.host, endpoint.port) {
    // stop() ends a request on a socket that is there. A socket that is made after it is waited on
    // for nothing.
    client_.set_socket_options([this, cancellation](socket_t) {
      if (cancellation != nullptr && cancellation->cancelled()) client_.set_read_timeout(0);
    });
    client_.set_keep_alive(true);
    client_.set_tcp_nodelay(true);
    client_.set_follow_location(false);
    client_.set_url_encode(false);
    client_.set_decompress(false);
  }

  // httplib fixes some timeouts of a socket when it connects: it serves no longer request.
  Duration budget() const { return budget_; }
  httplib::Client& client() { return client_; }

 private:
  const Duration budget_;
  httplib::Client client_;
};

Connection::Connection(Endpoint endpoint, Cancellation* cancellation)
    : endpoint_(std::move(endpoint)), cancellation_(cancellation) {}
Connection::~Connection() = default;

HttpResponse Connection::Send(const HttpRequest& request, MonotonicTime connect_deadline,
                              MonotonicTime deadline) {
  constexpr Duration kLeast = std::chrono::milliseconds(1);
  const MonotonicTime now = RealClock().Now();
  const Duration budget = std::max(kLeast, deadline - now);
  // A tenth less will do: calls never have exactly as much time as the one that connected.
  if (impl_ == nullptr || impl_->budget() < budget - budget / 10) {
    impl_ = std::make_unique<Impl>(endpoint_, budget, cancellation_);
  }
  httplib::Client& client = impl_->client();
  client.set_connection_timeout(std::max(kLeast, std::min(budget, connect_deadline - now)));
  client.set_read_timeout(budget);
  client.set_write_timeout(budget);

  httplib::Request http_request = ToHttplib(request);
  http_request.progress = [deadline](uint64_t, uint64_t) { return RealClock().Now() < deadline; };

  HttpResponse answer;
  httplib::Response http_response;
  httplib::Error error = httplib::Error::Success;
  bool sent = false;
  {
    SigpipeGuard guard;
    const Cancellation::Wait wait(cancellation_, [&client] { client.stop(); });
    if (wait.cancelled()) return NotSent("cancelled");
    sent = client.send(http_request, http_response, error);
  }
  if (!sent) {
    impl_.reset();  // What is left on the connection belongs to nobody.
    answer.outcome =
        NeverConnected(error) ? HttpResponse::Outcome::kNotSent : HttpResponse::Outcome::kNoAnswer;
    answer.error = endpoint_.ToString() + ": " +
                   DescribeError(error, !NeverConnected(error) && RealClock().Now() >= deadline);
    return answer;
  }
  TakeHead(http_response, &answer);
  answer.body = std::move(http_response.body);
  return answer;
}

HttpResponse Connection::Stream(const HttpRequest& request, MonotonicTime connect_deadline,
                                Duration silence, const BodySink& sink) {
  // A connection of its own: it ends with the stream, unless that ends as it should.
  Impl connection(endpoint_, silence, cancellation_);
  httplib::Client& client = connection.client();
  client.set_connection_timeout(
      std::max(Duration(std::chrono::milliseconds(1)), connect_deadline - RealClock().Now()));
  client.set_read_timeout(silence);
  client.set_write_timeout(silence);
  client.set_keep_alive(false);

  HttpResponse answer;
  bool enough = false;
  httplib::Request http_request = ToHttplib(request);
  http_request.response_handler = [&](const httplib::Response& head) {
    TakeHead(head, &answer);
    if (answer.status == 200) sink.begin(answer);
    return true;
  };
  http_request.content_receiver = [&](const char* data, size_t size, uint64_t, uint64_t) {
    const std::string_view piece(data, size);
    if (answer.status == 200) {
      enough = !sink.add(piece);
      return !enough;
    }
    answer.body.append(piece);
    return answer.body.size() < kMaxErrorBytes;
  };
  httplib::Response ignored;
  httplib::Error error = httplib::Error::Success;
  bool complete = false;
  {
    SigpipeGuard guard;
    const Cancellation::Wait wait(cancellation_, [&client] { client.stop(); });
    if (wait.cancelled()) return NotSent("cancelled");
    complete = client.send(http_request, ignored, error);
  }
  if (complete || enough) return answer;
  answer.outcome =
      NeverConnected(error) ? HttpResponse::Outcome::kNotSent : HttpResponse::Outcome::kNoAnswer;
  answer.error = endpoint_.ToString() + ": " + DescribeError(error, false);
  return answer;
}

}  // namespace sisyphus::client
