#include "tools/sicli/load/chaos_requests.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "client/answer.h"

namespace sisyphus::sicli {
namespace {

using nlohmann::json;
using Kind = verify::RegisterOperation::Kind;

std::string TransactionOf(const verify::RegisterOperation& operation) {
  json compare = {{"key", operation.key}, {"op", "="}};
  if (operation.expected) {
    compare["target"] = "value";
    compare["value"] = *operation.expected;
  } else {
    compare["target"] = "version";
    compare["number"] = 0;
  }
  const json put = {{"put", {{"key", operation.key}, {"value", operation.argument}}}};
  return json{{"compare", json::array({compare})}, {"then", json::array({put})}}.dump();
}

client::HttpResponse Response(const HttpReply& reply) {
  client::HttpResponse response;
  switch (reply.outcome) {
    case HttpReply::Outcome::kAnswered:
      response.outcome = client::HttpResponse::Outcome::kAnswered;
      break;
    case HttpReply::Outcome::kNotSent:
      response.outcome = client::HttpResponse::Outcome::kNotSent;
      break;
    case HttpReply::Outcome::kNoAnswer:
      response.outcome = client::HttpResponse::Outcome::kNoAnswer;
      break;
  }
  response.error = reply.error;
  response.status = reply.status;
  response.body = reply.body;
  return response;
}

// False: the body is not what a server of this kind answers.
bool TakeAnswer(const HttpReply& reply, verify::RegisterOperation* operation) {
  switch (operation->kind) {
    case Kind::kGet:
      operation->read = reply.body;
      return true;
    case Kind::kPut:
    case Kind::kDelete:
    case Kind::kAppend:
      return true;
    case Kind::kCompareAndSet: {
      const json body = json::parse(reply.body, nullptr, /*allow_exceptions=*/false);
      const auto succeeded = body.is_object() ? body.find("succeeded") : body.end();
      if (!body.is_object() || succeeded == body.end() || !succeeded->is_boolean()) return false;
      operation->succeeded = succeeded->get<bool>();
      return true;
    }
  }
  return false;
}

}  // namespace

ChaosRequest MakeChaosRequest(const verify::RegisterOperation& operation, const HttpServer& server,
                              const ChaosRequestTerms& terms) {
  ChaosRequest request;
  std::string method;
  std::string target = "/v1/kv/" + operation.key;
  switch (operation.kind) {
    case Kind::kGet:
      method = "GET";
      if (!terms.consistency.empty()) target += "?consistency=" + terms.consistency;
      break;
    case Kind::kDelete:
      method = "DELETE";
      break;
    case Kind::kCompareAndSet:
      method = "POST";
      target = "/v1/txn";
      request.body = TransactionOf(operation);
      break;
    case Kind::kPut:
    case Kind::kAppend:
      method = "PUT";
      request.body = operation.argument;
      break;
  }
  request.head =
      method + " " + target + " HTTP/1.1\r\nHost: " + server.endpoint.ToString() + "\r\n";
  if (!terms.idempotency_key.empty()) {
    request.head += "Idempotency-Key: " + terms.idempotency_key + "\r\n";
  }
  if (!request.body.empty()) {
    request.head += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  request.head += "\r\n";
  return request;
}

Fate JudgeChaosReply(const HttpReply& reply, verify::RegisterOperation* operation,
                     std::string* why) {
  const bool write = operation->kind != Kind::kGet;
  const client::Verdict verdict = client::Judge(Response(reply), write);
  if (verdict.status.ok()) {
    if (TakeAnswer(reply, operation)) return Fate::kAnswered;
    *why = "not an answer of SisyphusDB: " + reply.body.substr(0, 100);
    return Fate::kUnknown;
  }
  if (!write && verdict.status.code() == StatusCode::kNotFound) {
    operation->read.reset();
    return Fate::kAnswered;
  }
  *why = MessageOf(verdict.status);
  // Of a write that was refused for a reason of its own nothing is assumed: 4xx is not applied, but
  // none is expected here, and an answer like that may come from anything in between.
  const bool refused = !write || verdict.next != client::Next::kDone ||
                       (reply.outcome == HttpReply::Outcome::kAnswered && reply.status == 507);
  return refused ? Fate::kRefused : Fate::kUnknown;
}

}  // namespace sisyphus::sicli
