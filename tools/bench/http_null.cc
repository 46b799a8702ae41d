// http_null: the listener of sisyphusd with a handler that answers 204 at once, to measure what the
// HTTP layer itself costs.
//
//   http_null [HOST:PORT] [IO_THREADS]        until standard input ends
//   wrk -t1 -c64 -d5 http://127.0.0.1:8090/
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include "api/listener.h"
#include "base/thread_executor.h"

namespace {

class NullHandler final : public sisyphus::api::HttpHandler {
 public:
  void OnHead(sisyphus::api::Exchange&) override {}
  void OnRequest(sisyphus::api::Exchange& exchange) override { exchange.Respond({.status = 204}); }
  void OnAnswered(const sisyphus::api::Exchange&, int) override {}
  void AppendCommonHeaders(const sisyphus::api::Answer&, std::string*) override {}
  sisyphus::NodeId Leader() const override { return sisyphus::kNoNode; }
};

}  // namespace

int main(int argc, char** argv) {
  sisyphus::api::ListenerOptions options;
  options.address = argc > 1 ? argv[1] : "127.0.0.1:8090";
  options.io_threads = argc > 2 ? std::atoi(argv[2]) : 1;
  options.clock = &sisyphus::RealClock();
  NullHandler handler;
  auto listener = sisyphus::api::Listener::Create(options, &handler);
  if (!listener.ok()) {
    std::fprintf(stderr, "%s\n", listener.status().ToString().c_str());
    return 1;
  }
  (*listener)->Run();
  std::printf("%s\n", (*listener)->bound_address().c_str());
  std::fflush(stdout);
  char byte;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  (*listener)->Stop(std::chrono::seconds(1));
  return 0;
}
