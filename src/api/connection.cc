#include "api/connection.h"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <charconv>
#include <limits>
#include <utility>

#include "base/check.h"

namespace sisyphus::api {
namespace {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;

// A body of this size is sent from where it is, not copied behind its headers.
constexpr size_t kBigBodyBytes = 16 << 10;

// A body of this size counts as bytes in flight until the peer has taken it.
constexpr size_t kCountedBodyBytes = 64 << 10;

// Answers to pipelined requests are gathered up to here before they are written.
constexpr size_t kFlushBytes = 64 << 10;

// Reads in a row from one connection before others get their turn.
constexpr int kReadsPerTurn = 8;

bool HasNoBody(int status) { return status == 204 || status == 304; }

bool WouldBlock(const ErrorCode& error) {
  return error == asio::error::would_block || error == asio::error::try_again;
}

ReaderLimits LimitsOf(const ListenerOptions& options) {
  return {.max_request_line_bytes = options.max_request_line_bytes,
          .max_field_bytes = options.max_field_bytes};
}

void AppendHex(std::string* out, size_t value) {
  char digits[2 * sizeof(value)];
  const auto result = std::to_chars(digits, digits + sizeof(digits), value, 16);
  out->append(digits, static_cast<size_t>(result.ptr - digits));
}

void Release(std::string* s) { std::string().swap(*s); }

}  // namespace

Connection::Connection(IoThread* thread, Socket socket, ConnectionGate::Pass pass, uint32_t slot)
    : io_(thread),
      socket_(std::move(socket)),
      pass_(std::move(pass)),
      slot_(slot),
      reader_(LimitsOf(thread->shared().options)) {
  thread_ = io_->number();
}

Connection::~Connection() = default;

NodeId Connection::Leader() const { return io_->shared().handler->Leader(); }

std::string& Connection::header_scratch() {
  io_->header_scratch().clear();
  return io_->header_scratch();
}

std::string& Connection::body_scratch() {
  io_->body_scratch().clear();
  return io_->body_scratch();
}

void Connection::Start() {
  if (pass_.admission() != Admission::kServed) {
    OnUnreadable({429, pass_.admission() == Admission::kTooMany
                           ? "too many connections"
                           : "too many connections from your address"});
    return Flush();
  }
  UpdateReadDeadline();
  AwaitReadable();
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  pass_.Return();  // Before the peer can see the end and come again.
  ErrorCode ignored;
  socket_.close(ignored);
  Unlink();
  stream_.reset();
  io_->shared().ReleaseBytes(reserved_bytes_);
  reserved_bytes_ = 0;
  ReleaseAnswerBytes();
  if (std::exchange(counted_, false)) io_->shared().RequestEnds();
  io_->Remove(this);
}

// --- Reading ---

void Connection::AwaitReadable() {
  if (awaits_readable_) return;
  awaits_readable_ = true;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const ErrorCode& error) {
    self->awaits_readable_ = false;
    if (!error) self->OnReadable();
  });
}

void Connection::OnReadable() {
  if (state_ == State::kLingering) return DropIncoming();
  if (state_ == State::kStreaming) return OnStreamReadable();
  for (int i = 0; i < kReadsPerTurn && state_ == State::kReading && !writing_; ++i) {
    ErrorCode error;
    const size_t n =
        socket_.read_some(asio::buffer(io_->read_buffer(), IoThread::kReadBytes), error);
    if (WouldBlock(error)) break;
    if (error || n == 0) return Close();  // A request that is not whole is dropped.
    io_->shared().received_bytes.AddShared(n);
    Process({io_->read_buffer(), n});
    if (n < IoThread::kReadBytes) return;
  }
  if (state_ == State::kReading && !writing_) AwaitReadable();
}

void Connection::Process(std::string_view input) {
  while (state_ == State::kReading && !close_after_ && !writing_) {
    const RequestReader::Event event = reader_.Read(&input);
    if (event == RequestReader::Event::kNeedMore) {
      if (!ReserveBodyBytes()) RespondAndClose(MakeProblem(429, "too many bytes in flight"));
      break;
    }
    if (event == RequestReader::Event::kHead) {
      OnHead(input);
    } else if (event == RequestReader::Event::kComplete) {
      OnComplete();
    } else {
      OnUnreadable(reader_.error());
    }
    if (io_->out().size() >= kFlushBytes || !big_body_.empty()) Flush();
  }
  if (!close_after_ && state_ != State::kClosed && !input.empty()) pending_.assign(input);
  Flush();
  if (state_ == State::kReading && !writing_) {
    UpdateReadDeadline();
    AwaitReadable();
  }
}

