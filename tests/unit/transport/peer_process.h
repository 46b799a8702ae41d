// A peer in a process of its own: this very binary, started with other arguments.
#ifndef SISYPHUS_TESTS_UNIT_TRANSPORT_PEER_PROCESS_H_
#define SISYPHUS_TESTS_UNIT_TRANSPORT_PEER_PROCESS_H_

#include <sys/types.h>

#include <string>

namespace sisyphus::transport {

// Node `id` with one peer: connects to `peer_id` at `peer_address` and answers every heartbeat.
// Killed by the destructor at the latest.
class PeerProcess {
 public:
  PeerProcess(uint64_t id, uint64_t peer_id, const std::string& peer_address);
  ~PeerProcess();

  // Where it listens; empty if it did not start.
  const std::string& address() const { return address_; }

  // SIGKILL, without waiting for the end.
  void Kill();

 private:
  pid_t pid_ = -1;
  std::string address_;
};

}  // namespace sisyphus::transport

#endif  // SISYPHUS_TESTS_UNIT_TRANSPORT_PEER_PROCESS_H_
