#include "api/request_reader.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace sisyphus::api {
namespace {

constexpr ReaderLimits kLimits = {.max_request_line_bytes = 100, .max_field_bytes = 200};

struct Seen {
  std::vector<std::string> requests;  // "METHOD TARGET [body]"
  int error = 0;
  bool begun = false;  // And not complete.
  bool operator==(const Seen&) const = default;
};

// Feeds `bytes` in pieces of `piece`, each in memory of its own that is gone afterwards.
Seen ReadAll(std::string_view bytes, size_t piece, size_t body_limit = 1'000) {
  RequestReader reader(kLimits);
  Seen seen;
  while (!bytes.empty() && seen.error == 0) {
    const auto part = std::make_unique<std::string>(bytes.substr(0, piece));
    bytes.remove_prefix(std::min(piece, bytes.size()));
    std::string_view input = *part;
    while (true) {
      const RequestReader::Event event = reader.Read(&input);
      if (event == RequestReader::Event::kNeedMore) break;
      if (event == RequestReader::Event::kError) {
        seen.error = reader.error().status;
        break;
      }
      if (event == RequestReader::Event::kHead) reader.set_body_limit(body_limit);
      if (event == RequestReader::Event::kComplete) {
        seen.requests.push_back(std::string(reader.head().method()) + " " +
                                std::string(reader.head().target()) + " [" + reader.body() + "]");
        reader.Next();
      }
    }
  }
  seen.begun = reader.begun();
  return seen;
}

Seen ReadCutAnywhere(std::string_view bytes) {
  const Seen whole = ReadAll(bytes, bytes.size());
  for (size_t piece = 1; piece < bytes.size(); ++piece) {
    EXPECT_EQ(ReadAll(bytes, piece), whole) << "in pieces of " << piece;
  }
  return whole;
}

TEST(RequestReader, ReadsPipelinedRequestsHoweverTheyAreCut) {
  const Seen seen = ReadCutAnywhere(
      "\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n"
      "PUT /b HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\r\n"
      "PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n"
      "DELETE /d HTTP/1.0\r\n\r\n");
  EXPECT_EQ(seen.error, 0);
  EXPECT_FALSE(seen.begun);
  EXPECT_EQ(seen.requests, (std::vector<std::string>{"GET /a []", "PUT /b [hello]",
                                                     "PUT /c [abc0123456789]", "DELETE /d []"}));
}

TEST(RequestReader, APrefixOfARequestIsNoRequest) {
  const std::string request =
      "PUT /c HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
  for (size_t size = 1; size < request.size(); ++size) {
    const Seen seen = ReadAll(request.substr(0, size), size);
    EXPECT_EQ(seen.error, 0) << size;
    EXPECT_TRUE(seen.begun) << size;
    EXPECT_TRUE(seen.requests.empty()) << size;
  }
}

TEST(RequestReader, RefusesWhatIsAmbiguous) {
  struct Row {
    const char* bytes;
    int status;
  };
  const std::string start = "GET / HTTP/1.1\r\n";
  const Row lines[] = {
      {"GET / HTTP/1.1\n\n", 400},
      {"GET / HTTP/1.1\r\nA: b\n\r\n", 400},
      {"GET / HTTP/1.1\rA: b\r\n\r\n", 400},
      {"\nGET / HTTP/1.1\r\n\r\n", 400},
      {"\rGET / HTTP/1.1\r\n\r\n", 400},
      {"GET /\r\n\r\n", 400},
      {"GET  / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1 \r\n\r\n", 400},
      {" GET / HTTP/1.1\r\n\r\n", 400},
      {"GET /a b HTTP/1.1\r\n\r\n", 400},
      {"GET /\xC3\xA4 HTTP/1.1\r\n\r\n", 400},
      {"GET /\x01 HTTP/1.1\r\n\r\n", 400},
      {"G(T / HTTP/1.1\r\n\r\n", 400},
      {"GET / http/1.1\r\n\r\n", 400},
      {"GET / HTTP/11\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\n\r\n", 505},
      {"GET / HTTP/1.2\r\n\r\n", 505},
      {"GET / HTTP/0.9\r\n\r\n", 505},
  };
  for (const Row& row : lines) EXPECT_EQ(ReadCutAnywhere(row.bytes).error, row.status) << row.bytes;
  const Row fields[] = {
      {"A : b\r\n", 400},
      {"A\r\n", 400},
      {": b\r\n", 400},
      {" A: b\r\n", 400},
      {"A: b\r\n c\r\n", 400},
      {"A: b\x01\r\n", 400},
      {"A: b\x7F\r\n", 400},
      {"A\xC3: b\r\n", 400},
      {"Content-Length: 1\r\nContent-Length: 1\r\n", 400},
      {"Content-Length: 1\r\nContent-Length: 2\r\n", 400},
      {"Content-Length: 1, 1\r\n", 400},
      {"Content-Length: +1\r\n", 400},
      {"Content-Length: -1\r\n", 400},
      {"Content-Length: 0x1\r\n", 400},
      {"Content-Length: 1 1\r\n", 400},
      {"Content-Length:\r\n", 400},
      {"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n", 400},
      {"Transfer-Encoding: gzip, chunked\r\n", 501},
      {"Transfer-Encoding: gzip\r\n", 501},
      {"Transfer-Encoding: chunked, gzip\r\n", 400},
      {"Transfer-Encoding: chunked, chunked\r\n", 400},
      {"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Transfer-Encoding: \r\n", 400},
      {"Transfer-Encoding: xchunked\r\n", 501},
      {"Expect: 200-maybe\r\n", 417},
  };
  for (const Row& row : fields) {
    EXPECT_EQ(ReadCutAnywhere(start + row.bytes + "\r\n").error, row.status) << row.bytes;
  }
  EXPECT_EQ(ReadAll("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 1'000).error, 400);
}

TEST(RequestReader, RefusesAContentLengthBeyondEveryLimit) {
  EXPECT_EQ(ReadCutAnywhere("PUT / HTTP/1.1\r\nContent-Length: 1001\r\n\r\nx").error, 413);
  EXPECT_EQ(
      ReadAll("PUT / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\nx", 1'000).error,
      413);
}

TEST(RequestReader, RefusesBadChunks) {
  const std::string start = "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const char* bad :
       {"\r\n", "x\r\n", "-1\r\n", " 1\r\n", "1 \r\n", "1\n", "1\r\nab", "1\r\na\n", "1\r\na\rb",
        "1;\x01\r\n", "0\r\nA b: c\r\n\r\n", "0\r\n: c\r\n\r\n", "0\r\nA: b\n\r\n", "0\r\n\n",
        "0\r\n A: b\r\n\r\n", "1;x\n", "0\r\nAB\r\n\r\n"}) {
    EXPECT_EQ(ReadCutAnywhere(start + bad).error, 400) << bad;
  }
  EXPECT_EQ(ReadCutAnywhere(start + "3E9\r\n").error, 413);  // 1,001.
  EXPECT_EQ(ReadCutAnywhere(start + "ffffffffffffffffff\r\n").error, 413);
  EXPECT_EQ(ReadCutAnywhere(start + "3E8\r\n").error, 0);
  const std::string zeros(ChunkedDecoder::kMaxOverheadBytes + 10, '0');
  EXPECT_EQ(ReadAll(start + zeros, 1'000).error, 431);
  EXPECT_EQ(ReadAll(start + "1;" + zeros, 1'000).error, 431);
  EXPECT_EQ(ReadAll(start + "0\r\nA:" + zeros, 1'000).error, 431);
}

TEST(RequestReader, LimitsTheRequestLineAndTheFieldsApart) {
  const auto line = [](size_t n) { return "GET /" + std::string(n - 14, 'a') + " HTTP/1.1\r\n"; };
  EXPECT_EQ(ReadCutAnywhere(line(99) + "\r\n").error, 0);
  EXPECT_EQ(ReadCutAnywhere(line(101) + "\r\n").error, 414);
  EXPECT_EQ(ReadCutAnywhere(std::string(102, 'a')).error, 414);
  const auto field = [](size_t n) { return "A: " + std::string(n - 5, 'a') + "\r\n"; };
  EXPECT_EQ(ReadCutAnywhere(line(99) + field(198) + "\r\n").error, 0);
  EXPECT_EQ(ReadCutAnywhere(line(99) + field(100) + field(102) + "\r\n").error, 431);
  EXPECT_EQ(ReadCutAnywhere(line(99) + std::string(202, 'a')).error, 431);
}

TEST(RequestReader, KnowsWhetherTheConnectionGoesOn) {
  struct Row {
    const char* version;
    const char* field;
    bool keep_alive;
  };
  const Row rows[] = {
      {"1.1", "A: b", true},
      {"1.1", "Connection: close", false},
      {"1.1", "connection: foo, CLOSE", false},
      {"1.1", "Connection: keep-alive", true},
      {"1.1", "Connection: keep-alive, close", false},
      {"1.0", "A: b", false},
      {"1.0", "Connection: Keep-Alive", true},
      {"1.0", "Connection: keep-alive, close", false},
  };
  for (const Row& row : rows) {
    RequestHead head;
    const std::string bytes =
        std::string("GET / HTTP/") + row.version + "\r\n" + row.field + "\r\n\r\n";
    ASSERT_TRUE(head.Parse(bytes).ok());
    EXPECT_EQ(head.keep_alive(), row.keep_alive) << bytes;
  }
}

TEST(RequestReader, WantsExactlyOneGoodHost) {
  const auto check = [](const std::string& fields, const char* version = "1.1") {
    RequestHead head;
    const std::string bytes = std::string("GET / HTTP/") + version + "\r\n" + fields + "\r\n";
    EXPECT_TRUE(head.Parse(bytes).ok());
    return head.CheckHost().status;
  };
  EXPECT_EQ(check("Host: a\r\n"), 0);
  EXPECT_EQ(check("Host: [::1]:80\r\n"), 0);
  EXPECT_EQ(check("Host:\r\n"), 0);
  EXPECT_EQ(check(""), 400);
  EXPECT_EQ(check("", "1.0"), 0);
  EXPECT_EQ(check("Host: a\r\nHost: a\r\n"), 400);
  EXPECT_EQ(check("Host: a\r\nHost: a\r\n", "1.0"), 400);
  for (const char* bad : {"a b", "a/b", "a?b", "a@b", "a\"b", "\xC3\xA4"}) {
    EXPECT_EQ(check(std::string("Host: ") + bad + "\r\n"), 400) << bad;
  }
}

}  // namespace
}  // namespace sisyphus::api
