// A request's body as JSON: parsed within bounds, taken apart by name, and nothing in it ignored.
#ifndef SISYPHUS_API_JSON_BODY_H_
#define SISYPHUS_API_JSON_BODY_H_

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace sisyphus::api {

// No more of a document is built than this, whatever the body holds.
struct JsonBounds {
  size_t events = 1'000;  // Names, values, and beginnings and ends of objects and lists.
  int depth = 3;
};

// kInvalidArgument: no JSON object, or beyond the bounds. An empty body is an empty object.
StatusOr<nlohmann::json> ParseJsonObject(const std::string& body, const JsonBounds& bounds);

// The members of an object, taken one by one. Errors are kInvalidArgument and say `what` it is.
class JsonMembers {
 public:
  // The object is not owned; what is taken may be moved out of it.
  static StatusOr<JsonMembers> Of(nlohmann::json* object, std::string_view what);

  nlohmann::json* Take(const char* name);  // Null: it is not there.
  bool Has(const char* name) const { return object_->contains(name); }

  // `name`, or `name`_base64. Nothing: neither is there.
  StatusOr<std::optional<std::string>> TakeBytes(const std::string& name);
  StatusOr<uint64_t> TakeNumber(const char* name, uint64_t otherwise);
  StatusOr<bool> TakeFlag(const char* name);

  // Names what nobody took.
  Status Finish() const;
  Status Wrong(const std::string& message) const;

 private:
  JsonMembers(nlohmann::json* object, std::string_view what) : object_(object), what_(what) {}

  nlohmann::json* object_;
  std::string what_;
  std::vector<std::string> taken_;
};

}  // namespace sisyphus::api

#endif  // SISYPHUS_API_JSON_BODY_H_