void Connection::ProcessPending() {
  const std::string input = std::exchange(pending_, std::string());
  Process(input);
}

void Connection::OnHead(std::string_view behind) {
  const RequestHead& head = reader_.head();
  method_ = MethodFromToken(head.method());
  started_ = io_->Now();
  endpoint_ = 0;
  body_limit_ = io_->shared().options.max_body_bytes;
  answered_ = false;
  trace_parent_ = {};
  trace_.reset();
  read_wait_ = {};
  body_to_come_ = head.has_body() && (head.chunked() || head.content_length() > behind.size());
  if (HttpError error = head.CheckHost(); !error.ok()) {
    RespondProblem(MakeProblem(error.status, std::string(error.message)));
  } else {
    io_->shared().handler->OnHead(*this);
  }
  if (!answered_ && !head.chunked() && head.content_length() > body_limit_) {
    RespondProblem(
        MakeProblem(413, "the body is larger than " + std::to_string(body_limit_) + " bytes"));
  }
  if (!answered_ && !ReserveBodyBytes()) {
    RespondProblem(MakeProblem(429, "too many bytes in flight"));
  }
  // What was answered already still has its (complete) body to be skipped.
  reader_.set_body_limit(answered_ ? std::numeric_limits<size_t>::max() : body_limit_);
  if (!answered_ && head.expects_continue() && head.has_body() && behind.empty()) {
    io_->out().append("HTTP/1.1 100 Continue\r\n\r\n");
  }
}

void Connection::OnComplete() {
  body_to_come_ = false;
  if (!answered_) {
    if (!counted_) {
      counted_ = true;
      io_->shared().RequestBegins();
    }
    io_->shared().handler->OnRequest(*this);
  }
  if (answered_ && state_ != State::kStreaming) return FinishExchange();
  SIS_CHECK(state_ != State::kReading || answered_, "a handler responds or suspends");
}

void Connection::OnUnreadable(const HttpError& error) {
  if (!reader_.in_body()) {  // No head, no OnHead.
    trace_parent_ = {};
    trace_.reset();
    read_wait_ = {};
    method_ = Method::kOther;
    started_ = io_->Now();
    endpoint_ = 0;
  }
  RespondAndClose(MakeProblem(error.status, std::string(error.message)));
}

bool Connection::ReserveBodyBytes() {
  if (!reader_.in_body()) return true;
  const size_t wanted = reader_.head().chunked()
                            ? reader_.body().size()
                            : static_cast<size_t>(reader_.head().content_length());
  if (wanted <= reserved_bytes_) return true;
  if (!io_->shared().ReserveBytes(wanted - reserved_bytes_)) {
    io_->shared().refused_body_bytes.AddShared();
    return false;
  }
  reserved_bytes_ = wanted;
  return true;
}

// What was done must be told, whatever it takes; a read can be asked for again.
bool Connection::ReserveAnswerBytes(const Answer& answer) {
  const size_t wanted = answer.owned_body.size();
  if (wanted < kCountedBodyBytes || method_ == Method::kHead) return true;
  if (!io_->shared().ReserveBytes(wanted)) {
    if (method_ == Method::kGet) return false;
    io_->shared().ReserveBytesAnyway(wanted);
  }
  answer_bytes_ += wanted;
  return true;
}

void Connection::ReleaseAnswerBytes() {
  io_->shared().ReleaseBytes(std::exchange(answer_bytes_, 0));
}

void Connection::UpdateReadDeadline() {
  const IoThread::Wait wait = reader_.in_body() ? IoThread::Wait::kBody
                              : reader_.begun() ? IoThread::Wait::kHeader
                                                : IoThread::Wait::kIdle;
  if (!progressed_ && list() != nullptr && io_->WaitOf(*this) == wait) return;
  progressed_ = false;
  io_->SetDeadline(this, wait);
}

void Connection::OnDeadline(IoThread::Wait wait) {
  if (wait != IoThread::Wait::kHeader && wait != IoThread::Wait::kBody) return Close();
  OnUnreadable({408, "the request did not come in time"});
  Flush();
}

// --- Answering ---

