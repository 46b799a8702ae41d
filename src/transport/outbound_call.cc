#include "transport/outbound_call.h"

#include <grpc/grpc.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "transport/codec.h"

namespace sisyphus::transport {
namespace {

int Milliseconds(Duration d) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
}

std::shared_ptr<grpc::Channel> NewChannel(const std::string& address,
                                          const GrpcTransportOptions& options) {
  grpc::ChannelArguments args;
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // Nothing is left of earlier attempts.
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, Milliseconds(options.connect_timeout));
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // They would keep copies of what is sent.
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  args.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(options.keepalive));
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(options.keepalive));
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  args.SetMaxSendMessageSize(kMaxFrameBytes);
  return grpc::CreateCustomChannel("dns:///" + address, grpc::InsecureChannelCredentials(), args);
}

google::protobuf::ArenaOptions ArenaOptionsFor(char* block, size_t size) {
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = size;
  options.max_block_size = 256 << 10;
  return options;
}

}  // namespace

OutboundCall::OutboundCall(std::shared_ptr<OutboundStream> stream,
                           const GrpcTransportOptions& options, NodeId peer,
                           const std::string& address, const std::string& own_address)
    : stream_(std::move(stream)),
      peer_(peer),
      channel_(NewChannel(address, options)),
      stub_(peer::PeerStream::NewStub(channel_)),
      arena_(ArenaOptionsFor(arena_block_.data(), arena_block_.size())) {
  peer::Frame* frame = NewFrame();
  peer::Hello* hello = frame->mutable_hello();
  hello->set_protocol_version(kProtocolVersion);
  hello->set_cluster_id(options.cluster_id);
  hello->set_from(options.id.value());
  hello->set_to(peer.value());
  hello->set_peer_address(own_address);
  hello->set_http_address(options.http_address);
  hello->set_version(options.version);
  stub_->async()->Connect(&context_, this);
  AddHold();
  StartRead(&reply_);
  StartWrite(frame);
}

void OutboundCall::Begin(InFlight* calls) {
  calls_ = calls;
  self_ = shared_from_this();
  StartCall();
}

peer::Frame* OutboundCall::NewFrame() {
  arena_.Reset();
  return google::protobuf::Arena::CreateMessage<peer::Frame>(&arena_);
}

bool OutboundCall::Write(const std::vector<node::PeerMessage>& batch) {
  {
    MutexLock lock(mu_);
    if (broken_) return false;
    writing_ = true;
  }
  peer::Frame* frame = NewFrame();
  frame->mutable_messages()->Reserve(static_cast<int>(batch.size()));
  for (const node::PeerMessage& message : batch) EncodeMessage(message, frame->add_messages());
  frame_messages_ = batch.size();
  frame_bytes_ = frame->ByteSizeLong();
  StartWrite(frame);
  return true;
}

void OutboundCall::OnWriteDone(bool ok) {
  bool hello = false;
  bool release = false;
  {
    MutexLock lock(mu_);
    hello = !hello_written_;
    hello_written_ = true;
    writing_ = false;
    if (!ok) broken_ = true;
    release = broken_ && held_;
    if (release) held_ = false;
  }
  if (release) {
    stream_->CallBroke(this);
    RemoveHold();
  } else if (hello) {
    HelloDone();
  } else if (ok) {
    stream_->CallWrote(shared_from_this(), frame_messages_, frame_bytes_);
  }
}

void OutboundCall::OnReadDone(bool ok) {
  if (!ok) return Break();
  bool acceptable = false;
  {
    MutexLock lock(mu_);
    if (hello_answered_) {
      protocol_error_ = MakeStatus(StatusCode::kFailedPrecondition,
                                   "node " + ToString(peer_) + " said more than hello");
    } else if (NodeId(reply_.id()) != peer_) {
      protocol_error_ = MakeStatus(
          StatusCode::kFailedPrecondition,
          "node " + std::to_string(reply_.id()) + " answered instead of node " + ToString(peer_));
    } else {
      acceptable = hello_answered_ = true;
    }
  }
  if (acceptable) return HelloDone();
  Cancel();
  Break();
}

void OutboundCall::TimedOut() {
  {
    MutexLock lock(mu_);
    protocol_error_ = MakeStatus(StatusCode::kDeadlineExceeded,
                                 "node " + ToString(peer_) + " does not answer hello in time");
  }
  Cancel();
}

// The answer may be seen before the end of the write is; whoever comes second goes on.
void OutboundCall::HelloDone() {
  {
    MutexLock lock(mu_);
    if (!hello_written_ || !hello_answered_ || std::exchange(hello_done_, true)) return;
  }
  stream_->CallReady(
      shared_from_this(),
      {.id = peer_, .http_address = reply_.http_address(), .version = reply_.version()});
  StartRead(&reply_);  // Ends when the stream does.
}

void OutboundCall::Break() {
  bool release = false;
  {
    MutexLock lock(mu_);
    broken_ = true;
    release = !writing_ && held_;
    if (release) held_ = false;
  }
  stream_->CallBroke(this);
  if (release) RemoveHold();
}

void OutboundCall::OnDone(const grpc::Status& status) {
  Status result;
  {
    MutexLock lock(mu_);
    result = protocol_error_;
  }
  if (result.ok()) {
    result = status.ok()
                 ? MakeStatus(StatusCode::kUnavailable, "the peer closed the stream")
                 : MakeStatus(static_cast<StatusCode>(status.error_code()), status.error_message());
  }
  std::shared_ptr<OutboundCall> self = std::move(self_);
  InFlight* calls = calls_;
  stream_->CallEnded(self, std::move(result));
  self.reset();
  calls->Exit();
}

}  // namespace sisyphus::transport
