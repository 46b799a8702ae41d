// OutboundStream: the way to one peer at one address. Keeps a gRPC stream open, reconnects when it
// breaks, queues what is sent while a write is in flight, and drops it when there is no connection.
//
// Life of a connection, all decided on the control actor:
//
//   idle -- Connect --> attempt -- hello written and answered --> ready -- broken --> ended
//     ^                   |  refused, unreachable, timed out ---------------------------^ |
//     +------------------ backoff, or the peer connected to us <-------------------------+
//
// Every attempt has a channel of its own: gRPC's subchannels have a backoff that cannot be less
// than 100 ms and would answer for a peer that has long been back.
#ifndef SISYPHUS_TRANSPORT_OUTBOUND_STREAM_H_
#define SISYPHUS_TRANSPORT_OUTBOUND_STREAM_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/types.h"
#include "node/transport.h"
#include "transport/environment.h"
#include "transport/send_queue.h"

namespace sisyphus::transport {

class OutboundCall;

class OutboundStream : public std::enable_shared_from_this<OutboundStream> {
 public:
  OutboundStream(Environment* env, NodeId peer, std::string address,
                 std::shared_ptr<PeerCounters> counters, uint64_t seed);

  const std::string& address() const { return address_; }

  // On the control actor. Both do nothing unless there is neither a connection nor an attempt.
  void Connect();
  void PeerIsAlive() { Connect(); }

  // From any thread.
  void Send(std::vector<node::PeerMessage> messages);
  void FillStats(PeerStats* stats) const;

  // From any thread. Ends the connection; nothing begins afterwards. What is queued is dropped.
  void Close();

 private:
  friend class OutboundCall;

  // From OutboundCall, on gRPC's threads.
  void CallReady(std::shared_ptr<OutboundCall> call, node::PeerInfo info);
  void CallWrote(const std::shared_ptr<OutboundCall>& call, size_t messages, size_t bytes);
  void CallBroke(const OutboundCall* call);
  void CallEnded(std::shared_ptr<OutboundCall> call, Status status);

  // On the control actor.
  void HandleReady(const std::shared_ptr<OutboundCall>& call, const node::PeerInfo& info);
  void HandleEnded(const std::shared_ptr<OutboundCall>& call, const Status& status);
  void HandleHelloTimeout(const std::shared_ptr<OutboundCall>& call);
  void CancelTimer(std::optional<Actor::TimerId>* timer);

  // `batch` was taken from the queue for `call`.
  void Write(const std::shared_ptr<OutboundCall>& call, std::vector<node::PeerMessage> batch);
  void ReportSendFailed();

  // Immutable.
  Environment* const env_;
  const NodeId peer_;
  const std::string address_;
  const std::shared_ptr<PeerCounters> counters_;

  // Owned by the control actor.
  Rng rng_;
  Duration backoff_;
  std::optional<Actor::TimerId> reconnect_timer_;
  std::optional<Actor::TimerId> hello_timer_;

  mutable Mutex mu_;
  SendQueue queue_ SIS_GUARDED_BY(mu_);
  std::shared_ptr<OutboundCall> call_ SIS_GUARDED_BY(mu_);  // The attempt or connection.
  bool broken_ SIS_GUARDED_BY(mu_) = false;   // call_ is of no use and waits for its end.
  bool ready_ SIS_GUARDED_BY(mu_) = false;    // call_ takes messages.
  bool writing_ SIS_GUARDED_BY(mu_) = false;  // A batch of call_ is in flight.
  bool wrote_ SIS_GUARDED_BY(mu_) = false;    // call_ was given a batch.
  bool closed_ SIS_GUARDED_BY(mu_) = false;
  bool failed_ SIS_GUARDED_BY(mu_) = false;  // OnSendFailed was called, nothing got through since.
  std::string last_error_ SIS_GUARDED_BY(mu_);
};

}  // namespace sisyphus::transport

#endif  // SISYPHUS_TRANSPORT_OUTBOUND_STREAM_H_