Resumer Connection::Suspend() {
  SIS_CHECK(state_ == State::kReading && !answered_, "only an open exchange can be suspended");
  state_ = State::kWaiting;
  if (!writing_) Unlink();
  waiting_serial_ = io_->NextSerial();
  return Resumer(io_->completions(), slot_, waiting_serial_);
}

void Connection::Resume(uint64_t serial, Resumer::Continuation then) {
  if (waiting_serial_ == 0 || serial != waiting_serial_) return;
  const auto self = shared_from_this();
  waiting_serial_ = 0;
  if (state_ == State::kWaiting) state_ = State::kReading;
  then(*this);
  if (state_ == State::kStreaming) return Flush();
  if (state_ == State::kClosed) return;
  if (!answered_) {
    SIS_CHECK(state_ == State::kWaiting, "a resumed handler responds or suspends");
    return;
  }
  FinishExchange();
  ProcessPending();
}

void Connection::RespondAndClose(const Problem& problem) {
  answered_ = false;
  close_after_ = true;
  RespondProblem(problem);
}

void Connection::Respond(Answer answer) {
  if (stream_ != nullptr) return AbortStream();  // Too late for another answer.
  const std::string_view body =
      answer.owned_body.empty() ? answer.body : std::string_view(answer.owned_body);
  const bool has_body = !HasNoBody(answer.status);
  if (has_body && !ReserveAnswerBytes(answer)) {
    return RespondProblem(MakeProblem(429, "too many bytes in flight"));
  }
  AppendHead(answer, has_body ? Framing::kLength : Framing::kNone, body.size());
  if (has_body && method_ != Method::kHead) {
    if (answer.owned_body.size() >= kBigBodyBytes) {
      big_body_ = std::move(answer.owned_body);
    } else {
      io_->out().append(body);
    }
  }
  io_->shared().handler->OnAnswered(*this, answer.status);
}

void Connection::AppendHead(const Answer& answer, Framing framing, size_t body_bytes) {
  SIS_CHECK(!answered_, "an exchange is answered once");
  answered_ = true;
  const RequestHead& head = reader_.head();
  const bool old_client = head.minor_version() == 0;
  const bool close = close_after_ || answer.close || body_to_come_ || !head.keep_alive() ||
                     (framing == Framing::kStream && old_client) ||
                     io_->shared().draining.load(std::memory_order_relaxed);
  if (answer.status == 429) {
    io_->shared().refused_overload.fetch_add(1, std::memory_order_relaxed);
  }
  std::string& out = io_->out();
  out.append("HTTP/1.1 ");
  AppendNumber(&out, static_cast<uint64_t>(answer.status));
  out.push_back(' ');
  out.append(ReasonPhrase(answer.status));
  out.append("\r\n");
  out.append(answer.headers);
  io_->shared().handler->AppendCommonHeaders(answer, &out);
  if (!answer.content_type.empty()) {
    out.append("Content-Type: ");
    out.append(answer.content_type);
    out.append("\r\n");
  }
  if (framing == Framing::kLength) {
    out.append("Content-Length: ");
    AppendNumber(&out, body_bytes);
    out.append("\r\n");
  } else if (framing == Framing::kStream && !old_client) {
    out.append("Transfer-Encoding: chunked\r\n");
  }
  if (close) {
    out.append("Connection: close\r\n");
  } else if (old_client) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
  close_after_ = close;
}

void Connection::FinishExchange() {
  io_->shared().ReleaseBytes(reserved_bytes_);
  reserved_bytes_ = 0;
  progressed_ = true;
  reader_.Next();
}

// --- Streaming ---

void Connection::RespondStream(Answer head, StreamKind kind, std::unique_ptr<AnswerStream> stream) {
  SIS_CHECK(state_ == State::kReading && !body_to_come_, "a stream answers a whole request");
  AppendHead(head, Framing::kStream, 0);
  io_->shared().handler->OnAnswered(*this, head.status);
  if (method_ == Method::kHead) return;
  state_ = State::kStreaming;
  stream_ = std::move(stream);
  endless_ = kind == StreamKind::kEndless;
}

void Connection::AskForPiece() {
  Unlink();
  waiting_serial_ = io_->NextSerial();
  AwaitReadable();
  stream_->Produce(Resumer(io_->completions(), slot_, waiting_serial_));
}

