#include "api/json_body.h"

#include <algorithm>
#include <utility>

#include "api/json.h"
#include "base/text.h"

namespace sisyphus::api {

using nlohmann::json;

namespace {

constexpr size_t kMaxNameShown = 64;

Status Invalid(const std::string& message) {
  return MakeStatus(StatusCode::kInvalidArgument, message);
}

}  // namespace

StatusOr<json> ParseJsonObject(const std::string& body, const JsonBounds& bounds) {
  if (body.empty()) return json::object();
  size_t events = 0;
  bool too_much = false;
  const auto bounded = [&](int depth, json::parse_event_t, json&) {
    if (depth > bounds.depth || ++events > bounds.events) too_much = true;
    return !too_much;
  };
  json object = json::parse(body, bounded, /*allow_exceptions=*/false);
  if (too_much) return Invalid("the body is nested too deeply, or has too many elements");
  if (!object.is_object()) return Invalid("the body is no JSON object");
  return object;
}

StatusOr<JsonMembers> JsonMembers::Of(json* object, std::string_view what) {
  if (!object->is_object()) return Invalid(std::string(what) + " is no object");
  return JsonMembers(object, what);
}

json* JsonMembers::Take(const char* name) {
  const auto field = object_->find(name);
  if (field == object_->end()) return nullptr;
  taken_.emplace_back(name);
  return &*field;
}

StatusOr<std::optional<std::string>> JsonMembers::TakeBytes(const std::string& name) {
  const std::string base64 = name + "_base64";
  json* const text = Take(name.c_str());
  json* const coded = Take(base64.c_str());
  if (text != nullptr && coded != nullptr) return Wrong(name + " comes twice");
  if (text == nullptr && coded == nullptr) return std::optional<std::string>();
  json* const field = text != nullptr ? text : coded;
  if (!field->is_string()) return Wrong(name + " is a string");
  auto& string = field->get_ref<std::string&>();
  if (text != nullptr) return std::optional<std::string>(std::move(string));
  std::string bytes;
  if (!DecodeBase64(string, &bytes)) return Wrong(base64 + " is no base64");
  return std::optional<std::string>(std::move(bytes));
}

StatusOr<uint64_t> JsonMembers::TakeNumber(const char* name, uint64_t otherwise) {
  const json* const field = Take(name);
  if (field == nullptr) return otherwise;
  if (!field->is_number_unsigned()) return Wrong(std::string(name) + " is a whole number");
  return field->get<uint64_t>();
}

StatusOr<bool> JsonMembers::TakeFlag(const char* name) {
  const json* const field = Take(name);
  if (field == nullptr) return false;
  if (!field->is_boolean()) return Wrong(std::string(name) + " is true or false");
  return field->get<bool>();
}

Status JsonMembers::Finish() const {
  for (const auto& [name, value] : object_->items()) {
    if (std::find(taken_.begin(), taken_.end(), name) == taken_.end())
      return Wrong("unknown member " + name.substr(0, kMaxNameShown));
  }
  return OkStatus();
}

Status JsonMembers::Wrong(const std::string& message) const {
  return Invalid(what_ + ": " + message);
}

}  // namespace sisyphus::api
