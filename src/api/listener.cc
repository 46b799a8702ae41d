#include "api/listener.h"

#include <sys/socket.h>

#include <boost/asio/post.hpp>
#include <utility>
#include <vector>

#include "api/io_thread.h"

namespace sisyphus::api {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using Acceptor = asio::basic_socket_acceptor<tcp, asio::io_context::executor_type>;

// After a failed accept (no file descriptors left).
constexpr Duration kAcceptRetry = std::chrono::milliseconds(100);

StatusOr<tcp::endpoint> ParseAddress(const std::string& address) {
  const auto invalid = [&] {
    return MakeStatus(StatusCode::kInvalidArgument, "not a HOST:PORT address: " + address);
  };
  const size_t colon = address.rfind(':');
  uint64_t port = 0;
  if (colon == std::string::npos || !ParseNumber(address.substr(colon + 1), &port) ||
      port > 65'535) {
    return invalid();
  }
  std::string host = address.substr(0, colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  if (host == "localhost") host = "127.0.0.1";
  ErrorCode error;
  const asio::ip::address ip = asio::ip::make_address(host, error);
  if (error) return invalid();
  return tcp::endpoint(ip, static_cast<uint16_t>(port));
}

class ListenerImpl final : public Listener {
 public:
  ListenerImpl(ListenerOptions options, HttpHandler* handler) : shared_(std::move(options)) {
    const int threads = std::max(shared_.options.io_threads, 1);
    shared_.handler = handler;
    for (int i = 0; i < threads; ++i) {
      threads_.push_back(std::make_unique<IoThread>(&shared_, static_cast<size_t>(i)));
    }
    acceptor_ = std::make_unique<Acceptor>(threads_.front()->context());
    retry_timer_ = std::make_unique<asio::steady_timer>(threads_.front()->context());
  }
  ~ListenerImpl() override { Stop(Duration::zero()); }

  Status Open(const tcp::endpoint& endpoint) {
    ErrorCode error;
    acceptor_->open(endpoint.protocol(), error);
    if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_->bind(endpoint, error);
    if (!error) acceptor_->listen(SOMAXCONN, error);
    if (!error) acceptor_->non_blocking(true, error);
    if (error) {
      return MakeStatus(StatusCode::kUnavailable,
                        "listen on " + shared_.options.address + ": " + error.message());
    }
    const tcp::endpoint bound = acceptor_->local_endpoint();
    const std::string host = bound.address().to_string();
    bound_address_ =
        (bound.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(bound.port());
    return OkStatus();
  }

  void Run() override {
    Accept();
    for (const auto& thread : threads_) thread->Start();
  }

  std::string bound_address() const override { return bound_address_; }
  void BeginDrain() override { shared_.draining.store(true); }
  bool draining() const override { return shared_.draining.load(std::memory_order_relaxed); }

  void Stop(Duration timeout) override {
    if (std::exchange(stopped_, true)) return;
    BeginDrain();
    const MonotonicTime deadline = shared_.options.clock->Now() + timeout;
    {
      MutexLock lock(shared_.mu);
      while (shared_.inflight_requests.load() > 0 && shared_.options.clock->Now() < deadline) {
        shared_.quiet.WaitUntil(shared_.mu, deadline);
      }
    }
    asio::post(threads_.front()->context(), [this] {
      ErrorCode ignored;
      acceptor_->close(ignored);
      retry_timer_->cancel();
    });
    // The first thread last: it may be handing a new connection to another.
    for (auto thread = threads_.rbegin(); thread != threads_.rend(); ++thread) (*thread)->Stop();
  }

  ListenerStats stats() const override {
    const ConnectionGate::Stats gate = shared_.gate.stats();
    return {.open_connections = gate.open,
            .accepted_connections = gate.accepted,
            .inflight_requests = shared_.inflight_requests.load(),
            .refused_overload = shared_.refused_overload.load(std::memory_order_relaxed),
            .refused_by_total = gate.refused_by_total,
            .refused_by_address = gate.refused_by_address,
            .refused_body_bytes = shared_.refused_body_bytes.value(),
            .inflight_bytes = shared_.inflight_bytes.load(std::memory_order_relaxed),
            .received_bytes = shared_.received_bytes.value(),
            .sent_bytes = shared_.sent_bytes.value()};
  }

  void PostToFirstThread(Task task) override {
    asio::post(threads_.front()->context(), std::move(task));
  }

 private:
  void Accept() {
    IoThread* const thread = threads_[next_thread_++ % threads_.size()].get();
    acceptor_->async_accept(thread->context().get_executor(),
                            [this, thread](const ErrorCode& error, Socket socket) {
                              if (!acceptor_->is_open()) return;
                              if (error && error != asio::error::connection_aborted)
                                return AcceptLater();
                              if (!error) HandOver(thread, std::move(socket));
                              Accept();
                            });
  }

  void AcceptLater() {
    retry_timer_->expires_after(kAcceptRetry);
    retry_timer_->async_wait([this](const ErrorCode& error) {
      if (!error && acceptor_->is_open()) Accept();
    });
  }

  void HandOver(IoThread* thread, Socket socket) {
    ErrorCode error;
    const tcp::endpoint peer = socket.remote_endpoint(error);
    if (error) return;  // It is gone already.
    ConnectionGate::Pass pass = shared_.gate.Enter(peer.address());
    if (pass.admission() == Admission::kDropped) {
      shared_.refused_overload.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    if (thread == threads_.front().get()) return thread->Adopt(std::move(socket), std::move(pass));
    asio::post(thread->context(), [thread, p = std::move(pass), s = std::move(socket)]() mutable {
      thread->Adopt(std::move(s), std::move(p));
    });
  }

  ListenerShared shared_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::string bound_address_;
  bool stopped_ = false;

  // Owned by the first thread once it runs.
  std::unique_ptr<Acceptor> acceptor_;
  std::unique_ptr<asio::steady_timer> retry_timer_;
  size_t next_thread_ = 0;
};

}  // namespace

StatusOr<std::unique_ptr<Listener>> Listener::Create(ListenerOptions options,
                                                     HttpHandler* handler) {
  const StatusOr<tcp::endpoint> endpoint = ParseAddress(options.address);
  if (!endpoint.ok()) return endpoint.status();
  auto listener = std::make_unique<ListenerImpl>(std::move(options), handler);
  SIS_RETURN_IF_ERROR(listener->Open(*endpoint));
  return listener;
}

}  // namespace sisyphus::api
