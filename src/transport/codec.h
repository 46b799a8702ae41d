// Codec: PeerMessage <-> proto/peer.proto.
//
// Encoding trusts its input, which comes from this process, and checks it. Decoding trusts nothing:
// whatever a peer sent either becomes a valid PeerMessage or is kInvalidArgument with the reason.
#ifndef SISYPHUS_TRANSPORT_CODEC_H_
#define SISYPHUS_TRANSPORT_CODEC_H_

#include <cstddef>
#include <vector>

#include "base/status.h"
#include "base/types.h"
#include "node/transport.h"

namespace sisyphus::peer {
class Frame;
class Message;
}  // namespace sisyphus::peer

namespace sisyphus::transport {

// Roughly what `message` occupies in a queue and on the wire, a little more than less.
size_t SizeBytes(const node::PeerMessage& message);

void EncodeMessage(const node::PeerMessage& message, peer::Message* out);

// Both move the bytes (payloads, results) out of their argument, so it is of no use afterwards.
StatusOr<node::PeerMessage> DecodeMessage(peer::Message* message, NodeId from, NodeId to);
// A frame after the first one of its stream: has messages, and no hello.
StatusOr<std::vector<node::PeerMessage>> DecodeFrame(peer::Frame* frame, NodeId from, NodeId to);

}  // namespace sisyphus::transport

#endif  // SISYPHUS_TRANSPORT_CODEC_H_
