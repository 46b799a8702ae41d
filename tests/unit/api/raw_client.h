// RawClient: a blocking socket that sends exactly the bytes it is told to, and reads answers one by
// one. Nothing here sleeps: a read that never ends fails its test after a generous time.
#ifndef SISYPHUS_TESTS_UNIT_API_RAW_CLIENT_H_
#define SISYPHUS_TESTS_UNIT_API_RAW_CLIENT_H_

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace sisyphus::api {

struct RawAnswer {
  int status = 0;  // 0: the connection ended instead.
  std::multimap<std::string, std::string> headers;
  std::string body;

  std::string header(const std::string& name) const {
    const auto it = headers.find(name);
    return it == headers.end() ? std::string() : it->second;
  }
  bool closes() const { return header("Connection") == "close"; }
};

class RawClient {
 public:
  // To HOST:PORT with a numeric IPv4 host, out of the address `from` if that is not empty.
  explicit RawClient(const std::string& address, const std::string& from = "");
  ~RawClient();
  RawClient(const RawClient&) = delete;
  RawClient& operator=(const RawClient&) = delete;

  bool Send(std::string_view bytes);  // All of it; false when the peer is gone.
  void CloseSending();
  void Reset();  // Ends with an RST.

  // The next answer. `head`: to a HEAD request, without a body.
  RawAnswer Read(bool head = false);
  RawAnswer Ask(std::string_view bytes) {
    Send(bytes);
    return Read();
  }

  // After an answer with chunks: the next one; empty: it was the last. Nothing: the connection
  // ended.
  std::optional<std::string> ReadChunk();

  // Waits for bytes or the end. False: nothing came for so long.
  bool Readable(std::chrono::milliseconds patience);

  // True when the server has closed and sent nothing more.
  bool AtEnd();

 private:
  bool Fill();
  bool FillUntil(size_t size);

  int fd_ = -1;
  std::string received_;
};

// A request with a Host line; `headers` are whole lines.
std::string Request(std::string_view method, std::string_view target, std::string_view body = {},
                    std::string_view headers = {});

}  // namespace sisyphus::api

#endif  // SISYPHUS_TESTS_UNIT_API_RAW_CLIENT_H_
