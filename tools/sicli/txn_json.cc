#include "tools/sicli/txn_json.h"

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/status.h"
#include "client/json.h"
#include "client/target.h"

namespace sisyphus::sicli {
namespace {

using client::BytesIn;
using client::FlagIn;
using client::NumberIn;
using client::TextIn;
using json = nlohmann::json;
using Kind = TxnOperation::Kind;

Status Invalid(const std::string& what) {
  return MakeStatus(StatusCode::kInvalidArgument, "the transaction: " + what);
}

Status OnlyKnows(const json& object, std::initializer_list<std::string_view> names) {
  for (const auto& [name, value] : object.items()) {
    std::string_view base = name;
    if (base.ends_with("_base64")) base.remove_suffix(7);
    bool known = false;
    for (const std::string_view each : names) known |= each == base;
    if (!known) return Invalid("unknown member \"" + name + "\"");
  }
  return OkStatus();
}

bool Has(const json& object, const std::string& name) {
  return object.contains(name) || object.contains(name + "_base64");
}

StatusOr<Comparison> ParseComparison(const json& object) {
  using Target = Comparison::Target;
  static const std::map<std::string, Target> kTargets = {
      {"value", Target::kValue},
      {"version", Target::kVersion},
      {"create_revision", Target::kCreateRevision},
      {"mod_revision", Target::kModRevision},
      {"lease", Target::kLease}};
  using Op = Comparison::Op;
  static const std::map<std::string, Op> kOps = {
      {"=", Op::kEqual}, {"!=", Op::kNotEqual}, {"<", Op::kLess}, {">", Op::kGreater}};
  if (!object.is_object()) return Invalid("a comparison is no object");
  SIS_RETURN_IF_ERROR(OnlyKnows(object, {"key", "target", "op", "value", "number"}));
  const auto target = kTargets.find(TextIn(object, "target"));
  const auto op = kOps.find(TextIn(object, "op"));
  Comparison comparison;
  if (target == kTargets.end() || op == kOps.end() || !BytesIn(object, "key", &comparison.key)) {
    return Invalid("a comparison has a key, a target and an op");
  }
  comparison.target = target->second;
  comparison.op = op->second;
  const bool of_value = comparison.target == Target::kValue;
  const auto number = NumberIn(object, "number");
  if (of_value ? !BytesIn(object, "value", &comparison.value) : !number.has_value()) {
    return Invalid(of_value ? "a comparison of the value has a value"
                            : "a comparison has a number");
  }
  comparison.number = number.value_or(0);
  return comparison;
}

Status ParseKeys(const json& object, TxnOperation* operation) {
  if (Has(object, "key")) {
    return BytesIn(object, "key", &operation->key) ? OkStatus() : Invalid("key is a string");
  }
  if (operation->kind == Kind::kPut) return Invalid("a put has a key");
  KeyRange range;
  std::string prefix;
  if (Has(object, "prefix")) {
    if (!BytesIn(object, "prefix", &prefix)) return Invalid("prefix is a string");
    range = KeyRange::Prefix(prefix);
  } else if (!Has(object, "start") && !Has(object, "end")) {
    return Invalid("give a key, a prefix, or start and end");
  }
  if (Has(object, "start") && !BytesIn(object, "start", &range.start)) {
    return Invalid("start is a string");
  }
  if (Has(object, "end") && !BytesIn(object, "end", &range.end)) return Invalid("end is a string");
  operation->range = std::move(range);
  return OkStatus();
}

StatusOr<TxnOperation> ParseOperation(const json& wrapped) {
  static const std::map<std::string, Kind> kKinds = {
      {"put", Kind::kPut}, {"get", Kind::kGet}, {"delete", Kind::kDelete}};
  const bool one = wrapped.is_object() && wrapped.size() == 1;
  const auto kind = one ? kKinds.find(wrapped.begin().key()) : kKinds.end();
  if (kind == kKinds.end() || !wrapped.begin()->is_object()) {
    return Invalid("an operation is {\"put\":{...}}, {\"get\":{...}} or {\"delete\":{...}}");
  }
  const json& object = *wrapped.begin();
  TxnOperation operation;
  operation.kind = kind->second;
  SIS_RETURN_IF_ERROR(OnlyKnows(object, {"key", "prefix", "start", "end", "value", "ttl", "lease",
                                         "limit", "keys_only", "count_only", "reverse"}));
  SIS_RETURN_IF_ERROR(ParseKeys(object, &operation));
  if (operation.kind == Kind::kPut && !BytesIn(object, "value", &operation.value)) {
    return Invalid("a put has a value");
  }
  if (object.contains("ttl")) {
    operation.ttl = client::ParseDurationText(TextIn(object, "ttl"));
    if (!operation.ttl) return Invalid("ttl is a time like 30s");
  }
  operation.lease = NumberIn(object, "lease").value_or(0);
  operation.limit = NumberIn(object, "limit").value_or(0);
  operation.keys_only = FlagIn(object, "keys_only", false);
  operation.count_only = FlagIn(object, "count_only", false);
  operation.reverse = FlagIn(object, "reverse", false);
  return operation;
}

}  // namespace

StatusOr<Transaction> ParseTransactionJson(std::string_view text) {
  const json body = json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!body.is_object()) return Invalid("no JSON object");
  SIS_RETURN_IF_ERROR(OnlyKnows(body, {"compare", "then", "else"}));
  const auto list = [&](const char* name) { return body.value(name, json::array()); };
  Transaction transaction;
  for (const json& each : list("compare")) {
    SIS_ASSIGN_OR_RETURN(Comparison comparison, ParseComparison(each));
    transaction.compare.push_back(std::move(comparison));
  }
  for (const json& each : list("then")) {
    SIS_ASSIGN_OR_RETURN(TxnOperation operation, ParseOperation(each));
    transaction.then.push_back(std::move(operation));
  }
  for (const json& each : list("else")) {
    SIS_ASSIGN_OR_RETURN(TxnOperation operation, ParseOperation(each));
    transaction.otherwise.push_back(std::move(operation));
  }
  return transaction;
}

}  // namespace sisyphus::sicli