void Connection::SendPiece(std::string_view piece) {
  SIS_CHECK(stream_ != nullptr && !piece.empty(), "a piece of no stream, or an empty one");
  std::string& out = io_->out();
  if (reader_.head().minor_version() == 0) {
    out.append(piece);
    return;
  }
  AppendHex(&out, piece.size());
  out.append("\r\n").append(piece).append("\r\n");
}

void Connection::EndStream() {
  SIS_CHECK(stream_ != nullptr, "a stream ends once");
  if (reader_.head().minor_version() != 0) io_->out().append("0\r\n\r\n");
  stream_.reset();
  state_ = State::kReading;
}

void Connection::AbortStream() {
  stream_.reset();
  io_->out().clear();
  Close();
}

// A peer that has ended its side is taken to be gone if the stream is endless; it may still wait
// for the end of any other. What it sends ahead stays in the kernel until the stream has ended.
void Connection::OnStreamReadable() {
  char first = 0;
  ErrorCode error;
  socket_.receive(asio::buffer(&first, 1), Socket::message_peek, error);
  if (WouldBlock(error)) return AwaitReadable();
  if (error == asio::error::eof && !endless_) return;
  if (error) Close();
}

// --- Writing ---

void Connection::Flush() {
  std::string& out = io_->out();
  if (state_ == State::kClosed) return out.clear();
  if (writing_) {
    unsent_.append(out);
    return out.clear();
  }
  const std::string_view head = unsent_.empty() ? std::string_view(out) : unsent_;
  const size_t total = head.size() + big_body_.size();
  while (sent_ < total) {
    const size_t head_sent = std::min(sent_, head.size());
    const std::array<asio::const_buffer, 2> buffers = {
        asio::buffer(head.data() + head_sent, head.size() - head_sent),
        asio::buffer(big_body_.data() + (sent_ - head_sent),
                     big_body_.size() - (sent_ - head_sent))};
    ErrorCode error;
    const size_t written = socket_.write_some(buffers, error);
    io_->shared().sent_bytes.AddShared(written);
    sent_ += written;
    if (WouldBlock(error)) {
      if (unsent_.empty()) unsent_.swap(out);
      out.clear();
      writing_ = true;
      if (list() == nullptr || io_->WaitOf(*this) != IoThread::Wait::kWrite) {
        io_->SetDeadline(this, IoThread::Wait::kWrite);
      }
      socket_.async_wait(Socket::wait_write, [self = shared_from_this()](const ErrorCode& e) {
        if (!e) self->OnWritable();
      });
      return;
    }
    if (error) {
      out.clear();
      return Close();
    }
  }
  out.clear();
  AfterFlush();
}

void Connection::AfterFlush() {
  sent_ = 0;
  if (unsent_.capacity() > 0) Release(&unsent_);
  if (!big_body_.empty()) Release(&big_body_);
  if (answer_bytes_ > 0) ReleaseAnswerBytes();
  if (counted_ && state_ != State::kWaiting && (state_ != State::kStreaming || endless_)) {
    counted_ = false;
    io_->shared().RequestEnds();
  }
  if (state_ == State::kStreaming && waiting_serial_ == 0) return AskForPiece();
  if (close_after_ && state_ == State::kReading) BeginLinger();
}

void Connection::OnWritable() {
  if (state_ == State::kClosed) return;
  writing_ = false;
  progressed_ = true;
  Flush();
  if (writing_ || state_ == State::kClosed) return;
  if (state_ == State::kWaiting) return Unlink();
  if (state_ == State::kReading) ProcessPending();
}

// Closing at once, with bytes of the peer unread, would make the kernel send a reset, which can
// destroy the answer before the peer has read it (RFC 9112, 9.6).
void Connection::BeginLinger() {
  state_ = State::kLingering;
  Release(&pending_);
  FinishExchange();
  ErrorCode ignored;
  socket_.shutdown(Socket::shutdown_send, ignored);
  io_->SetDeadline(this, IoThread::Wait::kLinger);
  AwaitReadable();
}

void Connection::DropIncoming() {
  for (int i = 0; i < kReadsPerTurn; ++i) {
    ErrorCode error;
    const size_t n =
        socket_.read_some(asio::buffer(io_->read_buffer(), IoThread::kReadBytes), error);
    if (WouldBlock(error)) break;
    if (error || n == 0) return Close();
  }
  AwaitReadable();
}

}  // namespace sisyphus::api
