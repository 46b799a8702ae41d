// ReservedPort: a free loopback port that stays this test's while the object lives.
//
// A socket bound to it, never listening, keeps the kernel from giving the port to anybody who asks
// for any port (other tests, outgoing connections), also while the node that uses it is dead. A
// node that sets SO_REUSEADDR can bind and listen beside it; who connects meanwhile is refused.
#ifndef SISYPHUS_TESTS_CHAOS_PORT_H_
#define SISYPHUS_TESTS_CHAOS_PORT_H_

#include <string>

namespace sisyphus::chaos {

class ReservedPort {
 public:
  ReservedPort();
  ~ReservedPort();
  ReservedPort(const ReservedPort&) = delete;
  ReservedPort& operator=(const ReservedPort&) = delete;

  int number() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // Makes this socket a listener: from now on the port is in use.
  void Listen();

 private:
  int socket_;
  int port_;
};

}  // namespace sisyphus::chaos

#endif  // SISYPHUS_TESTS_CHAOS_PORT_H_
