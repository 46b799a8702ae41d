// /put, /get and /delete: for a browser or a one-line script. The key and the value are query
// parameters, the answer is plain text.

#include <string>
#include <utility>

#include "api/handlers.h"
#include "api/key_operations.h"
#include "api/problem.h"
#include "api/write_terms.h"

namespace sisyphus::api {
namespace {

constexpr std::string_view kTextType = "text/plain; charset=utf-8";
// A value is whatever somebody stored: no browser is to take it for a page.
constexpr std::string_view kNoSniff = "X-Content-Type-Options: nosniff\r\n";

// False: has answered.
bool TakeRetry(Exchange& exchange, kv::Retry* retry) {
  StatusOr<kv::Retry> found = RetryOf(exchange.head());
  if (!CheckOrRespond(exchange, found.status())) return false;
  *retry = *std::move(found);
  return true;
}

// Takes `key`, and `val` if it is wanted. False: has answered.
bool ParseSimple(Api& api, Exchange& exchange, const Match& match, std::string* key,
                 std::string* value) {
  StatusOr<Parameters> parameters = Parameters::Parse(match.query);
  if (!CheckOrRespond(exchange, parameters.status())) return false;
  const QueryParameter* parameter = parameters->Take("key");
  if (parameter == nullptr) {
    exchange.RespondProblem(MakeProblem(400, "the parameter key is missing"));
    return false;
  }
  *key = parameter->value;
  if (value != nullptr) {
    parameter = parameters->Take("val");
    if (parameter == nullptr) {
      exchange.RespondProblem(MakeProblem(400, "the parameter val is missing"));
      return false;
    }
    *value = parameter->value;
  }
  return CheckOrRespond(exchange, parameters->Finish()) && CheckKeySize(api, exchange, *key) &&
         api.AcceptLeaderRequest(exchange, match);
}

}  // namespace

void HandleSimplePut(Api& api, Exchange& exchange, const Match& match) {
  kv::PutRequest request;
  if (!ParseSimple(api, exchange, match, &request.key, &request.value)) return;
  if (!TakeRetry(exchange, &request.retry)) return;
  PutKey(api, exchange, std::move(request), [](Exchange& answered, const kv::PutResult& result) {
    std::string& headers = answered.header_scratch();
    AppendReplayed(&headers, result.replayed);
    answered.Respond({.content_type = kTextType,
                      .headers = headers,
                      .body = "Success",
                      .revision = result.revision.value()});
  });
}

void HandleSimpleGet(Api& api, Exchange& exchange, const Match& match) {
  kv::GetRequest request;
  if (!ParseSimple(api, exchange, match, &request.key, nullptr)) return;
  ReadKey(api, exchange, std::move(request), [](Exchange& answered, kv::GetResult result) {
    Answer answer{
        .content_type = kTextType, .headers = kNoSniff, .revision = result.store_revision.value()};
    if (result.found.has_value()) {
      answer.owned_body = std::move(result.found->value);
    } else {
      answer.status = 404;
      answer.body = "Key not found";
    }
    answered.Respond(std::move(answer));
  });
}

void HandleSimpleDelete(Api& api, Exchange& exchange, const Match& match) {
  kv::DeleteRequest request;
  if (!ParseSimple(api, exchange, match, &request.key, nullptr)) return;
  if (!TakeRetry(exchange, &request.retry)) return;
  DeleteKey(
      api, exchange, std::move(request), [](Exchange& answered, const kv::DeleteResult& result) {
        std::string& headers = answered.header_scratch();
        AppendReplayed(&headers, result.replayed);
        answered.Respond({.status = 204, .headers = headers, .revision = result.revision.value()});
      });
}

}  // namespace sisyphus::api
