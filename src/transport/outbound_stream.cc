#include "transport/outbound_stream.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "transport/codec.h"
#include "transport/outbound_call.h"

namespace sisyphus::transport {

OutboundStream::OutboundStream(Environment* env, NodeId peer, std::string address,
                               std::shared_ptr<PeerCounters> counters, uint64_t seed)
    : env_(env),
      peer_(peer),
      address_(std::move(address)),
      counters_(std::move(counters)),
      rng_(seed),
      backoff_(env->options.min_backoff),
      queue_(env->options.urgent_window, env->options.bulk_window) {}

void OutboundStream::Connect() {
  CancelTimer(&reconnect_timer_);
  {
    MutexLock lock(mu_);
    if (closed_ || call_ != nullptr) return;
  }
  if (!env_->calls.Enter()) return;
  std::string own_address;
  {
    MutexLock lock(env_->own_mu);
    own_address = env_->own_address;
  }
  auto call = std::make_shared<OutboundCall>(shared_from_this(), env_->options, peer_, address_,
                                             own_address);
  bool closed = false;
  {
    MutexLock lock(mu_);
    closed = closed_;
    if (!closed) call_ = call;
    broken_ = ready_ = writing_ = wrote_ = false;
  }
  // gRPC wants every call that was made to be started, a cancelled one too.
  if (closed) call->Cancel();
  call->Begin(&env_->calls);
  if (closed) return;
  hello_timer_ = env_->control->PostAfter(
      env_->options.connect_timeout,
      [self = shared_from_this(), call] { self->HandleHelloTimeout(call); });
}

void OutboundStream::Send(std::vector<node::PeerMessage> messages) {
  size_t dropped = std::erase_if(messages, [](const node::PeerMessage& message) {
    return SizeBytes(message) > kMaxFrameBytes - kFrameSlackBytes;
  });
  bool report = false;
  std::shared_ptr<OutboundCall> call;
  std::vector<node::PeerMessage> batch;
  {
    MutexLock lock(mu_);
    if (ready_) {
      dropped += queue_.Push(std::move(messages));
      if (!writing_ && !queue_.empty()) {
        batch = queue_.TakeBatch(env_->options.max_batch_bytes);
        call = call_;
        writing_ = wrote_ = true;
      }
    } else {
      dropped += messages.size();
    }
    if (dropped > 0 && !closed_) report = !std::exchange(failed_, true);
  }
  counters_->dropped_messages += dropped;
  if (call != nullptr) Write(call, std::move(batch));
  if (report) ReportSendFailed();
}

void OutboundStream::Write(const std::shared_ptr<OutboundCall>& call,
                           std::vector<node::PeerMessage> batch) {
  // A call that has broken meanwhile has reported the failure, or will.
  if (!call->Write(batch)) counters_->dropped_messages += batch.size();
}

void OutboundStream::ReportSendFailed() {
  env_->control->Post([env = env_, peer = peer_] {
    if (auto* handler = env->handler.load()) handler->OnSendFailed(peer);
  });
}

void OutboundStream::Close() {
  std::shared_ptr<OutboundCall> call;
  size_t dropped = 0;
  {
    MutexLock lock(mu_);
    closed_ = true;
    ready_ = false;
    dropped = queue_.Clear();
    call = std::move(call_);
    call_ = nullptr;
  }
  counters_->dropped_messages += dropped;
  if (call != nullptr) call->Cancel();
}

void OutboundStream::FillStats(PeerStats* stats) const {
  stats->address = address_;
  MutexLock lock(mu_);
  stats->connected = ready_;
  stats->queued_bytes = queue_.bytes();
  stats->last_error = last_error_;
}

void OutboundStream::CallReady(std::shared_ptr<OutboundCall> call, node::PeerInfo info) {
  env_->control->Post([self = shared_from_this(), call = std::move(call), info = std::move(info)] {
    self->HandleReady(call, info);
  });
}

void OutboundStream::HandleReady(const std::shared_ptr<OutboundCall>& call,
                                 const node::PeerInfo& info) {
  {
    MutexLock lock(mu_);
    if (call_ != call || broken_) return;
    ready_ = true;
  }
  CancelTimer(&hello_timer_);
  backoff_ = env_->options.min_backoff;
  ++counters_->connects;
  if (auto* handler = env_->handler.load()) handler->OnPeerConnected(info);
}

void OutboundStream::CallWrote(const std::shared_ptr<OutboundCall>& call, size_t messages,
                               size_t bytes) {
  counters_->sent_messages += messages;
  counters_->sent_bytes += bytes;
  std::vector<node::PeerMessage> batch;
  {
    MutexLock lock(mu_);
    if (call_ != call || !ready_) return;
    failed_ = false;
    writing_ = !queue_.empty();
    if (!writing_) return;
    batch = queue_.TakeBatch(env_->options.max_batch_bytes);
  }
  Write(call, std::move(batch));
}

void OutboundStream::CallBroke(const OutboundCall* call) {
  bool report = false;
  size_t dropped = 0;
  {
    MutexLock lock(mu_);
    if (call_.get() != call || broken_) return;
    broken_ = true;
    ready_ = false;
    dropped = queue_.Clear();
    if (wrote_) report = !std::exchange(failed_, true);
  }
  counters_->dropped_messages += dropped;
  if (report) ReportSendFailed();
}

void OutboundStream::CallEnded(std::shared_ptr<OutboundCall> call, Status status) {
  env_->control->Post([self = shared_from_this(), call = std::move(call),
                       status = std::move(status)] { self->HandleEnded(call, status); });
}

void OutboundStream::HandleEnded(const std::shared_ptr<OutboundCall>& call, const Status& status) {
  const std::string error = status.ToString();
  bool news = false;
  {
    MutexLock lock(mu_);
    if (call_ != call) return;
    call_ = nullptr;
    ready_ = false;
    news = last_error_ != error;
    last_error_ = error;
  }
  CancelTimer(&hello_timer_);
  if (news && env_->options.on_connection_error) {
    env_->options.on_connection_error(peer_, status);
  }
  // Jitter keeps the nodes of a cluster from calling a restarted one in step.
  const auto longest = static_cast<uint64_t>(backoff_.count());
  const Duration delay(static_cast<Duration::rep>(rng_.Between(longest / 2, longest)));
  backoff_ = std::min(2 * backoff_, env_->options.max_backoff);
  reconnect_timer_ =
      env_->control->PostAfter(delay, [self = shared_from_this()] { self->Connect(); });
}

void OutboundStream::HandleHelloTimeout(const std::shared_ptr<OutboundCall>& call) {
  hello_timer_.reset();
  {
    MutexLock lock(mu_);
    if (call_ != call || ready_) return;
  }
  call->TimedOut();
}

void OutboundStream::CancelTimer(std::optional<Actor::TimerId>* timer) {
  if (*timer) env_->control->Cancel(**timer);
  timer->reset();
}

}  // namespace sisyphus::transport
