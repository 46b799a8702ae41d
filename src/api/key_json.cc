#include "api/key_json.h"

#include "api/http_types.h"
#include "api/json.h"

namespace sisyphus::api {

void AppendRevisions(std::string* out, const kv::VersionedValue& value) {
  out->append(",\"create_revision\":");
  AppendNumber(out, value.create_revision.value());
  out->append(",\"mod_revision\":");
  AppendNumber(out, value.mod_revision.value());
  out->append(",\"version\":");
  AppendNumber(out, value.version);
  if (value.lease == 0) return;
  out->append(",\"lease\":");
  AppendNumber(out, value.lease);
}

void AppendKeyValue(std::string* out, std::string_view key, const kv::VersionedValue& value,
                    bool keys_only) {
  out->push_back('{');
  AppendJsonBytes(out, "key", key);
  if (!keys_only) {
    out->push_back(',');
    AppendJsonBytes(out, "value", value.value);
  }
  AppendRevisions(out, value);
  out->push_back('}');
}

void AppendPrevious(std::string* out, const std::optional<kv::VersionedValue>& previous) {
  if (!previous.has_value()) {
    out->append(",\"prev\":null");
    return;
  }
  out->append(",\"prev\":{");
  AppendJsonBytes(out, "value", previous->value);
  AppendRevisions(out, *previous);
  out->push_back('}');
}

}  // namespace sisyphus::api
