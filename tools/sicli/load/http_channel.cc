#include "tools/sicli/load/http_channel.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <utility>

#include "base/check.h"

namespace sisyphus::sicli {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

namespace {

constexpr uint64_t kMostBodyBytes = 64 << 20;

}  // namespace

StatusOr<HttpServer> ResolveServer(std::string_view address) {
  SIS_ASSIGN_OR_RETURN(client::Endpoint endpoint, client::ParseEndpoint(address));
  asio::io_context context;
  asio::ip::tcp::resolver resolver(context);
  error_code error;
  const auto found = resolver.resolve(endpoint.host, std::to_string(endpoint.port),
                                      asio::ip::tcp::resolver::numeric_service, error);
  if (error || found.empty()) {
    return MakeStatus(StatusCode::kInvalidArgument,
                      "address \"" + std::string(address) + "\": " + error.message());
  }
  HttpServer server{std::move(endpoint), {}};
  for (const auto& entry : found) server.addresses.push_back(entry.endpoint());
  return server;
}

HttpChannel::HttpChannel(asio::io_context& context, HttpServer server)
    : context_(context), server_(std::move(server)) {}

void HttpChannel::MoveTo(HttpServer server) {
  SIS_CHECK(!busy(), "a request is under way");
  if (!(server.endpoint == server_.endpoint)) Close();
  server_ = std::move(server);
}

void HttpChannel::Begin(MonotonicTime deadline, Done done) {
  SIS_CHECK(!busy(), "one request at a time");
  done_ = std::move(done);
  deadline_ = deadline;
  written_ = false;
}

void HttpChannel::Connect(MonotonicTime deadline, Done done) {
  Begin(deadline, std::move(done));
  head_.clear();
  body_ = {};
  StartConnect();
}

void HttpChannel::Send(std::string head, std::string_view body, MonotonicTime deadline, Done done) {
  Begin(deadline, std::move(done));
  head_ = std::move(head);
  body_ = body;
  if (state_ == State::kReady) {
    Write();
  } else {
    StartConnect();
  }
}

void HttpChannel::StartConnect(size_t address) {
  Close();
  state_ = State::kConnecting;
  socket_.emplace(context_);
  error_code error;
  socket_->open(server_.addresses[address].protocol(), error);
  const auto connected = [this, address, generation = generation_](error_code failed) {
    if (generation != generation_) return;
    if (!failed) return Connected();
    if (address + 1 < server_.addresses.size()) return StartConnect(address + 1);
    Fail("cannot connect: " + failed.message());
  };
  if (error) return asio::post(context_, [connected, error] { connected(error); });
  socket_->async_connect(server_.addresses[address], connected);
}

void HttpChannel::Connected() {
  error_code ignored;
  socket_->set_option(asio::ip::tcp::no_delay(true), ignored);
  socket_->non_blocking(true, ignored);
  state_ = State::kReady;
  NewParser();
  Read();
  if (head_.empty()) return Finish({.outcome = HttpReply::Outcome::kAnswered});
  Write();
}

void HttpChannel::Write() {
  const std::array<asio::const_buffer, 2> all = {asio::buffer(head_),
                                                 asio::buffer(body_.data(), body_.size())};
  // Nearly always there is room for all of it: then no callback is needed.
  error_code error;
  const size_t written = socket_->write_some(all, error);
  written_ = true;
  if (error && error != asio::error::would_block && error != asio::error::try_again) {
    asio::post(context_, [this, error, generation = generation_] {
      if (generation == generation_) Fail("cannot send: " + error.message());
    });
    return;
  }
  if (written < head_.size() + body_.size()) WriteRest(written);
}

void HttpChannel::WriteRest(size_t written) {
  const size_t of_head = std::min(written, head_.size());
  const std::array<asio::const_buffer, 2> rest = {
      asio::buffer(head_) + of_head,
      asio::buffer(body_.data(), body_.size()) + (written - of_head)};
  writing_ = true;
  asio::async_write(*socket_, rest, [this, generation = generation_](error_code error, size_t) {
    if (generation != generation_) return;
    writing_ = false;
    if (error) Fail("cannot send: " + error.message());
  });
}

void HttpChannel::Read() {
  socket_->async_read_some(
      asio::buffer(buffer_), [this, generation = generation_](error_code error, size_t n) {
        if (generation != generation_) return;
        if (!error) return Received(n);
        Fail(error == asio::error::eof ? "the server closed the connection" : error.message());
      });
}

void HttpChannel::Received(size_t n) {
  unparsed_.append(buffer_.data(), n);
  if (!Parse()) return Fail("the answer is not HTTP");
  if (!parser_->is_done()) return Read();
  // An answer that nobody asked for: the server closes the connection for a reason of its own.
  if (!busy()) return Close();
  HttpReply reply{.outcome = HttpReply::Outcome::kAnswered,
                  .status = static_cast<int>(parser_->get().result_int()),
                  .body = std::move(parser_->get().body())};
  if (parser_->keep_alive() && unparsed_.empty() && !writing_) {
    NewParser();
    Read();
  } else {
    Close();
  }
  Finish(std::move(reply));
}

void HttpChannel::NewParser() {
  parser_.emplace();
  parser_->body_limit(kMostBodyBytes);
  parser_->eager(true);
}

bool HttpChannel::Parse() {
  while (!unparsed_.empty() && !parser_->is_done()) {
    error_code error;
    const size_t used = parser_->put(asio::buffer(unparsed_), error);
    unparsed_.erase(0, used);
    if (error == http::error::need_more) return true;
    if (error) return false;
  }
  return true;
}

void HttpChannel::Close() {
  ++generation_;
  socket_.reset();
  state_ = State::kClosed;
  writing_ = false;
  unparsed_.clear();
  parser_.reset();
}

void HttpChannel::Finish(HttpReply reply) {
  Done done = std::exchange(done_, nullptr);
  done(std::move(reply));
}

void HttpChannel::Fail(const std::string& error, bool timed_out) {
  Close();
  if (!busy()) return;  // An idle connection ended.
  Finish({.outcome = written_ ? HttpReply::Outcome::kNoAnswer : HttpReply::Outcome::kNotSent,
          .timed_out = timed_out,
          .error = server_.endpoint.ToString() + ": " + error});
}

void HttpChannel::CheckDeadline(MonotonicTime now) {
  if (busy() && now >= deadline_)
    Fail(written_ ? "no answer in time" : "no connection in time", true);
}

}  // namespace sisyphus::sicli
