// IoThread: one event loop, its connections, its shared buffers and its deadlines. Inside the
// listener only.
#ifndef SISYPHUS_API_IO_THREAD_H_
#define SISYPHUS_API_IO_THREAD_H_

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/completion_queue.h"
#include "api/connection_gate.h"
#include "api/deadline_list.h"
#include "api/listener.h"
#include "base/measures.h"
#include "base/mutex.h"

namespace sisyphus::api {

class Connection;
using Socket =
    boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>;

// What the io threads of a listener have in common.
struct ListenerShared {
  explicit ListenerShared(ListenerOptions o)
      : options(std::move(o)), gate(options.max_connections, options.max_connections_per_address) {}

  const ListenerOptions options;
  ConnectionGate gate;
  HttpHandler* handler = nullptr;
  std::atomic<bool> draining = false;
  std::atomic<uint64_t> inflight_requests = 0;
  std::atomic<uint64_t> refused_overload = 0;
  Counter refused_body_bytes;
  Counter received_bytes;
  Counter sent_bytes;
  std::atomic<size_t> inflight_bytes = 0;

  // Signalled when, while draining, no request is in flight any more.
  Mutex mu;
  CondVar quiet;

  bool ReserveBytes(size_t n);
  void ReserveBytesAnyway(size_t n) { inflight_bytes.fetch_add(n, std::memory_order_relaxed); }
  void ReleaseBytes(size_t n) { inflight_bytes.fetch_sub(n, std::memory_order_relaxed); }
  void RequestBegins() { inflight_requests.fetch_add(1); }
  void RequestEnds();
};

class IoThread {
 public:
  static constexpr size_t kReadBytes = 64 << 10;

  IoThread(ListenerShared* shared, size_t number);
  ~IoThread();

  void Start();
  void Stop();  // Closes every connection, ends the thread. Not from it.

  boost::asio::io_context& context() { return *context_; }

  // On this thread. Serves the connection, or tells it why not and lets it go.
  void Adopt(Socket socket, ConnectionGate::Pass pass);

  // --- For connections, on this thread. ---
  ListenerShared& shared() { return *shared_; }
  size_t number() const { return number_; }
  MonotonicTime Now() { return shared_->options.clock->Now(); }
  char* read_buffer() { return read_buffer_.get(); }
  std::string& out() { return out_; }
  std::string& header_scratch() { return header_scratch_; }
  std::string& body_scratch() { return body_scratch_; }
  const std::shared_ptr<CompletionQueue>& completions() const { return completions_; }
  uint64_t NextSerial() { return ++last_serial_; }
  void Remove(Connection* connection);

  enum class Wait : uint8_t { kIdle, kHeader, kBody, kWrite, kLinger };
  void SetDeadline(DeadlineNode* node, Wait wait);
  Wait WaitOf(const DeadlineNode& node) const;

 private:
  void RunCompletions();
  void ArmSweep(MonotonicTime deadline);
  void Sweep();

  ListenerShared* const shared_;
  const size_t number_;
  const std::shared_ptr<boost::asio::io_context> context_;
  const std::shared_ptr<CompletionQueue> completions_;
  std::thread thread_;

  // Owned by the thread.
  std::unique_ptr<char[]> read_buffer_;
  std::string out_;
  std::string header_scratch_;
  std::string body_scratch_;
  std::vector<std::shared_ptr<Connection>> slots_;
  std::vector<uint32_t> free_slots_;
  std::vector<CompletionQueue::Item> running_;
  uint64_t last_serial_ = 0;
  std::vector<std::unique_ptr<DeadlineList>> waits_;
  boost::asio::steady_timer sweep_timer_;
  MonotonicTime sweep_at_ = MonotonicTime::max();
};

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_IO_THREAD_H_
