// TestServer: a scripted HTTP server on a loopback port. It answers what a test tells it, which a
// good SisyphusDB never would, and remembers what it was asked.
#ifndef SISYPHUS_TESTS_UNIT_CLIENT_TEST_SERVER_H_
#define SISYPHUS_TESTS_UNIT_CLIENT_TEST_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sisyphus::client {

struct SeenRequest {
  std::string method;
  std::string target;  // As it came, undecoded.
  std::string if_match;
  std::string if_none_match;
  std::string body;
  int client_port = 0;  // Tells connections apart.
  std::string idempotency_key = {};
};

struct ScriptedAnswer {
  int status = 200;
  std::string body = {};
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
};

class TestServer {
 public:
  // `answer` runs on a thread of the server, one call at a time.
  explicit TestServer(std::function<ScriptedAnswer(const SeenRequest&)> answer);
  ~TestServer();

  int port() const;
  std::string address() const;
  std::vector<SeenRequest> seen() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// A loopback listener that takes connections and never answers; or, with `hang_up`, reads the
// request, says `last_words` and closes the connection.
class SilentServer {
 public:
  explicit SilentServer(bool hang_up, std::string last_words = "");
  ~SilentServer();
  std::string address() const;
  int connections() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// An address where nobody listens (its port is held while the object lives).
class DeadAddress {
 public:
  DeadAddress();
  ~DeadAddress();
  std::string address() const;

 private:
  int socket_;
  int port_;
};

}  // namespace sisyphus::client

#endif  // SISYPHUS_TESTS_UNIT_CLIENT_TEST_SERVER_H_
