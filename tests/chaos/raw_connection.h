// RawConnection: bytes to and from a loopback port, for what no well-mannered client does.
#ifndef SISYPHUS_TESTS_CHAOS_RAW_CONNECTION_H_
#define SISYPHUS_TESTS_CHAOS_RAW_CONNECTION_H_

#include <string>
#include <string_view>

namespace sisyphus::chaos {

class RawConnection {
 public:
  explicit RawConnection(int port, const std::string& from = "127.0.0.1");
  ~RawConnection();
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  void Send(std::string_view data);
  // The peer may be gone, or take nothing.
  void TrySend(std::string_view data);

  // Something has come, or the end. Does not wait.
  bool Readable() const;

  // Reads until what came contains `end`, the peer closes, or a minute has passed.
  std::string ReceiveUntil(std::string_view end);

 private:
  int socket_;
};

}  // namespace sisyphus::chaos

#endif  // SISYPHUS_TESTS_CHAOS_RAW_CONNECTION_H_
