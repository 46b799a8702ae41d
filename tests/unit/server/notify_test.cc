#include "server/notify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace sisyphus::server {
namespace {

using ::testing::HasSubstr;

// The service manager's end.
class ManagerSocket {
 public:
  explicit ManagerSocket(const std::string& name) : fd_(socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    bound_ = bind(fd_, reinterpret_cast<const sockaddr*>(&address),
                  static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) == 0;
  }
  ~ManagerSocket() { close(fd_); }
  ManagerSocket(const ManagerSocket&) = delete;
  ManagerSocket& operator=(const ManagerSocket&) = delete;

  bool bound() const { return bound_; }
  // A datagram to a socket of this machine is there once sendto has returned.
  std::string Received() {
    char text[256];
    const ssize_t size = recv(fd_, text, sizeof(text), MSG_DONTWAIT);
    return size < 0 ? "nothing" : std::string(text, static_cast<size_t>(size));
  }

 private:
  const int fd_;
  bool bound_ = false;
};

class NotifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/sisyphus_notify_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  std::string directory_;
};

TEST_F(NotifyTest, ReachesASocketInTheFileSystem) {
  const std::string path = directory_ + "/notify";
  ManagerSocket manager(path);
  ASSERT_TRUE(manager.bound());
  EXPECT_TRUE(NotifyServiceManager(path, "READY=1").ok());
  EXPECT_EQ(manager.Received(), "READY=1");
  EXPECT_TRUE(NotifyServiceManager(path, "STOPPING=1\nSTATUS=hands over").ok());
  EXPECT_EQ(manager.Received(), "STOPPING=1\nSTATUS=hands over");
}

TEST_F(NotifyTest, ReachesAnAbstractSocket) {
  const std::string name = "@" + directory_;
  ManagerSocket manager(name);
  ASSERT_TRUE(manager.bound());
  EXPECT_TRUE(NotifyServiceManager(name, "READY=1").ok());
  EXPECT_EQ(manager.Received(), "READY=1");
}

TEST_F(NotifyTest, NobodyToTellIsNoError) { EXPECT_TRUE(NotifyServiceManager("", "READY=1").ok()); }

TEST_F(NotifyTest, SaysWhatIsWrongWithTheSocket) {
  const Status gone = NotifyServiceManager(directory_ + "/absent", "READY=1");
  EXPECT_EQ(gone.code(), StatusCode::kUnavailable);
  EXPECT_THAT(std::string(MessageOf(gone)), HasSubstr(directory_ + "/absent"));
  for (const std::string& socket :
       {std::string("relative"), std::string("@"), std::string("/"), "/" + std::string(200, 'x')}) {
    EXPECT_EQ(NotifyServiceManager(socket, "READY=1").code(), StatusCode::kInvalidArgument)
        << socket;
  }
}

TEST_F(NotifyTest, TheSocketLeavesTheEnvironment) {
  ASSERT_EQ(setenv("NOTIFY_SOCKET", "/run/notify", 1), 0);
  EXPECT_EQ(TakeNotifySocket(), "/run/notify");
  EXPECT_EQ(std::getenv("NOTIFY_SOCKET"), nullptr);
  EXPECT_EQ(TakeNotifySocket(), "");
}

}  // namespace
}  // namespace sisyphus::server
