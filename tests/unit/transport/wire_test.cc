// What strangers, strays and broken peers do to the listener: a raw gRPC client speaks here.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "proto/peer.grpc.pb.h"
#include "tests/unit/transport/harness.h"
#include "transport/codec.h"

namespace sisyphus::transport {
namespace {

peer::Frame HelloFrame(uint64_t from, uint64_t to) {
  peer::Frame frame;
  frame.mutable_hello()->set_protocol_version(1);
  frame.mutable_hello()->set_cluster_id("cluster-a");
  frame.mutable_hello()->set_from(from);
  frame.mutable_hello()->set_to(to);
  frame.mutable_hello()->set_http_address("raw");
  return frame;
}

peer::Frame HeartbeatFrame(raft::Round round) {
  peer::Frame frame;
  EncodeMessage(Heartbeat(NodeId(9), NodeId(1), round), frame.add_messages());
  return frame;
}

// One stream to a listener, spoken by hand.
class RawStream {
 public:
  explicit RawStream(const std::string& address)
      : stub_(peer::PeerStream::NewStub(
            grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))),
        stream_(stub_->Connect(&context_)) {}

  bool Write(const peer::Frame& frame) { return stream_->Write(frame); }
  // False: the listener ended the stream.
  bool ReadReply() { return stream_->Read(&reply_); }
  const peer::HelloReply& reply() const { return reply_; }
  grpc::Status End() {
    stream_->WritesDone();
    peer::HelloReply rest;
    while (stream_->Read(&rest)) {
    }
    return stream_->Finish();
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<peer::PeerStream::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<peer::Frame, peer::HelloReply>> stream_;
  peer::HelloReply reply_;
};

void ExpectRefused(Peer& peer, const peer::Frame& first, grpc::StatusCode code,
                   const std::string& message) {
  RawStream stream(peer.transport->address());
  stream.Write(first);
  EXPECT_FALSE(stream.ReadReply());
  const grpc::Status status = stream.End();
  EXPECT_EQ(status.error_code(), code);
  EXPECT_EQ(status.error_message(), message);
  EXPECT_TRUE(peer.recorder.Events().empty());
}

TEST(WireTest, TheHelloIsAnsweredAndMessagesFlow) {
  Peer a(1);
  RawStream stream(a.transport->address());
  ASSERT_TRUE(stream.Write(HelloFrame(9, 1)));
  ASSERT_TRUE(stream.ReadReply());
  EXPECT_EQ(stream.reply().id(), 1u);
  EXPECT_EQ(stream.reply().http_address(), "http-1");
  EXPECT_EQ(stream.reply().version(), "1.2.1");
  ASSERT_TRUE(stream.Write(HeartbeatFrame(4)));
  ASSERT_TRUE(a.recorder.WaitForMessages(1));
  const auto messages = a.recorder.TakeMessages();
  const auto& message = std::get<raft::Message>(messages[0]);
  EXPECT_EQ(message.from, NodeId(9));
  EXPECT_EQ(message.to, NodeId(1));
  stream.End();
  EXPECT_TRUE(a.recorder.WaitForEvent("disconnected 9"));
}

TEST(WireTest, StrangersAreRefusedWithBothSidesNamed) {
  Peer a(1);
  const auto kRefused = grpc::StatusCode::FAILED_PRECONDITION;
  peer::Frame frame = HelloFrame(9, 1);
  frame.mutable_hello()->set_cluster_id("cluster-b");
  ExpectRefused(a, frame, kRefused,
                "node 9 belongs to cluster \"cluster-b\", node 1 belongs to cluster \"cluster-a\"");
  ExpectRefused(a, HelloFrame(9, 2), kRefused, "node 9 looks for node 2, this is node 1");
  frame = HelloFrame(9, 1);
  frame.mutable_hello()->set_protocol_version(2);
  ExpectRefused(a, frame, kRefused, "node 9 speaks peer protocol 2, node 1 speaks 1");
  ExpectRefused(a, HelloFrame(1, 1), kRefused, "node 1 cannot be a peer of node 1");
  ExpectRefused(a, HelloFrame(0, 1), kRefused, "node 0 cannot be a peer of node 1");
  frame = HelloFrame(9, 1);
  frame.mutable_hello()->set_cluster_id(std::string(1 << 20, 'x'));
  RawStream stream(a.transport->address());
  stream.Write(frame);
  EXPECT_EQ(stream.End().error_code(), kRefused);  // The answer does not repeat a megabyte.
}

TEST(WireTest, NobodyIsAcceptedBeforeStart) {
  auto transport = GrpcTransport::Listen(TestOptions(1));
  ASSERT_TRUE(transport.ok());
  RawStream stream((*transport)->address());
  stream.Write(HelloFrame(9, 1));
  EXPECT_FALSE(stream.ReadReply());
  EXPECT_EQ(stream.End().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(WireTest, TheFirstFrameHasToBeAHello) {
  Peer a(1);
  const std::string reason = "malformed peer message: the first frame has to be a hello";
  ExpectRefused(a, HeartbeatFrame(1), grpc::StatusCode::INVALID_ARGUMENT, reason);
  ExpectRefused(a, peer::Frame(), grpc::StatusCode::INVALID_ARGUMENT, reason);
  peer::Frame both = HelloFrame(9, 1);
  both.MergeFrom(HeartbeatFrame(1));
  ExpectRefused(a, both, grpc::StatusCode::INVALID_ARGUMENT, reason);
}

TEST(WireTest, AMalformedMessageEndsTheStreamAndOnlyIt) {
  Peer a(1);
  Peer b(2);
  Link(a, b);
  peer::Frame junk;
  junk.add_messages()->set_term(3);  // No body.
  peer::Frame wrong_code;
  wrong_code.add_messages()->mutable_read_index_reply()->set_code(1'000);
  int rounds = 0;
  for (const peer::Frame& frame : {junk, wrong_code, HelloFrame(9, 1), peer::Frame()}) {
    RawStream stream(a.transport->address());
    ASSERT_TRUE(stream.Write(HelloFrame(9, 1)));
    ASSERT_TRUE(stream.ReadReply());
    stream.Write(frame);
    EXPECT_FALSE(stream.ReadReply());
    EXPECT_EQ(stream.End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    ASSERT_TRUE(a.recorder.WaitForEvent("disconnected 9", ++rounds));
  }
  b.transport->Send(a.id, One(Heartbeat(b.id, a.id, 1)));
  EXPECT_TRUE(a.recorder.WaitForMessages(1));
  EXPECT_EQ(a.recorder.Count("disconnected 2"), 0);
}

// Bytes that are no protobuf at all: unknown fields carry them, cut short.
TEST(WireTest, BytesThatAreNoFrameEndTheStream) {
  Peer a(1);
  grpc::ClientContext context;
  auto channel = grpc::CreateChannel(a.transport->address(), grpc::InsecureChannelCredentials());
  // HelloReply's first field is a varint where Frame has a message: not parseable as a Frame.
  using JunkStream = grpc::ClientReaderWriter<peer::HelloReply, peer::HelloReply>;
  const grpc::internal::RpcMethod method("/sisyphus.peer.PeerStream/Connect",
                                         grpc::internal::RpcMethod::BIDI_STREAMING);
  std::unique_ptr<JunkStream> stream(
      grpc::internal::ClientReaderWriterFactory<peer::HelloReply, peer::HelloReply>::Create(
          channel.get(), method, &context));
  peer::HelloReply junk;
  junk.GetReflection()->MutableUnknownFields(&junk)->AddLengthDelimited(1, "\xff\xff\xff");
  ASSERT_TRUE(stream->Write(junk));
  peer::HelloReply reply;
  EXPECT_FALSE(stream->Read(&reply));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status.error_message(), "malformed peer message: 5 bytes are not a frame");
}

TEST(WireTest, ANewerStreamReplacesTheOlderWithoutADisconnect) {
  Peer a(1);
  RawStream older(a.transport->address());
  ASSERT_TRUE(older.Write(HelloFrame(9, 1)));
  ASSERT_TRUE(older.ReadReply());
  RawStream newer(a.transport->address());
  ASSERT_TRUE(newer.Write(HelloFrame(9, 1)));
  ASSERT_TRUE(newer.ReadReply());
  EXPECT_FALSE(older.ReadReply());
  const grpc::Status status = older.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(status.error_message(), "replaced by a newer stream of node 9");

  ASSERT_TRUE(newer.Write(HeartbeatFrame(1)));
  ASSERT_TRUE(a.recorder.WaitForMessages(1));
  EXPECT_EQ(a.recorder.Count("disconnected 9"), 0);
  EXPECT_TRUE(a.StatsOf(9).accepted);
  newer.End();
  ASSERT_TRUE(a.recorder.WaitForEvent("disconnected 9"));
  EXPECT_FALSE(a.StatsOf(9).accepted);
}

TEST(WireTest, TheOpenerHearsWhyItWasRefused) {
  Peer a(1);
  GrpcTransportOptions options = TestOptions(2);
  options.cluster_id = "cluster-b";
  Mutex mu;
  CondVar changed;
  Status error;
  options.on_connection_error = [&](NodeId peer, const Status& status) {
    EXPECT_EQ(peer, NodeId(1));
    MutexLock lock(mu);
    error = status;
    changed.SignalAll();
  };
  Peer b(std::move(options));
  b.transport->SetPeers({a.Address()});
  {
    MutexLock lock(mu);
    while (error.ok()) changed.Wait(mu);
    EXPECT_EQ(error.code(), StatusCode::kFailedPrecondition);
  }
  EXPECT_NE(b.StatsOf(1).last_error.find("cluster-b"), std::string::npos);
  EXPECT_TRUE(b.recorder.Events().empty());
  EXPECT_FALSE(b.StatsOf(1).connected);
  b.transport->Stop();
}

}  // namespace
}  // namespace sisyphus::transport
