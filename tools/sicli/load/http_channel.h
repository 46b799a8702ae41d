// HttpChannel: HTTP/1.1 requests to one server over one connection, asynchronously, one at a time.
//
// It connects when a request finds no connection, and stays connected. What it adds to a request is
// one system call to write and one to read.
//
// Threads: the one that runs the io_context. Callbacks run in it, never inside a call of Send.
#ifndef SISYPHUS_TOOLS_SICLI_LOAD_HTTP_CHANNEL_H_
#define SISYPHUS_TOOLS_SICLI_LOAD_HTTP_CHANNEL_H_

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "client/endpoint.h"

namespace sisyphus::sicli {

// A server, its name resolved: a name may have several addresses of which one serves (localhost).
struct HttpServer {
  client::Endpoint endpoint;
  std::vector<boost::asio::ip::tcp::endpoint> addresses;
};

// Blocks while names are looked up. kInvalidArgument: no address, or a name that nobody knows.
StatusOr<HttpServer> ResolveServer(std::string_view address);

struct HttpReply {
  enum class Outcome {
    kAnswered,  // status and body are there.
    kNotSent,   // No connection: the server has seen nothing.
    kNoAnswer,  // Anything may have happened.
  };
  Outcome outcome = Outcome::kNoAnswer;
  bool timed_out = false;
  int status = 0;
  std::string body = {};
  std::string error = {};  // In words, unless answered.
};

class HttpChannel {
 public:
  using Done = std::function<void(HttpReply)>;

  HttpChannel(boost::asio::io_context& context, HttpServer server);

  const HttpServer& server() const { return server_; }
  bool connected() const { return state_ == State::kReady; }
  bool busy() const { return done_ != nullptr; }
  // Where requests go from now on. Requires: not busy.
  void MoveTo(HttpServer server);

  // Connects without a request: `done` is answered with status 0, or kNotSent. Requires: not busy.
  void Connect(MonotonicTime deadline, Done done);
  // `head` is the whole header of a request, its empty line included; `body` must live until
  // `done`. Requires: not busy.
  void Send(std::string head, std::string_view body, MonotonicTime deadline, Done done);

  // Ends what is under way if its deadline has passed. To be called now and then: a timer for each
  // request would cost more than the request.
  void CheckDeadline(MonotonicTime now);

 private:
  enum class State { kClosed, kConnecting, kReady };
  using Socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp,
                                                  boost::asio::io_context::executor_type>;
  using Parser = boost::beast::http::response_parser<boost::beast::http::string_body>;

  void Begin(MonotonicTime deadline, Done done);
  // Tries the server's addresses, from the one of that number on.
  void StartConnect(size_t address = 0);
  void Connected();
  void Write();
  void WriteRest(size_t written);
  void Read();
  void Received(size_t n);
  void NewParser();
  // False: what came is no HTTP.
  bool Parse();
  void Close();
  void Finish(HttpReply reply);
  void Fail(const std::string& error, bool timed_out = false);

  boost::asio::io_context& context_;
  HttpServer server_;
  std::optional<Socket> socket_;
  State state_ = State::kClosed;
  uint64_t generation_ = 0;  // Of the connection: handlers of an older one do nothing.

  // The request under way.
  Done done_;
  MonotonicTime deadline_{};
  std::string head_;  // Empty: only the connection is wanted.
  std::string_view body_;
  bool written_ = false;  // The server may have seen some of it.
  bool writing_ = false;  // The rest of it, in the background.

  std::array<char, 16 << 10> buffer_;
  std::string unparsed_;
  std::optional<Parser> parser_;
};

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_LOAD_HTTP_CHANNEL_H_
