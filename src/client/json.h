// The JSON of the API: what requests say, and what good answers mean.
#ifndef SISYPHUS_CLIENT_JSON_H_
#define SISYPHUS_CLIENT_JSON_H_

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "sisyphus/client.h"

namespace sisyphus::client {

using Json = nlohmann::json;

// nullopt: it is not there, or no number.
std::optional<uint64_t> NumberIn(const Json& object, const char* name);
std::string TextIn(const Json& object, const char* name);  // Empty likewise.
bool FlagIn(const Json& object, const char* name, bool otherwise);
// `name`, or `name`_base64. False: neither is there, or it makes no sense.
bool BytesIn(const Json& object, const char* name, std::string* bytes);
// The JSON object that `text` is; an empty object if it is none.
Json ObjectOf(std::string_view text);

// False: this is not how SisyphusDB describes a key.
bool ReadKeyValue(const Json& object, KeyValue* kv);
bool ReadLease(const Json& object, Lease* lease);

std::string EncodeTransaction(const Transaction& transaction);
// The operations say which result is of which kind. False: the answer does not fit them.
bool ReadTxnResult(const Json& object, const Transaction& transaction, TxnResult* result);

}  // namespace sisyphus::client

#endif  // SISYPHUS_CLIENT_JSON_H_
