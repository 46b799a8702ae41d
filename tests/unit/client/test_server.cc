#include "tests/unit/client/test_server.h"

#include <arpa/inet.h>
#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/check.h"
#include "base/mutex.h"

namespace sisyphus::client {
namespace {

int BindLoopback(int* port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  SIS_CHECK(fd >= 0, "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  SIS_CHECK(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
  SIS_CHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  *port = ntohs(address.sin_port);
  return fd;
}

std::string Loopback(int port) { return "http://127.0.0.1:" + std::to_string(port); }

}  // namespace

class TestServer::Impl {
 public:
  explicit Impl(std::function<ScriptedAnswer(const SeenRequest&)> answer)
      : answer_(std::move(answer)) {
    const auto handle = [this](const httplib::Request& request, httplib::Response& response) {
      Handle(request, response);
    };
    server_.Get(".*", handle);
    server_.Put(".*", handle);
    server_.Post(".*", handle);
    server_.Delete(".*", handle);
    server_.set_tcp_nodelay(true);
    server_.set_keep_alive_max_count(1000);
    server_.set_keep_alive_timeout(60);
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    while (!server_.is_running()) std::this_thread::yield();  // stop() before that is lost.
  }
  ~Impl() {
    server_.stop();
    thread_.join();
  }

  int port() const { return port_; }
  std::vector<SeenRequest> seen() const {
    MutexLock lock(mu_);
    return seen_;
  }

 private:
  void Handle(const httplib::Request& request, httplib::Response& response) {
    MutexLock lock(mu_);
    seen_.push_back({request.method, request.target, request.get_header_value("If-Match"),
                     request.get_header_value("If-None-Match"), request.body, request.remote_port,
                     request.get_header_value("Idempotency-Key")});
    const ScriptedAnswer answer = answer_(seen_.back());
    response.status = answer.status;
    for (const auto& [name, value] : answer.headers) response.set_header(name, value);
    response.set_content(answer.body, answer.content_type);
  }

  const std::function<ScriptedAnswer(const SeenRequest&)> answer_;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  mutable Mutex mu_;
  std::vector<SeenRequest> seen_;
};

TestServer::TestServer(std::function<ScriptedAnswer(const SeenRequest&)> answer)
    : impl_(std::make_unique<Impl>(std::move(answer))) {}
TestServer::~TestServer() = default;
int TestServer::port() const { return impl_->port(); }
std::string TestServer::address() const { return Loopback(port()); }
std::vector<SeenRequest> TestServer::seen() const { return impl_->seen(); }

class SilentServer::Impl {
 public:
  Impl(bool hang_up, std::string last_words)
      : last_words_(std::move(last_words)), listener_(BindLoopback(&port_)) {
    SIS_CHECK(listen(listener_, 16) == 0, "listen");
    thread_ = std::thread([this, hang_up] { Run(hang_up); });
  }
  ~Impl() {
    shutdown(listener_, SHUT_RDWR);  // Wakes accept.
    thread_.join();
    for (const int fd : open_) close(fd);
    close(listener_);
  }

  int port() const { return port_; }
  int connections() const { return connections_; }

 private:
  void Run(bool hang_up) {
    while (true) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      ++connections_;
      if (!hang_up) {
        open_.push_back(fd);
        continue;
      }
      char buffer[4096];
      [[maybe_unused]] ssize_t n = read(fd, buffer, sizeof(buffer));
      n = write(fd, last_words_.data(), last_words_.size());
      close(fd);
    }
  }

  const std::string last_words_;
  int port_ = 0;
  const int listener_;
  std::atomic<int> connections_{0};
  std::vector<int> open_;  // Of the thread, then of the destructor.
  std::thread thread_;
};

SilentServer::SilentServer(bool hang_up, std::string last_words)
    : impl_(std::make_unique<Impl>(hang_up, std::move(last_words))) {}
SilentServer::~SilentServer() = default;
std::string SilentServer::address() const { return Loopback(impl_->port()); }
int SilentServer::connections() const { return impl_->connections(); }

DeadAddress::DeadAddress() : socket_(BindLoopback(&port_)) {}
DeadAddress::~DeadAddress() { close(socket_); }
std::string DeadAddress::address() const { return Loopback(port_); }

}  // namespace sisyphus::client
