// POST /v1/txn.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/api.h"
#include "api/handlers.h"
#include "api/json.h"
#include "api/json_body.h"
#include "api/key_json.h"
#include "api/problem.h"
#include "api/write_terms.h"

namespace sisyphus::api {
namespace {

using nlohmann::json;
using Kind = kv::TxnOperation::Kind;
using Relation = kv::Comparison::Relation;
using Target = kv::Comparison::Target;

Status Invalid(std::string message) {
  return MakeStatus(StatusCode::kInvalidArgument, std::move(message));
}

constexpr std::string_view kJsonType = "application/json";

// Of a body: what the largest transaction needs, with room. An object within four others is the
// deepest that means anything.
constexpr JsonBounds kBodyBounds = {.events = kv::kMaxTxnOperations * 64, .depth = 6};

// The first key behind all that begin with `prefix`; empty: there is none.
std::string PrefixEnd(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xFF') prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<uint8_t>(prefix.back()) + 1);
  return prefix;
}

// The key, or for get and delete a range: prefix, or start and end.
Status TakeKeys(JsonMembers* members, kv::TxnOperation* operation) {
  SIS_ASSIGN_OR_RETURN(auto key, members->TakeBytes("key"));
  if (key) {
    if (key->empty()) return members->Wrong("the key is empty");
    operation->key = *std::move(key);
    return OkStatus();
  }
  if (operation->kind == Kind::kPut) return members->Wrong("the key is missing");
  SIS_ASSIGN_OR_RETURN(auto prefix, members->TakeBytes("prefix"));
  SIS_ASSIGN_OR_RETURN(auto start, members->TakeBytes("start"));
  SIS_ASSIGN_OR_RETURN(auto end, members->TakeBytes("end"));
  if (prefix.has_value() == (start.has_value() || end.has_value()))
    return members->Wrong("give a key, a prefix, or start and end");
  operation->range = true;
  operation->key = prefix ? *prefix : start.value_or("");
  operation->end = prefix ? PrefixEnd(*prefix) : end.value_or("");
  return OkStatus();
}

Status ParsePut(JsonMembers* members, kv::TxnOperation* operation) {
  SIS_ASSIGN_OR_RETURN(auto value, members->TakeBytes("value"));
  if (!value) return members->Wrong("the value is missing");
  operation->value = *std::move(value);
  if (members->Has("ttl") && members->Has("lease"))
    return members->Wrong("give a ttl or a lease, not both");
  SIS_ASSIGN_OR_RETURN(const auto ttl, members->TakeBytes("ttl"));
  if (ttl) {
    SIS_ASSIGN_OR_RETURN(operation->lease.ttl_ms, ParseTtlMs(*ttl));
  }
  SIS_ASSIGN_OR_RETURN(operation->lease.id, members->TakeNumber("lease", 0));
  if (members->Has("lease") && operation->lease.id == 0)
    return members->Wrong("a lease is a number from 1 on");
  return OkStatus();
}

Status ParseGet(JsonMembers* members, kv::TxnOperation* operation) {
  SIS_ASSIGN_OR_RETURN(operation->limit, members->TakeNumber("limit", kv::kDefaultTxnLimit));
  SIS_ASSIGN_OR_RETURN(operation->keys_only, members->TakeFlag("keys_only"));
  SIS_ASSIGN_OR_RETURN(operation->count_only, members->TakeFlag("count_only"));
  SIS_ASSIGN_OR_RETURN(operation->reverse, members->TakeFlag("reverse"));
  if (operation->limit == 0) return members->Wrong("limit is a number from 1 on");
  return OkStatus();
}

StatusOr<kv::TxnOperation> ParseOperation(json* element) {
  constexpr std::pair<const char*, Kind> kKinds[] = {
      {"put", Kind::kPut}, {"get", Kind::kGet}, {"delete", Kind::kDelete}};
  if (element->is_object() && element->size() == 1) {
    for (const auto& [name, kind] : kKinds) {
      const auto body = element->find(name);
      if (body == element->end()) continue;
      kv::TxnOperation operation;
      operation.kind = kind;
      SIS_ASSIGN_OR_RETURN(JsonMembers members, JsonMembers::Of(&*body, name));
      SIS_RETURN_IF_ERROR(TakeKeys(&members, &operation));
      if (kind == Kind::kPut) SIS_RETURN_IF_ERROR(ParsePut(&members, &operation));
      if (kind == Kind::kGet) SIS_RETURN_IF_ERROR(ParseGet(&members, &operation));
      SIS_RETURN_IF_ERROR(members.Finish());
      return operation;
    }
  }
  return Invalid("an operation is {\"put\":…}, {\"get\":…} or {\"delete\":…}");
}

template <typename Enum, size_t n>
StatusOr<Enum> TakeName(JsonMembers* members, const char* name,
                        const std::pair<std::string_view, Enum> (&choices)[n]) {
  const json* const field = members->Take(name);
  std::string list;
  for (const auto& [choice, value] : choices) {
    if (field != nullptr && field->is_string() && field->get_ref<const std::string&>() == choice)
      return value;
    list.append(list.empty() ? "" : ", ").append(choice);
  }
  return members->Wrong(std::string(name) + " is one of " + list);
}

StatusOr<kv::Comparison> ParseComparison(json* element) {
  constexpr std::pair<std::string_view, Target> kTargets[] = {
      {"value", Target::kValue},
      {"version", Target::kVersion},
      {"create_revision", Target::kCreateRevision},
      {"mod_revision", Target::kModRevision},
      {"lease", Target::kLease}};
  constexpr std::pair<std::string_view, Relation> kRelations[] = {{"=", Relation::kEqual},
                                                                  {"!=", Relation::kDiffers},
                                                                  {"<", Relation::kLess},
                                                                  {">", Relation::kGreater}};
  kv::Comparison comparison;
  SIS_ASSIGN_OR_RETURN(JsonMembers members, JsonMembers::Of(element, "a comparison"));
  SIS_ASSIGN_OR_RETURN(auto key, members.TakeBytes("key"));
  if (!key || key->empty()) return members.Wrong("the key is missing or empty");
  comparison.key = *std::move(key);
  SIS_ASSIGN_OR_RETURN(comparison.target, TakeName(&members, "target", kTargets));
  SIS_ASSIGN_OR_RETURN(comparison.relation, TakeName(&members, "op", kRelations));
  if (comparison.target == Target::kValue) {
    SIS_ASSIGN_OR_RETURN(auto value, members.TakeBytes("value"));
    if (!value) return members.Wrong("the value is missing");
    comparison.value = *std::move(value);
  } else {
    if (!members.Has("number")) return members.Wrong("the number is missing");
    SIS_ASSIGN_OR_RETURN(comparison.number, members.TakeNumber("number", 0));
  }
  SIS_RETURN_IF_ERROR(members.Finish());
  return comparison;
}

template <typename T>
Status ParseList(JsonMembers* members, const char* name, StatusOr<T> (*parse)(json*),
                 std::vector<T>* out) {
  json* const list = members->Take(name);
  if (list == nullptr) return OkStatus();
  if (!list->is_array()) return members->Wrong(std::string(name) + " is a list");
  for (json& element : *list) {
    StatusOr<T> parsed = parse(&element);
    if (!parsed.ok())
      return WithContext(parsed.status(),
                         std::string(name) + " " + std::to_string(out->size() + 1));
    out->push_back(*std::move(parsed));
  }
  return OkStatus();
}

StatusOr<kv::Txn> ParseTxn(const std::string& body) {
  SIS_ASSIGN_OR_RETURN(json object, ParseJsonObject(body, kBodyBounds));
  SIS_ASSIGN_OR_RETURN(JsonMembers members, JsonMembers::Of(&object, "the body"));
  kv::Txn txn;
  SIS_RETURN_IF_ERROR(ParseList(&members, "compare", ParseComparison, &txn.compare));
  SIS_RETURN_IF_ERROR(ParseList(&members, "then", ParseOperation, &txn.then));
  SIS_RETURN_IF_ERROR(ParseList(&members, "else", ParseOperation, &txn.otherwise));
  SIS_RETURN_IF_ERROR(members.Finish());
  return txn;
}

// False: has answered.
bool CheckSizes(Api& api, Exchange& exchange, const kv::Txn& txn) {
  const size_t limit = api.options().limits.max_key_bytes;
  const size_t max_operations =
      std::min(api.options().limits.max_txn_operations, kv::kMaxTxnOperations);
  size_t longest = 0;
  for (const kv::Comparison& c : txn.compare) longest = std::max(longest, c.key.size());
  for (const auto* operations : {&txn.then, &txn.otherwise}) {
    for (const kv::TxnOperation& o : *operations)
      longest = std::max({longest, o.key.size(), o.end.size()});
  }
  std::string message;
  if (longest > limit) message = "a key is longer than " + std::to_string(limit) + " bytes";
  if (txn.compare.size() + txn.then.size() + txn.otherwise.size() > max_operations) {
    message = "more than " + std::to_string(max_operations) + " comparisons and operations";
  }
  if (message.empty()) return true;
  exchange.RespondProblem(MakeProblem(413, message));
  return false;
}

void AppendFound(std::string* out, const kv::TxnOperationResult& result, bool keys_only) {
  out->append("{\"get\":{\"kvs\":[");
  for (const auto& [key, value] : result.found) {
    if (out->back() != '[') out->push_back(',');
    AppendKeyValue(out, key, value, keys_only);
  }
  out->append("],\"count\":");
  AppendNumber(out, result.count);
  out->append(result.more ? ",\"more\":true}}" : ",\"more\":false}}");
}

// `keys_only`: of the operations that were done, by position.
void RespondTxn(Exchange& exchange, const kv::TxnOutcome& outcome,
                const std::vector<bool>& keys_only) {
  std::string& body = exchange.body_scratch();
  body.append(outcome.result.succeeded ? "{\"succeeded\":true" : "{\"succeeded\":false");
  body.append(",\"results\":[");
  size_t i = 0;
  for (const kv::TxnOperationResult& result : outcome.result.results) {
    if (i > 0) body.push_back(',');
    if (result.kind == Kind::kGet) {
      AppendFound(&body, result, i < keys_only.size() && keys_only[i]);
    } else if (result.kind == Kind::kPut) {
      body.append("{\"put\":{\"version\":");
      AppendNumber(&body, result.version);
      body.append(result.created ? ",\"created\":true}}" : ",\"created\":false}}");
    } else {
      body.append("{\"delete\":{\"deleted\":");
      AppendNumber(&body, result.count);
      body.append("}}");
    }
    ++i;
  }
  body.append("],\"revision\":");
  AppendNumber(&body, outcome.revision.value());
  body.push_back('}');
  std::string& headers = exchange.header_scratch();
  AppendReplayed(&headers, outcome.replayed);
  exchange.Respond({.content_type = kJsonType,
                    .headers = headers,
                    .body = body,
                    .revision = outcome.revision.value()});
}

std::vector<bool> KeysOnly(const std::vector<kv::TxnOperation>& operations) {
  std::vector<bool> flags;
  for (const kv::TxnOperation& operation : operations) flags.push_back(operation.keys_only);
  return flags;
}

}  // namespace

void HandleTxn(Api& api, Exchange& exchange, const Match& match) {
  if (!CheckOrRespond(exchange, CheckUnservedHeaders(exchange.head()))) return;
  const StatusOr<Parameters> parameters = Parameters::Parse(match.query);
  if (!CheckOrRespond(exchange, parameters.status())) return;
  if (!CheckOrRespond(exchange, parameters->Finish())) return;
  StatusOr<kv::Txn> txn = ParseTxn(exchange.body());
  if (!CheckOrRespond(exchange, txn.status()) || !CheckSizes(api, exchange, *txn)) return;
  const StatusOr<kv::Retry> retry = RetryOf(exchange.head());
  if (!CheckOrRespond(exchange, retry.status())) return;
  if (!api.AcceptLeaderRequest(exchange, match)) return;
  api.store().Transact(
      *txn, *retry, api.DeadlineOf(exchange),
      [resumer = exchange.Suspend(), then = KeysOnly(txn->then),
       otherwise = KeysOnly(txn->otherwise)](StatusOr<kv::TxnOutcome> result) mutable {
        resumer.Resume([outcome = std::move(result), done = std::move(then),
                        undone = std::move(otherwise)](Exchange& resumed) {
          if (!outcome.ok()) return resumed.RespondProblem(ProblemOf(outcome.status(), true));
          RespondTxn(resumed, *outcome, outcome->result.succeeded ? done : undone);
        });
      });
}

}  // namespace sisyphus::api
