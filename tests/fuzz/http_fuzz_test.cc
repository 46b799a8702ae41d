// What comes over HTTP: heads, chunks, targets, queries, JSON.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "api/cursor.h"
#include "api/json.h"
#include "api/json_body.h"
#include "api/range_query.h"
#include "api/request_reader.h"
#include "api/target.h"
#include "api/write_terms.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"

namespace sisyphus::api {
namespace {

struct Seen {
  std::vector<std::string> requests;  // Method, target, fields, body.
  int error = 0;
  bool begun = false;
  bool operator==(const Seen&) const = default;
};

// As a connection reads, in pieces of `piece` bytes, each at the end of what may be read.
Seen Read(std::string_view bytes, size_t piece, fuzz::GuardedMemory* memory) {
  constexpr size_t kBodyLimit = 1'000;
  RequestReader reader({.max_request_line_bytes = 300, .max_field_bytes = 600});
  Seen seen;
  while (!bytes.empty() && seen.error == 0) {
    std::string_view input = bytes.substr(0, piece);
    if (memory != nullptr) input = memory->Place(input);
    bytes.remove_prefix(input.size());
    while (true) {
      const RequestReader::Event event = reader.Read(&input);
      if (event == RequestReader::Event::kNeedMore) break;
      if (event == RequestReader::Event::kError) {
        seen.error = reader.error().status;
        break;
      }
      if (event == RequestReader::Event::kHead) {
        reader.set_body_limit(kBodyLimit);
        continue;
      }
      const RequestHead& head = reader.head();
      std::string request = std::string(head.method()) + " " + std::string(head.target());
      for (size_t i = 0; i < head.field_count(); ++i) {
        request.append("\n").append(head.field(i).name).append("=").append(head.field(i).value);
      }
      EXPECT_LE(reader.body().size(), kBodyLimit);
      seen.requests.push_back(request + "\n" + reader.body());
      (void)head.CheckHost();
      reader.Next();
    }
  }
  seen.begun = reader.begun();
  return seen;
}

// The same requests, and the same error, however the bytes arrive.
TEST(HttpFuzz, Requests) {
  fuzz::GuardedMemory memory(64 << 10);
  fuzz::Run(
      {"GET /v1/kv/a HTTP/1.1\r\nHost: h\r\n\r\n",
       "PUT /v1/kv/a?ttl=30s HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET / "
       "HTTP/1.1\r\n\r\n",
       "PUT /v1/kv/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n"
       "5;a=\"b\"\r\nhello\r\n0a\r\n0123456789\r\n0\r\nX: y\r\n\r\nDELETE /b HTTP/1.0\r\n\r\n",
       "\r\n\r\nHEAD http://h/a HTTP/1.0\r\nConnection: keep-alive, close\r\nExpect: "
       "100-continue\r\n\r\n",
       "POST /v1/txn HTTP/1.1\r\nHost: [::1]:80\r\nConnection: close\r\nContent-Length: "
       "2\r\n\r\n{}"},
      100'000, [&memory](std::string_view bytes) {
        const Seen whole = Read(bytes, bytes.size(), nullptr);
        for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}, size_t{64}}) {
          const Seen cut = Read(bytes, piece, &memory);
          EXPECT_EQ(cut, whole) << "in pieces of " << piece;
        }
        return !whole.requests.empty();
      });
}

