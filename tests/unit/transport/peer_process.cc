#include "tests/unit/transport/peer_process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "tests/unit/transport/harness.h"

extern char** environ;

namespace sisyphus::transport {
namespace {

constexpr char kPeerFlag[] = "--run-as-peer";
constexpr char kMeasureFlag[] = "--measure-round-trips";

// Answers heartbeats, as a follower would.
class Echo final : public node::TransportHandler {
 public:
  explicit Echo(NodeId id) : id_(id) {}
  void set_transport(node::Transport* transport) { transport_ = transport; }

  void OnMessages(NodeId from, std::vector<node::PeerMessage> messages) override {
    std::vector<node::PeerMessage> answers;
    for (const node::PeerMessage& message : messages) {
      if (const auto* heartbeat = RaftBody<raft::HeartbeatRequest>(message)) {
        answers.push_back(raft::Message{.from = id_,
                                        .to = from,
                                        .term = Term(7),
                                        .body = raft::HeartbeatReply{.round = heartbeat->round}});
      }
    }
    if (!answers.empty()) transport_->Send(from, std::move(answers));
  }
  // Arrives when our own stream is ready: from then on answers can be sent.
  void OnPeerConnected(const node::PeerInfo& peer) override {
    transport_->Send(peer.id, One(Heartbeat(id_, peer.id, 1)));
  }
  void OnPeerDisconnected(NodeId) override {}
  void OnSendFailed(NodeId) override {}

 private:
  const NodeId id_;
  node::Transport* transport_ = nullptr;
};

// argv: flag, own id, peer's id, peer's address. Writes its own address to standard output.
int RunAsPeer(char** argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const uint64_t id = std::strtoull(argv[2], nullptr, 10);
  Echo echo{NodeId(id)};
  auto transport = GrpcTransport::Listen(TestOptions(id));
  if (!transport.ok()) return 1;
  echo.set_transport(transport->get());
  if (!(*transport)->Start(&echo).ok()) return 1;
  (*transport)->SetPeers({{NodeId(std::strtoull(argv[3], nullptr, 10)), argv[4]}});
  std::printf("%s\n", (*transport)->address().c_str());
  std::fflush(stdout);
  while (true) pause();
}

// How long a heartbeat and its answer take between two processes; for a person to read.
int MeasureRoundTrips() {
  constexpr uint64_t kRounds = 20'000;
  Peer a(1);
  PeerProcess process(2, 1, a.transport->address());
  a.transport->SetPeers({{NodeId(2), process.address()}});
  if (!a.recorder.WaitForEvent("connected 2", 2) || !a.recorder.WaitForMessages(1)) return 1;
  std::vector<Duration> times;
  for (uint64_t i = 1; i <= kRounds; ++i) {
    const MonotonicTime before = RealClock().Now();
    a.transport->Send(NodeId(2), One(Heartbeat(a.id, NodeId(2), i)));
    if (!a.recorder.WaitForRound(i)) return 1;
    times.push_back(RealClock().Now() - before);
    a.recorder.TakeMessages();
  }
  std::sort(times.begin(), times.end());
  for (int percent : {1, 50, 90, 99}) {
    std::printf("round trip p%d: %.1f us\n", percent,
                static_cast<double>(times[kRounds * percent / 100].count()) / 1e3);
  }
  return 0;
}

}  // namespace

PeerProcess::PeerProcess(uint64_t id, uint64_t peer_id, const std::string& peer_address) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) != 0) return;
  std::string arguments[] = {"peer", kPeerFlag, std::to_string(id), std::to_string(peer_id),
                             peer_address};
  char* argv[] = {arguments[0].data(), arguments[1].data(), arguments[2].data(),
                  arguments[3].data(), arguments[4].data(), nullptr};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fds[1], STDOUT_FILENO);
  if (posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argv, environ) != 0) pid_ = -1;
  posix_spawn_file_actions_destroy(&actions);
  close(fds[1]);
  char c = 0;
  while (pid_ > 0 && read(fds[0], &c, 1) == 1 && c != '\n') address_ += c;
  close(fds[0]);
}

PeerProcess::~PeerProcess() {
  if (pid_ <= 0) return;
  Kill();
  waitpid(pid_, nullptr, 0);
}

void PeerProcess::Kill() { kill(pid_, SIGKILL); }

}  // namespace sisyphus::transport

int main(int argc, char** argv) {
  using namespace sisyphus::transport;
  if (argc == 5 && std::string(argv[1]) == kPeerFlag) return RunAsPeer(argv);
  if (argc == 2 && std::string(argv[1]) == kMeasureFlag) return MeasureRoundTrips();
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
