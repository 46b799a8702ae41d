// Work that has to be done before or after a measurement: a number of requests, each connection
// sending its next one when the last was answered.
//
// Threads: runs the io_context itself, in the caller's thread, until all is done.
#ifndef SISYPHUS_TOOLS_SICLI_LOAD_CLOSED_LOOP_H_
#define SISYPHUS_TOOLS_SICLI_LOAD_CLOSED_LOOP_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tools/sicli/load/http_channel.h"

namespace sisyphus::sicli {

using HttpChannels = std::vector<std::unique_ptr<HttpChannel>>;

struct HttpText {
  std::string head;       // See HttpChannel::Send.
  std::string_view body;  // Lives until the answer.
};

struct ClosedLoopOptions {
  uint64_t requests = 0;
  // Request number i, for the server of that channel. Must be safe to repeat.
  std::function<HttpText(uint64_t i, const HttpServer& server)> make;
  Duration timeout{};   // Of one attempt.
  Duration patience{};  // A request that fails is repeated for so long.
};

// kUnavailable: a request kept failing; says how. kCancelled: SIGINT or SIGTERM came.
Status RunClosedLoop(boost::asio::io_context& context, const HttpChannels& channels,
                     const ClosedLoopOptions& options);

// Connects all channels; those whose server does not answer move to one that does. kUnavailable:
// not all of them could be connected.
Status ConnectAll(boost::asio::io_context& context, const HttpChannels& channels, Duration timeout);

// Connects as many as will, and drops the others. kUnavailable: none will.
Status ConnectAny(boost::asio::io_context& context, HttpChannels& channels, Duration timeout);

}  // namespace sisyphus::sicli

#endif  // SISYPHUS_TOOLS_SICLI_LOAD_CLOSED_LOOP_H_