// Chunks decode to the same body however they are cut, and stop at the same byte.
TEST(HttpFuzz, Chunks) {
  fuzz::Run({"0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n",
             "00A;x=\"y\"\r\n0123456789\r\n0\r\nA: b\r\nC:\r\n\r\nmore",
             "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"},
            100'000, [](std::string_view bytes) {
              constexpr size_t kLimit = 100;
              ChunkedDecoder at_once;
              std::string body;
              std::string_view rest = bytes;
              const HttpError error = at_once.Decode(&rest, &body, kLimit);
              EXPECT_LE(body.size(), kLimit);
              ChunkedDecoder byte_by_byte;
              std::string same;
              HttpError cut;
              size_t taken = 0;
              while (taken < bytes.size() && cut.ok() && !byte_by_byte.done()) {
                std::string_view one = bytes.substr(taken++, 1);
                cut = byte_by_byte.Decode(&one, &same, kLimit);
              }
              EXPECT_EQ(cut.status, error.status);
              EXPECT_EQ(byte_by_byte.done(), at_once.done());
              if (!error.ok()) return false;
              EXPECT_EQ(same, body);
              EXPECT_EQ(taken, bytes.size() - rest.size());
              return at_once.done();
            });
}

TEST(HttpFuzz, TargetsAndQueries) {
  fuzz::Run({"/v1/kv/a%2Fb?prev=true&ttl=30s", "http://h:80/a?b=c&d&&=e",
             "/v1/kv?prefix=%ff&limit=10&reverse",
             "/v1/kv?cursor=AQID&consistency=stale&max_stale=500ms&min_revision=7"},
            100'000, [](std::string_view bytes) {
              const StatusOr<Target> target = ParseTarget(bytes);
              if (!target.ok()) return false;
              EXPECT_TRUE(target->path.starts_with('/')) << target->path;
              std::string key;
              if (PercentDecode(target->path, Plus::kLiteral, &key)) {
                EXPECT_LE(key.size(), target->path.size());
              }
              if (ParseQuery(target->query).ok()) {
                EXPECT_TRUE(Parameters::Parse(target->query).ok());
              }
              (void)ParseRangeQuery(target->query);
              return true;
            });
}

// What is taken out of a body is a part of it, and what is not taken is named.
TEST(HttpFuzz, JsonBodies) {
  fuzz::Run({R"({"ttl":"30s"})", R"({"ids":[1,2,18446744073709551615]})",
             R"({"a":{"b":{"c":[]}},"key":"\u00e4\n"})",
             R"({"key_base64":"/w==","value":"x","limit":-1,"reverse":true})"},
            30'000, [](std::string_view bytes) {
              const JsonBounds bounds{.events = 20, .depth = 3};
              StatusOr<nlohmann::json> object = ParseJsonObject(std::string(bytes), bounds);
              if (!object.ok()) return false;
              StatusOr<JsonMembers> members = JsonMembers::Of(&*object, "the body");
              if (!members.ok()) {
                ADD_FAILURE() << members.status();
                return false;
              }
              (void)members->TakeBytes("key");
              (void)members->TakeBytes("value");
              (void)members->TakeNumber("limit", 1);
              (void)members->TakeFlag("reverse");
              (void)members->Finish();
              return true;
            });
}

TEST(HttpFuzz, Texts) {
  fuzz::Run({"", "AQID", "/w==", "/wE=", "30s", "1500ms", "18446744073709551615d",
             "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "client:7", "\"42\""},
            100'000, [](std::string_view bytes) {
              std::string decoded;
              if (DecodeBase64(bytes, &decoded)) {
                std::string again;
                AppendBase64(&again, decoded);
                EXPECT_EQ(again, bytes);
              }
              std::string quoted;
              AppendJsonString(&quoted, bytes);
              const nlohmann::json parsed = nlohmann::json::parse(quoted, nullptr, false);
              EXPECT_TRUE(parsed.is_string() && IsUtf8(bytes) == (parsed == bytes)) << quoted;
              if (const StatusOr<uint64_t> ttl = ParseTtlMs(bytes); ttl.ok()) {
                EXPECT_EQ(*ParseTtlMs(TtlText(*ttl)), *ttl);
              }
              if (const StatusOr<Cursor> cursor = DecodeCursor(bytes); cursor.ok()) {
                EXPECT_TRUE(DecodeCursor(EncodeCursor(*cursor)).ok());
              }
              return IsUtf8(bytes);
            });
}

}  // namespace
}  // namespace sisyphus::api
