#include "api/io_thread.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "api/connection.h"
#include "base/check.h"

namespace sisyphus::api {
namespace {

namespace asio = boost::asio;

// How long a connection may take to go away after its last answer.
constexpr Duration kLingerTimeout = std::chrono::seconds(2);

// Deadlines are looked at no more often.
constexpr Duration kSweepGrain = std::chrono::milliseconds(20);

// What the shared output buffer may keep.
constexpr size_t kOutputBytesKept = 1 << 20;

}  // namespace

bool ListenerShared::ReserveBytes(size_t n) {
  size_t now = inflight_bytes.load(std::memory_order_relaxed);
  do {
    if (n > options.max_inflight_bytes || now > options.max_inflight_bytes - n) return false;
  } while (!inflight_bytes.compare_exchange_weak(now, now + n, std::memory_order_relaxed));
  return true;
}

void ListenerShared::RequestEnds() {
  // Both sequentially consistent: whoever sets `draining` and then reads the count either sees it
  // at 0 or is signalled.
  if (inflight_requests.fetch_sub(1) == 1 && draining.load()) {
    MutexLock lock(mu);
    quiet.SignalAll();
  }
}

IoThread::IoThread(ListenerShared* shared, size_t number)
    : shared_(shared),
      number_(number),
      context_(std::make_shared<asio::io_context>(1)),
      completions_(std::make_shared<CompletionQueue>([this, context = context_] {
        // A context whose thread has ended runs nothing more.
        asio::post(*context, [this] { RunCompletions(); });
      })),
      read_buffer_(new char[kReadBytes]),
      sweep_timer_(*context_) {
  const ListenerOptions& options = shared_->options;
  for (const Duration timeout : {options.idle_timeout, options.header_timeout, options.body_timeout,
                                 options.body_timeout, kLingerTimeout}) {
    waits_.push_back(std::make_unique<DeadlineList>(timeout));
  }
}

IoThread::~IoThread() { Stop(); }

void IoThread::Start() {
  thread_ = std::thread([this] {
    const auto work = asio::make_work_guard(*context_);
    context_->run();
  });
}

void IoThread::Stop() {
  if (!thread_.joinable()) return;
  completions_->Close();
  asio::post(*context_, [this] {
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (const std::shared_ptr<Connection> connection = slots_[i]) connection->Close();
    }
    sweep_timer_.cancel();
    // Behind the handlers of everything that was just cancelled, so that they let go of what they
    // hold while this object still lives.
    asio::post(*context_, [this] { context_->stop(); });
  });
  thread_.join();
}

void IoThread::Adopt(Socket socket, ConnectionGate::Pass pass) {
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.set_option(asio::ip::tcp::no_delay(true), ignored);
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  const auto connection =
      std::make_shared<Connection>(this, std::move(socket), std::move(pass), slot);
  slots_[slot] = connection;
  connection->Start();
}

void IoThread::Remove(Connection* connection) {
  slots_[connection->slot()].reset();
  free_slots_.push_back(connection->slot());
}

void IoThread::RunCompletions() {
  completions_->Take(&running_);
  for (CompletionQueue::Item& item : running_) {
    const std::shared_ptr<Connection> connection = slots_[item.slot];
    if (connection != nullptr) connection->Resume(item.serial, std::move(item.then));
  }
  running_.clear();
  if (out_.capacity() > kOutputBytesKept) std::string().swap(out_);
}

void IoThread::SetDeadline(DeadlineNode* node, Wait wait) {
  waits_[static_cast<size_t>(wait)]->Append(node, Now());
  if (node->deadline() < sweep_at_) ArmSweep(node->deadline());
}

IoThread::Wait IoThread::WaitOf(const DeadlineNode& node) const {
  for (size_t i = 0; i < waits_.size(); ++i) {
    if (node.list() == waits_[i].get()) return static_cast<Wait>(i);
  }
  SIS_CHECK(false, "a node that waits for nothing");
}

void IoThread::ArmSweep(MonotonicTime deadline) {
  sweep_at_ = deadline;
  sweep_timer_.expires_after(std::max(deadline - Now(), kSweepGrain));
  sweep_timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) Sweep();
  });
}

void IoThread::Sweep() {
  const MonotonicTime now = Now();
  MonotonicTime next = MonotonicTime::max();
  for (size_t i = 0; i < waits_.size(); ++i) {
    while (DeadlineNode* node = waits_[i]->front()) {
      if (node->deadline() > now) {
        next = std::min(next, node->deadline());
        break;
      }
      const auto connection = static_cast<Connection*>(node)->shared_from_this();
      connection->Unlink();
      connection->OnDeadline(static_cast<Wait>(i));
    }
  }
  sweep_at_ = MonotonicTime::max();
  if (next != MonotonicTime::max()) ArmSweep(next);
}

}  // namespace sisyphus::api
