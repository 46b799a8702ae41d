// The corners of HTTP/1.1 on a real node: what is refused, and whether the connection goes on.
// Where it is in doubt which byte the next request begins with, it must not: whatever follows is
// not taken for a request.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/api/expect_problem.h"
#include "tests/unit/api/node_fixture.h"
#include "tests/unit/api/raw_client.h"

namespace sisyphus::api {
namespace {

class HttpEdges : public ::testing::Test {
 protected:
  std::string Value(const std::string& key) {
    return RawClient(node_.address()).Ask(Request("GET", "/v1/kv/" + key)).body;
  }

  TestNode node_;
};

TEST_F(HttpEdges, WhereFramingIsInDoubtTheConnectionEnds) {
  struct Row {
    const char* name;
    std::string bytes;
    int status;
  };
  const std::string put = "PUT /v1/kv/a HTTP/1.1\r\nHost: h\r\n";
  const std::string chunked = put + "Transfer-Encoding: chunked\r\n\r\n";
  const Row rows[] = {
      {"both lengths", put + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"two lengths", put + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400},
      {"two lengths in one", put + "Content-Length: 1, 1\r\n\r\nx", 400},
      {"a signed length", put + "Content-Length: +1\r\n\r\nx", 400},
      {"a negative length", put + "Content-Length: -1\r\n\r\nx", 400},
      {"a hexadecimal length", put + "Content-Length: 0x1\r\n\r\nx", 400},
      {"an empty length", put + "Content-Length:\r\n\r\n", 400},
      {"a length beyond numbers", put + "Content-Length: 99999999999999999999\r\n\r\n", 413},
      {"a bare LF", "PUT /v1/kv/a HTTP/1.1\nHost: h\n\n", 400},
      {"a bare LF in a field", put + "A: b\nContent-Length: 0\r\n\r\n", 400},
      {"a bare CR in a field", put + "A: b\rContent-Length: 0\r\n\r\n", 400},
      {"a NUL in a field", put + std::string("A: \0\r\n\r\n", 8), 400},
      {"a folded field", put + "A: b\r\n Content-Length: 0\r\n\r\n", 400},
      {"a blank before the colon", put + "Content-Length : 0\r\n\r\n", 400},
      {"a field without a name", put + ": x\r\n\r\n", 400},
      {"a coding behind chunked", put + "Transfer-Encoding: chunked, identity\r\n\r\n", 400},
      {"a coding that is not served", put + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"chunked in HTTP/1.0",
       "PUT /v1/kv/a HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"a chunk size that is none", chunked + "x\r\n", 400},
      {"a chunk that is longer than its size", chunked + "1\r\nab\r\n0\r\n\r\n", 400},
      {"a chunk size ended by LF", chunked + "1\na\r\n0\r\n\r\n", 400},
      {"a trailer that is no field", chunked + "0\r\nA B: c\r\n\r\n", 400},
      {"a chunk beyond the limit", chunked + "ffffffff\r\n", 413},
      {"a blank in the target", "GET /v1/kv/a b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {"a TLS handshake", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", 13), 400},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    RawClient client(node_.address());
    client.Send(row.bytes);
    client.Send(Request("PUT", "/v1/kv/smuggled", "x"));
    const RawAnswer answer = client.Read();
    EXPECT_EQ(answer.status, row.status) << answer.body;
    EXPECT_EQ(answer.header("Content-Type"), "application/problem+json");
    EXPECT_TRUE(answer.closes());
    EXPECT_TRUE(client.AtEnd());
  }
  RawClient client(node_.address());
  for (const char* key : {"a", "smuggled"}) {
    EXPECT_EQ(client.Ask(Request("GET", std::string("/v1/kv/") + key)).status, 404) << key;
  }
}

TEST_F(HttpEdges, WhereFramingIsClearTheConnectionGoesOn) {
  struct Row {
    const char* name;
    std::string bytes;
    int status;
  };
  const std::string length = "Content-Length: 1\r\n\r\nx";
  const Row rows[] = {
      {"no Host", "PUT /v1/kv/a HTTP/1.1\r\n" + length, 400},
      {"two Hosts", "PUT /v1/kv/a HTTP/1.1\r\nHost: h\r\nHost: h\r\n" + length, 400},
      {"a Host that is none", "PUT /v1/kv/a HTTP/1.1\r\nHost: a/b\r\n" + length, 400},
      {"a bad percent-encoding", "PUT /v1/kv/%4 HTTP/1.1\r\nHost: h\r\n" + length, 400},
      {"one in the query", "PUT /v1/kv/a?prev=%zz HTTP/1.1\r\nHost: h\r\n" + length, 400},
      {"an empty key", "PUT /v1/kv/ HTTP/1.1\r\nHost: h\r\n" + length, 400},
      {"a fragment", "PUT /v1/kv/a#b HTTP/1.1\r\nHost: h\r\n" + length, 400},
      {"a target of another scheme", "PUT ftp://h/v1/kv/a HTTP/1.1\r\nHost: h\r\n" + length, 400},
      {"user information", "PUT http://u@h/v1/kv/a HTTP/1.1\r\nHost: h\r\n" + length, 400},
      {"the asterisk form", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"the authority form", "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"an unknown method", "BREW /v1/kv/a HTTP/1.1\r\nHost: h\r\n" + length, 405},
      {"a part of a value",
       "PUT /v1/kv/a HTTP/1.1\r\nHost: h\r\nContent-Range: bytes 0-0/9\r\n" + length, 400},
  };
  RawClient client(node_.address());
  for (const Row& row : rows) {
    SCOPED_TRACE(row.name);
    const RawAnswer answer = client.Ask(row.bytes);
    EXPECT_EQ(answer.status, row.status) << answer.body;
    EXPECT_FALSE(answer.closes());
    EXPECT_EQ(client.Ask(Request("GET", "/v1/kv/a")).status, 404);
  }
}

TEST_F(HttpEdges, ChunksWithExtensionsAndTrailersAreOneValue) {
  RawClient client(node_.address());
  client.Send(
      "PUT /v1/kv/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\nTrailer: X\r\n\r\n"
      "5;name=\"v\"\r\nhello\r\n0006\r\n world\r\n0\r\nX: y\r\nContent-Length: 99\r\n\r\n" +
      Request("GET", "/v1/kv/a"));
  EXPECT_EQ(client.Read().status, 201);
  EXPECT_EQ(client.Read().body, "hello world");
}

TEST_F(HttpEdges, TheAbsoluteFormIsServedWhateverItsHost) {
  RawClient client(node_.address());
  EXPECT_EQ(client.Ask(Request("PUT", "http://elsewhere:1/v1/kv/a?prev", "1")).status, 201);
  EXPECT_EQ(client.Ask(Request("GET", "HTTP://elsewhere/v1/kv/a")).body, "1");
}

TEST_F(HttpEdges, KeysAreDecodedExactlyOnce) {
  RawClient client(node_.address());
  EXPECT_EQ(client.Ask(Request("PUT", "/v1/kv/%2525/a+b%00", "1")).status, 201);
  EXPECT_EQ(client.Ask(Request("GET", "/v1/kv/%25%32%35%2Fa%2Bb%00")).body, "1");
  EXPECT_EQ(client.Ask(Request("GET", "/v1/kv/%25/a+b%00")).status, 404);
}

TEST_F(HttpEdges, OldClients) {
  for (const std::string& host : {std::string(), std::string("Host: h\r\n")}) {
    RawClient client(node_.address());
    const RawAnswer answer =
        client.Ask("PUT /v1/kv/a HTTP/1.0\r\n" + host + "Content-Length: 1\r\n\r\n1");
    EXPECT_TRUE(answer.status == 201 || answer.status == 200) << answer.status;
    EXPECT_TRUE(answer.closes());
    EXPECT_TRUE(client.AtEnd());
  }
  RawClient client(node_.address());
  const std::string keep = "GET /v1/kv/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  EXPECT_EQ(client.Ask(keep).header("Connection"), "keep-alive");
  EXPECT_EQ(client.Ask(keep).body, "1");
  // A client of 1.0 is not sent chunks.
  RawClient reader(node_.address());
  reader.Send("GET /v1/kv?prefix= HTTP/1.0\r\nAccept: application/x-ndjson\r\n\r\n");
  const RawAnswer answer = reader.Read(true);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("Transfer-Encoding"), "");
  EXPECT_TRUE(answer.closes());
}

TEST_F(HttpEdges, HeadSaysWhatGetWouldAndHasNoBody) {
  RawClient client(node_.address());
  EXPECT_EQ(client.Ask(Request("PUT", "/v1/kv/a", "hello")).status, 201);
  for (const char* target : {"/v1/kv/a", "/v1/kv/none", "/v1/cluster", "/livez", "/readyz",
                             "/version", "/get?key=a", "/v1/kv/%zz", "/nowhere"}) {
    SCOPED_TRACE(target);
    const RawAnswer get = client.Ask(Request("GET", target));
    client.Send(Request("HEAD", target));
    const RawAnswer head = client.Read(/*head=*/true);
    EXPECT_EQ(head.status, get.status);
    for (const char* name : {"Content-Length", "Content-Type", "ETag", "Connection"}) {
      EXPECT_EQ(head.header(name), get.header(name)) << name;
    }
  }
}

TEST_F(HttpEdges, AValueIsAskedForBeforeItIsSent) {
  RawClient client(node_.address());
  const std::string head = "PUT /v1/kv/a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n";
  EXPECT_EQ(client.Ask(head + "Content-Length: 5\r\n\r\n").status, 100);
  EXPECT_EQ(client.Ask("hello").status, 201);
  EXPECT_EQ(client.Ask(head + "Transfer-Encoding: chunked\r\n\r\n").status, 100);
  EXPECT_EQ(client.Ask("2\r\nhi\r\n0\r\n\r\n").status, 200);
  EXPECT_EQ(Value("a"), "hi");
  // No body, nothing to wait for.
  EXPECT_EQ(client.Ask(head + "\r\n").status, 200);
  EXPECT_EQ(Value("a"), "");
  // A refusal that can be known from the head comes in its place.
  const RawAnswer refused = client.Ask(head + "Content-Length: 99999999\r\n\r\n");
  EXPECT_EQ(refused.status, 413);
  EXPECT_TRUE(refused.closes());
}

TEST_F(HttpEdges, WritesAndReadsInOnePacketSeeEachOther) {
  std::string all;
  for (int i = 0; i < 200; ++i) {
    all += Request("PUT", "/v1/kv/a", std::to_string(i)) + Request("GET", "/v1/kv/a");
  }
  RawClient client(node_.address());
  client.Send(all);
  client.CloseSending();
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(client.Read().status, i == 0 ? 201 : 200);
    ASSERT_EQ(client.Read().body, std::to_string(i));
  }
  EXPECT_TRUE(client.AtEnd());
}

}  // namespace
}  // namespace sisyphus::api
