// Connection: one client's TCP connection, from accept to close. Inside the listener only.
//
//   reading -> (handler) -> reading ...        the answer was given inside the call
//           -> waiting -> reading ...          the handler suspended the exchange
//   reading, waiting -> streaming -> reading ... the answer comes in pieces
//   any of them -> lingering -> closed         the last answer is out; the peer's rest is dropped
//
// Nothing is read while waiting, nor while the peer does not take what was written: the kernel's
// window then holds it back. While streaming the connection listens for the peer's going away.
#ifndef SISYPHUS_API_CONNECTION_H_
#define SISYPHUS_API_CONNECTION_H_

#include <memory>
#include <string>
#include <string_view>

#include "api/connection_gate.h"
#include "api/deadline_list.h"
#include "api/exchange.h"
#include "api/io_thread.h"
#include "api/request_reader.h"

namespace sisyphus::api {

class Connection final : public Exchange,
                         public DeadlineNode,
                         public std::enable_shared_from_this<Connection> {
 public:
  Connection(IoThread* thread, Socket socket, ConnectionGate::Pass pass, uint32_t slot);
  ~Connection() override;

  void Start();  // Serves, or refuses if that is what its pass says.
  void Resume(uint64_t serial, Resumer::Continuation then);
  void OnDeadline(IoThread::Wait wait);
  void Close();

  uint32_t slot() const { return slot_; }

  // Exchange.
  const RequestHead& head() const override { return reader_.head(); }
  std::string& body() override { return reader_.body(); }
  void Respond(Answer answer) override;
  Resumer Suspend() override;
  void RespondStream(Answer head, StreamKind kind, std::unique_ptr<AnswerStream> stream) override;
  void SendPiece(std::string_view piece) override;
  void EndStream() override;
  void AbortStream() override;
  std::string& header_scratch() override;
  std::string& body_scratch() override;

 private:
  enum class State : uint8_t { kReading, kWaiting, kStreaming, kLingering, kClosed };

  NodeId Leader() const override;

  void AwaitReadable();
  void OnReadable();
  void OnWritable();
  void DropIncoming();

  // Reads requests out of `input`, hands them to the handler, writes what was answered.
  void Process(std::string_view input);
  void ProcessPending();
  void OnHead(std::string_view behind);
  void OnComplete();
  void OnUnreadable(const HttpError& error);
  bool ReserveBodyBytes();
  bool ReserveAnswerBytes(const Answer& answer);
  void ReleaseAnswerBytes();
  void RespondAndClose(const Problem& problem);
  void FinishExchange();

  enum class Framing : uint8_t { kNone, kLength, kStream };
  void AppendHead(const Answer& answer, Framing framing, size_t body_bytes);
  void AskForPiece();
  void OnStreamReadable();
  void UpdateReadDeadline();

  void Flush();
  void AfterFlush();
  void BeginLinger();

  IoThread* const io_;
  Socket socket_;
  ConnectionGate::Pass pass_;
  const uint32_t slot_;
  RequestReader reader_;
  State state_ = State::kReading;

  // Of the exchange under way.
  bool answered_ = false;
  bool body_to_come_ = false;    // An answer now would leave a body unread.
  uint64_t waiting_serial_ = 0;  // Of the Resumer that may wake it.
  size_t reserved_bytes_ = 0;
  std::unique_ptr<AnswerStream> stream_;  // While streaming.
  bool endless_ = false;

  bool awaits_readable_ = false;
  bool writing_ = false;      // The peer does not take what is in unsent_ and big_body_.
  bool close_after_ = false;  // The last answer is in the output.
  bool counted_ = false;      // As a request in flight.
  bool progressed_ = true;    // An exchange ended since the deadline was set.
  std::string pending_;       // Read, behind the request under way.
  std::string unsent_;
  std::string big_body_;     // Sent behind unsent_.
  size_t sent_ = 0;          // Of both together.
  size_t answer_bytes_ = 0;  // Of these, in flight.
};

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_CONNECTION_H_
