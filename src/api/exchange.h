// Exchange: one request and its answer, as a handler sees them; and the handler's interface.
//
// A connection answers its requests one after the other, in their order: the next one is read when
// the previous one has its answer. A handler either responds inside OnRequest or suspends the
// exchange and responds when it is resumed; everything happens on the connection's io thread but
// Resumer::Resume, which any thread may call. An answer may also be a stream of pieces.
#ifndef SISYPHUS_API_EXCHANGE_H_
#define SISYPHUS_API_EXCHANGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "api/http_types.h"
#include "api/problem.h"
#include "api/request_head.h"
#include "base/clock.h"
#include "node/operation.h"

namespace sisyphus::api {

class CompletionQueue;
class Exchange;

// The way back to a suspended exchange. Movable. Harmless when the connection or the listener is
// gone. Destroyed without a call, it answers 500, outcome unknown: no request waits for ever.
class Resumer {
 public:
  using Continuation = absl::AnyInvocable<void(Exchange&)>;

  Resumer(std::shared_ptr<CompletionQueue> queue, uint32_t slot, uint64_t serial);
  Resumer(Resumer&&) = default;
  Resumer& operator=(Resumer&&) = delete;
  ~Resumer();

  // Calls `then` on the exchange's io thread, soon, unless its connection is gone: then `then` is
  // dropped. At most once.
  void Resume(Continuation then);

 private:
  std::shared_ptr<CompletionQueue> queue_;  // Null when used.
  uint32_t slot_;
  uint64_t serial_;
};

// A body that is made piece by piece, as fast as the peer takes it. Destroyed on the io thread when
// its exchange has ended, in whatever way: the peer may just be gone. It then lets go of
// everything.
class AnswerStream {
 public:
  virtual ~AnswerStream() = default;

  // The peer has taken all there was. Io thread; must return quickly. What `resumer` is given calls
  // one of Exchange's SendPiece, EndStream and AbortStream.
  virtual void Produce(Resumer resumer) = 0;
};

enum class StreamKind : uint8_t {
  kFinite,   // A request in flight until its end.
  kEndless,  // Ends when the peer, or the server, goes away: nobody waits for it.
};

class Exchange {
 public:
  virtual ~Exchange() = default;

  // The request. Views are good inside OnHead and OnRequest only.
  virtual const RequestHead& head() const = 0;
  virtual std::string& body() = 0;  // May be moved out.

  // These stay until the answer.
  Method method() const { return method_; }
  MonotonicTime started() const { return started_; }  // When its head had come.
  size_t thread() const { return thread_; }           // Of the io threads, from 0.

  // A number of the handler's, for OnAnswered. 0 at first.
  void set_endpoint(size_t endpoint) { endpoint_ = endpoint; }
  size_t endpoint() const { return endpoint_; }

  // What the request's `traceparent` says; empty: it has none.
  void set_trace_parent(const node::TraceParent& parent) { trace_parent_ = parent; }
  const node::TraceParent& trace_parent() const { return trace_parent_; }
  // Where the node is to say where its time went. Made by the first call; null if there was none.
  const node::TracePointer& OpenTrace() {
    if (trace_ == nullptr) {
      trace_ = std::make_shared<node::OperationTrace>();
      trace_->parent = trace_parent_;
    }
    return trace_;
  }
  const node::TracePointer& trace() const { return trace_; }
  // What was waited for before the local state could be read.
  void set_read_wait(Duration wait) { read_wait_ = wait; }
  Duration read_wait() const { return read_wait_; }

  // Inside OnHead: a larger body is refused with 413 as soon as that is known.
  void set_body_limit(size_t bytes) { body_limit_ = bytes; }

  // Exactly once, unless suspended; after that exactly once in what Resume is given.
  virtual void Respond(Answer answer) = 0;
  void RespondProblem(const Problem& problem, std::string_view more_headers = {});

  virtual Resumer Suspend() = 0;

  // In place of Respond: `head`, without a body, and then what `stream` produces, in chunks (to a
  // client of HTTP/1.0: until the connection closes).
  virtual void RespondStream(Answer head, StreamKind kind,
                             std::unique_ptr<AnswerStream> stream) = 0;
  virtual void SendPiece(std::string_view piece) = 0;  // Not empty.
  virtual void EndStream() = 0;
  // The body cannot be finished: the connection ends, and the peer sees that something is missing.
  virtual void AbortStream() = 0;

  // Empty buffers of the io thread, to build an answer in. One answer at a time.
  virtual std::string& header_scratch() = 0;
  virtual std::string& body_scratch() = 0;

 protected:
  virtual NodeId Leader() const = 0;

  Method method_ = Method::kOther;
  MonotonicTime started_;
  size_t thread_ = 0;
  size_t endpoint_ = 0;
  size_t body_limit_ = 0;
  node::TraceParent trace_parent_;
  node::TracePointer trace_;
  Duration read_wait_{};
};

// Called on io threads: at once by as many as there are.
class HttpHandler {
 public:
  virtual ~HttpHandler() = default;

  // The head is read. May set the endpoint and the body's limit, or respond: then the body is not
  // read.
  virtual void OnHead(Exchange& exchange) = 0;

  // Head and body are read.
  virtual void OnRequest(Exchange& exchange) = 0;

  // After each response (also those of requests that could not be read).
  virtual void OnAnswered(const Exchange& exchange, int status) = 0;

  // Appends the header lines that every answer carries, also those of the listener itself.
  virtual void AppendCommonHeaders(const Answer& answer, std::string* out) = 0;

  // For problems; kNoNode when unknown.
  virtual NodeId Leader() const = 0;
};

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_EXCHANGE_H_
