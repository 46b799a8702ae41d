#include "client/json.h"

#include <utility>

#include "base/text.h"
#include "client/target.h"

namespace sisyphus::client {
namespace {

void PutBytes(Json* object, const std::string& name, std::string_view bytes) {
  if (IsUtf8(bytes)) {
    (*object)[name] = bytes;
    return;
  }
  std::string text;
  AppendBase64(&text, bytes);
  (*object)[name + "_base64"] = text;
}

const char* TargetName(Comparison::Target target) {
  switch (target) {
    case Comparison::Target::kValue:
      return "value";
    case Comparison::Target::kVersion:
      return "version";
    case Comparison::Target::kCreateRevision:
      return "create_revision";
    case Comparison::Target::kModRevision:
      return "mod_revision";
    case Comparison::Target::kLease:
      return "lease";
  }
  return "";
}

const char* OpName(Comparison::Op op) {
  switch (op) {
    case Comparison::Op::kEqual:
      return "=";
    case Comparison::Op::kNotEqual:
      return "!=";
    case Comparison::Op::kLess:
      return "<";
    case Comparison::Op::kGreater:
      return ">";
  }
  return "";
}

const char* KindName(TxnOperation::Kind kind) {
  switch (kind) {
    case TxnOperation::Kind::kPut:
      return "put";
    case TxnOperation::Kind::kGet:
      return "get";
    case TxnOperation::Kind::kDelete:
      return "delete";
  }
  return "";
}

Json ComparisonJson(const Comparison& comparison) {
  Json object = {{"target", TargetName(comparison.target)}, {"op", OpName(comparison.op)}};
  PutBytes(&object, "key", comparison.key);
  if (comparison.target == Comparison::Target::kValue) {
    PutBytes(&object, "value", comparison.value);
  } else {
    object["number"] = comparison.number;
  }
  return object;
}

Json OperationJson(const TxnOperation& operation) {
  Json object = Json::object();
  if (!operation.range) {
    PutBytes(&object, "key", operation.key);
  } else {
    PutBytes(&object, "start", operation.range->start);
    if (!operation.range->end.empty()) PutBytes(&object, "end", operation.range->end);
  }
  if (operation.kind == TxnOperation::Kind::kPut) {
    PutBytes(&object, "value", operation.value);
    if (operation.ttl) object["ttl"] = DurationText(*operation.ttl);
    if (operation.lease != 0) object["lease"] = operation.lease;
  }
  if (operation.kind == TxnOperation::Kind::kGet) {
    if (operation.limit != 0) object["limit"] = operation.limit;
    if (operation.keys_only) object["keys_only"] = true;
    if (operation.count_only) object["count_only"] = true;
    if (operation.reverse) object["reverse"] = true;
  }
  Json wrapped = Json::object();
  wrapped[KindName(operation.kind)] = std::move(object);
  return wrapped;
}

bool ReadOperationResult(const Json& wrapped, TxnOperation::Kind kind, TxnOperationResult* result) {
  const auto object = wrapped.find(KindName(kind));
  if (object == wrapped.end() || !object->is_object()) return false;
  result->kind = kind;
  switch (kind) {
    case TxnOperation::Kind::kPut:
      result->version = NumberIn(*object, "version").value_or(0);
      result->created = FlagIn(*object, "created", false);
      return true;
    case TxnOperation::Kind::kDelete:
      result->deleted = NumberIn(*object, "deleted").value_or(0);
      return true;
    case TxnOperation::Kind::kGet:
      break;
  }
  result->count = NumberIn(*object, "count").value_or(0);
  result->more = FlagIn(*object, "more", false);
  const auto kvs = object->find("kvs");
  if (kvs == object->end()) return true;  // Counted only.
  if (!kvs->is_array()) return false;
  for (const Json& each : *kvs) {
    if (!ReadKeyValue(each, &result->kvs.emplace_back())) return false;
  }
  return true;
}

}  // namespace

std::optional<uint64_t> NumberIn(const Json& object, const char* name) {
  const auto field = object.find(name);
  if (field == object.end() || !field->is_number_unsigned()) return std::nullopt;
  return field->get<uint64_t>();
}

std::string TextIn(const Json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_string() ? field->get<std::string>() : "";
}

bool FlagIn(const Json& object, const char* name, bool otherwise) {
  const auto field = object.find(name);
  return field != object.end() && field->is_boolean() ? field->get<bool>() : otherwise;
}

bool BytesIn(const Json& object, const char* name, std::string* bytes) {
  if (const auto text = object.find(name); text != object.end()) {
    if (!text->is_string()) return false;
    *bytes = text->get<std::string>();
    return true;
  }
  const auto coded = object.find(std::string(name) + "_base64");
  if (coded == object.end() || !coded->is_string()) return false;
  bytes->clear();
  return DecodeBase64(coded->get_ref<const std::string&>(), bytes);
}

Json ObjectOf(std::string_view text) {
  Json body = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return body.is_object() ? body : Json::object();
}

bool ReadKeyValue(const Json& object, KeyValue* kv) {
  if (!object.is_object() || !BytesIn(object, "key", &kv->key)) return false;
  const bool value = object.contains("value") || object.contains("value_base64");
  if (value && !BytesIn(object, "value", &kv->value)) return false;
  const std::optional<uint64_t> revision = NumberIn(object, "mod_revision");
  kv->mod_revision = revision.value_or(0);
  kv->create_revision = NumberIn(object, "create_revision").value_or(0);
  kv->version = NumberIn(object, "version").value_or(0);
  kv->lease = NumberIn(object, "lease").value_or(0);
  return revision.has_value();
}

bool ReadLease(const Json& object, Lease* lease) {
  const std::optional<uint64_t> id = NumberIn(object, "id");
  const auto ttl = ParseDurationText(TextIn(object, "ttl"));
  if (!id || !ttl) return false;
  lease->id = *id;
  lease->ttl = *ttl;
  lease->remaining = ParseDurationText(TextIn(object, "remaining")).value_or(*ttl);
  lease->keys = NumberIn(object, "keys").value_or(0);
  return true;
}

std::string EncodeTransaction(const Transaction& transaction) {
  Json body = {{"compare", Json::array()}, {"then", Json::array()}, {"else", Json::array()}};
  for (const Comparison& each : transaction.compare) {
    body["compare"].push_back(ComparisonJson(each));
  }
  for (const TxnOperation& each : transaction.then) body["then"].push_back(OperationJson(each));
  for (const TxnOperation& each : transaction.otherwise) {
    body["else"].push_back(OperationJson(each));
  }
  return body.dump();
}

bool ReadTxnResult(const Json& object, const Transaction& transaction, TxnResult* result) {
  const auto succeeded = object.find("succeeded");
  const auto results = object.find("results");
  const std::optional<uint64_t> revision = NumberIn(object, "revision");
  if (succeeded == object.end() || !succeeded->is_boolean() || !revision ||
      results == object.end() || !results->is_array()) {
    return false;
  }
  result->succeeded = succeeded->get<bool>();
  result->revision = *revision;
  const auto& operations = result->succeeded ? transaction.then : transaction.otherwise;
  if (results->size() != operations.size()) return false;
  for (size_t i = 0; i < operations.size(); ++i) {
    if (!(*results)[i].is_object() ||
        !ReadOperationResult((*results)[i], operations[i].kind, &result->results.emplace_back())) {
      return false;
    }
  }
  return true;
}

}  // namespace sisyphus::client
