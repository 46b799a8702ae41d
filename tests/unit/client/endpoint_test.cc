#include "client/endpoint.h"

#include <gtest/gtest.h>

namespace sisyphus::client {
namespace {

TEST(EndpointTest, ParsesAddresses) {
  EXPECT_EQ(*ParseEndpoint("http://127.0.0.1:8001"), (Endpoint{"127.0.0.1", 8001}));
  EXPECT_EQ(*ParseEndpoint("http://127.0.0.1:8001/"), (Endpoint{"127.0.0.1", 8001}));
  EXPECT_EQ(*ParseEndpoint("node-1.example:65535"), (Endpoint{"node-1.example", 65535}));
  EXPECT_EQ(*ParseEndpoint("[::1]:80"), (Endpoint{"::1", 80}));
  EXPECT_EQ(ParseEndpoint("[::1]:80")->ToString(), "[::1]:80");
  EXPECT_EQ(ParseEndpoint("localhost:80")->ToString(), "localhost:80");
}

TEST(EndpointTest, RefusesWhatIsNoAddress) {
  for (const char* bad :
       {"", "localhost", ":8001", "localhost:", "localhost:0", "localhost:65536", "localhost:+1",
        "localhost:8x", "https://localhost:8001", "http://localhost:8001/path", "::1:80", "[::1]",
        "[]:80", "a b:80", "user@host:80", "http://http://h:1", "h:1\r\nX: y", "ftp://h:1"}) {
    const auto parsed = ParseEndpoint(bad);
    ASSERT_FALSE(parsed.ok()) << bad;
    EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument) << bad;
  }
}

TEST(EndpointTest, TakesTheServerOutOfAUrl) {
  EXPECT_EQ(*EndpointOfUrl("http://127.0.0.1:8002/v1/kv/a%2Fb?x=http://h:1/"),
            (Endpoint{"127.0.0.1", 8002}));
  EXPECT_EQ(*EndpointOfUrl("http://[::1]:8002"), (Endpoint{"::1", 8002}));
  for (const char* bad : {"", "https://h:1/x", "/v1/kv/a", "http:///x", "http://h/x", "h:1"}) {
    EXPECT_FALSE(EndpointOfUrl(bad).ok()) << bad;
  }
}

TEST(EndpointTest, EncodesEveryByteThatIsNotUnreserved) {
  EXPECT_EQ(EncodeKey("plain-Key_1.~"), "plain-Key_1.~");
  EXPECT_EQ(EncodeKey("a/b c+d%e?f#g"), "a%2Fb%20c%2Bd%25e%3Ff%23g");
  EXPECT_EQ(EncodeKey(std::string_view("\0\xff\n", 3)), "%00%FF%0A");
  EXPECT_EQ(EncodeKey("."), "%2E");
  EXPECT_EQ(EncodeKey(".."), "%2E%2E");
  EXPECT_EQ(EncodeKey("..."), "...");
}

}  // namespace
}  // namespace sisyphus::client
