#include "transport/inbound_stream.h"

#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include <utility>
#include <vector>

#include "transport/codec.h"

namespace sisyphus::transport {
namespace {

google::protobuf::ArenaOptions ArenaOptionsFor(char* block, size_t size) {
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = size;
  options.max_block_size = 256 << 10;
  return options;
}

}  // namespace

InboundStream::InboundStream(InboundService* service, Environment* env)
    : service_(service),
      env_(env),
      arena_(ArenaOptionsFor(arena_block_.data(), arena_block_.size())) {}

void InboundStream::Begin() {
  self_ = shared_from_this();
  StartRead(&buffer_);
}

void InboundStream::Accept(std::shared_ptr<PeerCounters> counters) {
  counters_ = std::move(counters);
  peer::HelloReply reply;
  reply.set_id(env_->options.id.value());
  reply.set_http_address(env_->options.http_address);
  reply.set_version(env_->options.version);
  const grpc::Slice slice(reply.SerializeAsString());
  reply_ = grpc::ByteBuffer(&slice, 1);
  StartWrite(&reply_);
}

void InboundStream::OnWriteDone(bool ok) {
  reply_.Clear();
  if (!ok) return Fail(grpc::StatusCode::CANCELLED, "the stream broke");
  StartRead(&buffer_);
}

void InboundStream::End(grpc::Status status) {
  if (!ended_.exchange(true)) Finish(std::move(status));
}

void InboundStream::Fail(grpc::StatusCode code, const std::string& message) {
  if (counters_ != nullptr) service_->Ended(shared_from_this());
  End(grpc::Status(code, message));
}

void InboundStream::OnReadDone(bool ok) {
  if (!ok) return Fail(grpc::StatusCode::CANCELLED, "the stream was closed by its opener");
  const size_t bytes = buffer_.Length();
  arena_.Reset();
  auto* frame = google::protobuf::Arena::CreateMessage<peer::Frame>(&arena_);
  bool parsed = false;
  {
    grpc::ProtoBufferReader reader(&buffer_);
    parsed = reader.status().ok() && frame->ParseFromZeroCopyStream(&reader);
  }
  buffer_.Clear();
  if (!parsed) {
    return Fail(grpc::StatusCode::INVALID_ARGUMENT,
                "malformed peer message: " + std::to_string(bytes) + " bytes are not a frame");
  }
  if (counters_ == nullptr) return ReadHello(*frame);
  counters_->received_bytes += bytes;
  Deliver(frame);
}

void InboundStream::ReadHello(const peer::Frame& frame) {
  if (!frame.has_hello() || frame.messages_size() != 0) {
    return Fail(grpc::StatusCode::INVALID_ARGUMENT,
                "malformed peer message: the first frame has to be a hello");
  }
  const Status status = service_->CheckHello(frame.hello());
  if (!status.ok()) {
    return Fail(static_cast<grpc::StatusCode>(status.code()), std::string(MessageOf(status)));
  }
  peer_ = NodeId(frame.hello().from());
  if (!service_->HelloCame(shared_from_this(), frame.hello())) {
    return Fail(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many peers connect at once");
  }
}

void InboundStream::Deliver(peer::Frame* frame) {
  StatusOr<std::vector<node::PeerMessage>> messages = DecodeFrame(frame, peer_, env_->options.id);
  if (!messages.ok()) {
    return Fail(static_cast<grpc::StatusCode>(messages.status().code()),
                std::string(MessageOf(messages.status())));
  }
  counters_->received_messages += messages->size();
  // A stream that was replaced has nothing more to say.
  if (ended_ || !env_->deliveries.Enter()) return;
  env_->handler.load()->OnMessages(peer_, *std::move(messages));
  env_->deliveries.Exit();
  StartRead(&buffer_);
}

void InboundStream::OnDone() {
  std::shared_ptr<InboundStream> self = std::move(self_);
  InFlight* inbound = &env_->inbound;
  service_->Forget(self);
  self.reset();
  inbound->Exit();
}

}  // namespace sisyphus::transport
